namespace ConvNet.GradientChecking;

/// <summary>Error bounds for a layer of which only the reference is known: a custom layer that is not a sum.</summary>
/// <remarks>
/// For each tensor, the distance of a float32 backend from the double run may be 8 times the larger of two distances,
/// both maxima over the tensor: the distance of the float32 reference from the double run, and the change caused by
/// moving every input, parameter and upstream value by one ulp. If both are 0, the layer copies values, and the result
/// must be the rounded true value.
/// </remarks>
internal static class MeasuredBounds
{
    /// <summary>The allowed error as a multiple of the measured distance.</summary>
    public const double Allowance = 8;

    /// <summary>Returns the tensors of the layer with these bounds.</summary>
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
        long index = 0;
        return given.To(v => (double)((Philox.Word(given.Seed, given.NodeIndex, -1, index++) & 1) == 0
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
