namespace ConvNet.GradientChecking;

/// <summary>The reference with bounds: what a layer computes from float32 values, in double.</summary>
internal static class LayerReference
{
    /// <summary>Output, gradients and buffers of one training pass, each with the error that float32 may
    /// make.</summary>
    /// <param name="given">What it runs on.</param>
    /// <param name="sample">Which part of the results of a layer of sums is computed; all unless given.</param>
    public static LayerTruth Evaluate(LayerValues<float> given, Sample? sample = null)
    {
        LayerValues<double> values = given.To(v => (double)v);
        return given.Layer.Accuracy switch
        {
            Accuracy.Sums => OfSums(given.Layer, values, sample),
            Accuracy.Moves => OfCopies(values),
            Accuracy.Derived => Derived(values),
            _ => MeasuredBounds.Evaluate(given, values),
        };
    }

    /// <summary>The name of a parameter's gradient: that of the parameter after a d, with the usual letters for weight
    /// and bias.</summary>
    public static string GradientName(ParameterSpec spec) => spec.Name switch
    {
        "weight" => "dw",
        "bias" => "db",
        _ => $"d{spec.Name}",
    };

    /// <summary>The name of an input's gradient: dx, numbered where there are several.</summary>
    public static string InputGradientName<T>(LayerValues<T> values, int i) => values.X.Length == 1 ? "dx" : $"dx{i}";

    private static LayerTruth Derived(LayerValues<double> values)
    {
        var bounds = new ErrorBounds(values);
        values.Layer.DeriveBounds(bounds);
        TruthTensor Of(string name, ReadOnlySpan<double> of, ReadOnlySpan<double> within)
            => new(name, of.ToArray()) { Bounds = within.ToArray(), Terms = bounds.Terms };
        return new LayerTruth(Of("y", bounds.Y, bounds.YBound),
            [.. values.X.Select((_, i) => Of(InputGradientName(values, i), bounds.DX(i), bounds.DXBound(i)))],
            [.. values.Specs.Select((spec, i) => spec.Trainable
                ? Of(GradientName(spec), bounds.DW(i), bounds.DWBound(i))
                : null)],
            [.. values.Specs.Select((spec, i) => spec.Trainable
                ? null
                : Of(spec.Name, bounds.Buffer(i), bounds.BufferBound(i)))]);
    }

    private static LayerTruth OfSums(Layer layer, LayerValues<double> values, Sample? sample)
    {
        if (layer is not SumLayer)
            throw new InvalidOperationException(
                $"{layer.GetType().Name} says Accuracy.Sums and does not derive from SumLayer.");
        var sums = sample is null ? new LayerSums<BoundedSum>(values)
            : new LayerSums<BoundedSum>(values, sample.Parts, BoundedSum.Of(double.NaN));
        TruthTensor Of(string name, BoundedSum[] tensor) => TruthTensor.Of(name, tensor, sample is not null);
        return new LayerTruth(Of("y", sums.Y),
            [.. sums.DX.Select((dx, i) => Of(InputGradientName(values, i), dx))],
            [.. sums.DW.Select((dw, i) => values.Specs[i].Trainable ? Of(GradientName(values.Specs[i]), dw) : null)],
            new TruthTensor?[values.Specs.Count]);
    }

    // Each value is a copy, a zero or one product: at most one rounding, the same everywhere.
    private static LayerTruth OfCopies(LayerValues<double> values)
    {
        var run = new LayerRun<double>(values);
        return new LayerTruth(TruthTensor.Rounded("y", run.Y),
            [.. run.DX.Select((dx, i) => TruthTensor.Rounded(InputGradientName(values, i), dx))], [], []);
    }
}
