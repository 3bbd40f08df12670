namespace ConvNet.GradientChecking;

/// <summary>The true values of a tensor; NaN where they are not computed.</summary>
/// <param name="Values">The values.</param>
/// <param name="Bounds">The allowed error of each value; null if the values are exact.</param>
/// <param name="Ceilings">The largest error of each value in any order of summation; null if the values are
/// exact.</param>
internal sealed record KnownTensor(double[] Values, double[]? Bounds, double[]? Ceilings)
{
    /// <summary>Whether float32 should compute the values without rounding.</summary>
    public bool IsExact => Bounds is null;

    /// <summary>Values that float32 should compute without rounding.</summary>
    public static KnownTensor Exact(double[] values) => new(values, null, null);

    /// <summary>Values that are copied.</summary>
    public static KnownTensor Copied(float[] values) => Exact(Array.ConvertAll(values, v => (double)v));

    /// <summary>The values of a reference.</summary>
    /// <param name="truth">The reference.</param>
    /// <param name="exact">Whether to demand exact values where the reference proves that they are.</param>
    public static KnownTensor Of(TruthTensor truth, bool exact) => exact && truth.IsExact
        ? Exact(truth.Values)
        : new(truth.Values, truth.Bounds, truth.Ceilings.Length > 0 ? truth.Ceilings : truth.Bounds);

    /// <summary>Adds tensors, each rounded to float32 and in any order.</summary>
    public static KnownTensor SumOf(IReadOnlyList<KnownTensor> parts)
    {
        if (parts.Count == 1)
            return parts[0];
        int length = parts[0].Values.Length;
        double[] values = new double[length], magnitudes = new double[length];
        foreach (KnownTensor part in parts)
        {
            for (int i = 0; i < length; i++)
            {
                values[i] += part.Values[i];
                magnitudes[i] += Math.Abs(part.Values[i]);
            }
        }
        if (parts.All(part => part.IsExact))
            return Exact(values);
        double[] Sum(Func<KnownTensor, double[]?> errors)
        {
            // One rounding of each part, and one for each addition.
            double[] sum = Array.ConvertAll(magnitudes, m => parts.Count * BoundedSum.UnitRoundoff * m);
            foreach (double[] each in parts.Select(errors).OfType<double[]>())
            {
                for (int i = 0; i < length; i++)
                    sum[i] += each[i];
            }
            return sum;
        }
        return new(values, Sum(part => part.Bounds), Sum(part => part.Ceilings));
    }

    /// <summary>The tensor for a comparison.</summary>
    public TruthTensor Named(string name) => new(name, Values)
    {
        Bounds = Bounds ?? [],
        Ceilings = Ceilings ?? [],
        IsSample = true,
    };
}
