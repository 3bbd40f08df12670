namespace ConvNet.Onnx;

/// <summary>Pooling composed of several nodes.</summary>
internal static class PoolingPatterns
{
    /// <summary>Adaptive average pooling: a matrix times the map times a matrix.</summary>
    public static OnnxNode? AdaptiveAverage(OnnxProgram program, OnnxNode last)
        => program.Constant(last, 1) is { Sizes.Length: 2 }
            && program.Producer(last.Input(0), "MatMul") is { } means
            && program.Constant(means, 0) is { Sizes.Length: 2 }
            ? last.Composed("AdaptiveAveragePool", [means.Input(1), means.Input(0), last.Input(1)]) : null;

    /// <summary>Adaptive max pooling: the maxima of slices of rows, then of columns.</summary>
    public static OnnxNode? AdaptiveMax(OnnxProgram program, OnnxNode last)
    {
        if (Maxima(program, last, 3) is not (var rows, var columns)
            || program.Producer(rows, "Concat") is not { } joined
            || Maxima(program, joined, 2) is not (var x, var heights))
            return null;
        return last.Composed("AdaptiveMaxPool", [x], "", OnnxAttribute.Of("rows", heights),
            OnnxAttribute.Of("columns", columns));
    }

    /// <summary>Max pooling of a map that was padded with −∞.</summary>
    public static OnnxNode? PaddedMax(OnnxProgram program, OnnxNode last)
    {
        if (program.Producer(last.Input(0), "Pad") is not { } pad || pad.Text("mode", "constant") != "constant"
            || !double.IsNegativeInfinity(pad.Has(2) ? program.Scalar(pad.Input(2)) ?? 0 : pad.Real("value"))
            || program.Constant(pad, 1)?.ToWholes() is not [0, 0, var top, var left, 0, 0, var bottom, var right]
            || pad.Has(3) || last.Wholes("pads")?.Any(size => size != 0) == true
            || last.Text("auto_pad", "NOTSET") is not ("NOTSET" or "VALID"))
            return null;
        var attributes = last.Attributes.ToDictionary();
        long[] sizes = [top, left, bottom, right];
        attributes["pads"] = OnnxAttribute.Of("pads", [.. sizes.Select(size => (int)Math.Clamp(size, int.MinValue,
            int.MaxValue))]);
        return last with { Inputs = [pad.Input(0)], Attributes = attributes };
    }

    // The input of the slices, and the start and end of each.
    private static (string X, int[] Bins)? Maxima(OnnxProgram program, OnnxNode joined, int axis)
    {
        if (joined.Whole("axis") != axis)
            return null;
        string? x = null;
        var bins = new List<int>();
        foreach (string input in joined.Inputs)
        {
            if (program.Producer(input, "ReduceMax") is not { } maximum || maximum.Whole("keepdims", 1) != 1
                || (maximum.Wholes("axes") ?? program.Constant(maximum, 1)?.ToWholes()) is not [var along]
                || along != axis || program.Producer(maximum.Input(0), "Slice") is not { } slice
                || program.Constant(slice, 1)?.ToWholes() is not [var start]
                || program.Constant(slice, 2)?.ToWholes() is not [var end]
                || program.Constant(slice, 3)?.ToWholes() is not [var cut] || cut != axis || slice.Has(4)
                || (x ??= slice.Input(0)) != slice.Input(0) || start is < 0 or > int.MaxValue
                || end is < 0 or > int.MaxValue)
                return null;
            bins.AddRange([(int)start, (int)end]);
        }
        return x is null ? null : (x, [.. bins]);
    }
}
