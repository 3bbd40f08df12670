namespace ConvNet.GradientChecking;

/// <summary>Compares the results of a backend with the true values, element by element.</summary>
internal static class Comparison
{
    /// <summary>Compares within the error bounds.</summary>
    public static TensorReport WithinBounds(ReadOnlySpan<float> got, TruthTensor truth)
        => Compare(got, truth, exact: false) with { Terms = truth.Terms };

    /// <summary>Compares bit for bit, except for the sign of zero.</summary>
    public static TensorReport Exactly(ReadOnlySpan<float> got, TruthTensor truth) => Compare(got, truth, exact: true)
        with
    { Terms = truth.Terms };

    private static TensorReport Compare(ReadOnlySpan<float> got, TruthTensor truth, bool exact)
    {
        int worst = 0, failed = 0, suspects = 0, compared = 0;
        double worstInBounds = 0;
        for (int i = 0; i < got.Length; i++)
        {
            if (truth.IsSample && double.IsNaN(truth.Values[i]))
                continue;
            if (compared++ == 0)
                worst = i;
            double inBounds = InBounds(got[i], truth.Values[i], exact ? 0 : truth.Bounds[i]);
            if (inBounds > worstInBounds)
                (worst, worstInBounds) = (i, inBounds);
            if (inBounds <= 1)
                continue;
            if (!exact && truth.Ceilings.Length > 0 && Math.Abs(got[i] - truth.Values[i]) <= truth.Ceilings[i])
                suspects++;
            else
                failed++;
        }
        return compared == 0
            ? new TensorReport(truth.Name, 0, 0, 0, 0, 0, 0, 0, 0)
            : new TensorReport(truth.Name, compared, worstInBounds, Ulps(got[worst], (float)truth.Values[worst]), worst,
                got[worst],
                truth.Values[worst], failed, suspects)
            {
                Length = got.Length,
            };
    }

    private static double InBounds(float got, double truth, double bound)
    {
        if (got == (float)truth || (float.IsNaN(got) && double.IsNaN(truth)))
            return 0;
        double inBounds = Math.Abs(got - truth) / bound;
        return double.IsNaN(inBounds) ? double.PositiveInfinity : inBounds;
    }

    /// <summary>Returns the distance between two values in units in the last place.</summary>
    /// <remarks>Floats in ascending order have bit patterns in ascending integer order, once those of the negative
    /// values are reversed.</remarks>
    internal static long Ulps(float a, float b) => Math.Abs(Ordinal(a) - Ordinal(b));

    private static long Ordinal(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return bits >= 0 ? bits : int.MinValue - (long)bits;
    }
}
