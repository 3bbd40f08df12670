namespace ConvNet.Onnx;

/// <summary>Reductions of constants along dimensions, such as those that normalise weights.</summary>
internal static class FoldedReductions
{
    private const int FirstWithInput = 18;

    /// <summary>A function of the sum of what each value is.</summary>
    /// <param name="of">What a value adds to the sum.</param>
    /// <param name="result">The function of the sum and the number of values.</param>
    /// <param name="firstWithInput">The first version whose axes are an input.</param>
    public static Folding.Function Of(Func<double, double> of, Func<double, long, double> result,
        int firstWithInput = FirstWithInput)
        => (node, inputs) => Reduced(node, inputs, firstWithInput, 0, (sum, value) => sum + of(value), result);

    /// <summary>The largest or the smallest value.</summary>
    public static Folding.Function Of(Func<double, double, double> chosen) => (node, inputs)
        => Reduced(node, inputs, FirstWithInput, double.NaN,
            (best, value) => double.IsNaN(best) ? value : chosen(best, value), (best, _) => best);

    private static OnnxTensor Reduced(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs, int firstWithInput,
        double start, Func<double, double, double> next, Func<double, long, double> result)
    {
        OnnxTensor x = inputs[0]!;
        if (x.Kind != ElementKind.Real)
            throw new UnsupportedNodeException("it reduces a constant of whole numbers");
        int rank = x.Sizes.Length;
        long[]? axes = node.Version >= firstWithInput ? inputs.ElementAtOrDefault(1)?.ToWholes() : node.Wholes("axes");
        if (axes is not { Length: > 0 } && node.Whole("noop_with_empty_axes") != 0)
            return x;
        HashSet<int> reduced = axes is { Length: > 0 }
            ? [.. axes.Select(axis => FoldedMoves.Dimension(axis, rank))] : [.. Enumerable.Range(0, rank)];
        long[] kept = [.. x.Sizes.Select((size, d) => reduced.Contains(d) ? 1 : size)];
        var values = new double[Views.Product(kept)];
        Array.Fill(values, start);
        for (int i = 0; i < x.Length; i++)
        {
            int at = IndexOf(i, x.Sizes, kept);
            values[at] = next(values[at], x.Reals[i]);
        }
        long count = x.Length / Math.Max(1, values.Length);
        return OnnxTensor.Of(node.Whole("keepdims", 1) != 0 ? kept
            : [.. x.Sizes.Where((_, d) => !reduced.Contains(d))],
            Array.ConvertAll(values, value => (float)result(value, count)));
    }

    // Where a value is in a tensor whose reduced dimensions have size 1.
    private static int IndexOf(long index, long[] sizes, long[] kept)
    {
        long at = 0, stride = 1;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            (index, long position) = Math.DivRem(index, sizes[d]);
            at += kept[d] == 1 ? 0 : position * stride;
            stride *= kept[d];
        }
        return (int)at;
    }
}
