namespace ConvNet.GradientChecking;

/// <summary>The results of a layer for integer values, with a proof that float32 gives the same results in any order of
/// summation.</summary>
/// <remarks>
/// Every term of a bilinear layer, such as a convolution, is a product of two values or a bias. The unit of a tensor is
/// the largest power of two that divides all its values; a term is a multiple of the product of the units. A second run
/// on the magnitudes of all values gives Σ|term|. If that is below 2²⁴ units, no partial sum rounds. Both are ordinary
/// runs, so this is faster than <see cref="LayerReference"/>, which gives the proof for all other layers.
/// </remarks>
internal static class ExactReference
{
    private const double Limit = 1 << 24;

    /// <summary>Computes the results and whether they are exact.</summary>
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

    // Infinity if all values are 0, and 0 if one of them is not finite.
    private static double UnitOf(float[] values)
    {
        BoundedSum sum = default;
        foreach (float value in values)
            sum += value;
        return sum.Unit;
    }
}
