namespace ConvNet.GradientChecking;

/// <summary>The reference with error bounds: the results of a layer for float32 values, computed in double.</summary>
internal static class LayerReference
{
    /// <summary>Computes the output, gradients and buffers of one training pass, each with its float32 error
    /// bound.</summary>
    /// <param name="given">The values to run the layer on.</param>
    /// <param name="sample">Selects a sample of the results of a layer of sums to compute; null computes all of
    /// them.</param>
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

    /// <summary>Returns the name of a parameter's gradient: d followed by the name of the parameter, with w for weight
    /// and b for bias.</summary>
    public static string GradientName(ParameterSpec spec) => spec.Name switch
    {
        "weight" => "dw",
        "bias" => "db",
        _ => $"d{spec.Name}",
    };

    /// <summary>Returns the name of an input's gradient: dx, with a number if there are several inputs.</summary>
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
                $"{layer.GetType().Name} has Accuracy.Sums but does not derive from SumLayer.");
        var sums = sample is null ? new LayerSums<BoundedSum>(values)
            : new LayerSums<BoundedSum>(values, sample.Indices, BoundedSum.Of(double.NaN));
        TruthTensor Of(string name, BoundedSum[] tensor) => TruthTensor.Of(name, tensor, sample is not null);
        return new LayerTruth(Of("y", sums.Y),
            [.. sums.DX.Select((dx, i) => Of(InputGradientName(values, i), dx))],
            [.. sums.DW.Select((dw, i) => values.Specs[i].Trainable ? Of(GradientName(values.Specs[i]), dw) : null)],
            new TruthTensor?[values.Specs.Count]);
    }

    // Each value is a copy, a zero or a single product. It is rounded at most once, the same way on every backend.
    private static LayerTruth OfCopies(LayerValues<double> values)
    {
        var run = new LayerRun<double>(values);
        return new LayerTruth(TruthTensor.Rounded("y", run.Y),
            [.. run.DX.Select((dx, i) => TruthTensor.Rounded(InputGradientName(values, i), dx))], [], []);
    }
}
