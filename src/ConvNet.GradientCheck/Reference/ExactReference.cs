namespace ConvNet.GradientChecking;

/// <summary>What a layer makes of whole numbers, with a proof that float32 makes the same of them in any
/// order.</summary>
/// <remarks>
/// Every term of a bilinear layer, as a convolution, is a product of two values, or a bias. It is a multiple of the
/// product of their units, the largest powers of two that all of a tensor are multiples of, and a run on the magnitudes
/// of all values gives Σ|term|: below 2²⁴ units no partial sum rounds. Both runs are plain, so this is quicker than
/// <see cref="LayerReference"/>, which
/// proves it for any other layer.
/// </remarks>
internal static class ExactReference
{
    private const double Limit = 1 << 24;

    /// <summary>The results, and whether they are exact.</summary>
    public static LayerTruth Evaluate(LayerValues<float> given)
    {
        if (!given.Layer.IsBilinear)
            return LayerReference.Evaluate(given);
        LayerRun<double> run = new(given.To(v => (double)v)), magnitudes = new(given.To(v => (double)Math.Abs(v)));
        double x = UnitOf(given.X[0]), w = UnitOf(given.W[0]), dy = UnitOf(given.DY), bias = given.W.Length > 1
            ? UnitOf(given.W[1]) : double.PositiveInfinity;
        TruthTensor Of(string name, double[] values, double[] sums, double unit)
            => new(name, values)
            {
                Bounds = [],
                IsExact = Array.TrueForAll(sums, sum => sum == 0 || sum < Limit * unit)
            };
        return new LayerTruth(
            Of("y", run.Y, magnitudes.Y, Math.Min(x * w, bias)),
            [Of("dx", run.DX[0], magnitudes.DX[0], dy * w)],
            [.. given.Specs.Select(
                (spec, i) => Of(LayerReference.GradientName(spec), run.DW[i], magnitudes.DW[i], i == 0 ? dy * x : dy))],
            new TruthTensor?[given.Specs.Count]);
    }

    // Infinite where all are 0, and 0 where one is no number.
    private static double UnitOf(float[] values)
    {
        BoundedSum sum = default;
        foreach (float value in values)
            sum += value;
        return sum.Unit;
    }
}
