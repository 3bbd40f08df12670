namespace ConvNet.GradientChecking;

/// <summary>Bounds for a layer of which nothing is known but its reference: a user's own layer that is no
/// sum.</summary>
/// <remarks>
/// Per tensor, a float32 backend may be 8 times as far from the double run as the larger of two distances, both the
/// largest over the tensor: the one of the float32 reference, and the change that moving every input, parameter and
/// upstream value by one ulp makes. Where both are 0, the layer copies and the result must be the true value, rounded.
/// </remarks>
internal static class MeasuredBounds
{
    /// <summary>How many times as far as the reference a backend may be.</summary>
    public const double Allowance = 8;

    /// <summary>The layer's tensors with the bounds above.</summary>
    public static LayerTruth Evaluate(LayerValues<float> given, LayerValues<double> values)
    {
        var truth = new LayerRun<double>(values);
        LayerRun<double> single = new LayerRun<float>(given).ToDouble(), moved = new(Perturbed(given));
        TruthTensor Of(string name, Func<LayerRun<double>, double[]> tensor)
        {
            double[] exact = tensor(truth);
            double distance = Math.Max(Distance(exact, tensor(single)), Distance(exact, tensor(moved)));
            double[] bounds = Array.ConvertAll(exact, v => distance == 0 ? 0 : Allowance * distance
                + BoundedSum.UnitRoundoff * Math.Abs(v));
            return new TruthTensor(name, exact) { Bounds = bounds };
        }
        return new LayerTruth(Of("y", run => run.Y),
            [.. values.X.Select((_, i) => Of(LayerReference.InputGradientName(values, i), run => run.DX[i]))],
            [.. values.Specs.Select((spec, i) => spec.Trainable
                ? Of(LayerReference.GradientName(spec), run => run.DW[i]) : null)],
            [.. values.Specs.Select((spec, i) => spec.Trainable ? null : Of(spec.Name, run => run.W[i]))]);
    }

    private static LayerValues<double> Perturbed(LayerValues<float> given)
    {
        long place = 0;
        return given.To(v => (double)((Philox.Word(given.Seed, given.NodeIndex, -1, place++) & 1) == 0
            ? MathF.BitIncrement(v) : MathF.BitDecrement(v)));
    }

    private static double Distance(double[] a, double[] b)
    {
        double largest = 0;
        for (int i = 0; i < a.Length; i++)
            largest = Math.Max(largest, Math.Abs(a[i] - b[i]));
        return largest;
    }
}
