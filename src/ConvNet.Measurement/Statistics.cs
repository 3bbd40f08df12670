namespace ConvNet.Measurement;

/// <summary>Figures from samples.</summary>
public static class Statistics
{
    /// <summary>The median; the mean of the two in the middle where their number is even.</summary>
    /// <exception cref="ArgumentException">There is no sample.</exception>
    public static double Median(IEnumerable<double> samples)
    {
        double[] sorted = [.. samples.Order()];
        return sorted.Length > 0
            ? (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2
            : throw new ArgumentException("No samples have no median.", nameof(samples));
    }

    /// <summary>The geometric mean.</summary>
    /// <inheritdoc cref="Median"/>
    public static double GeometricMean(IEnumerable<double> samples)
    {
        double[] logarithms = [.. samples.Select(sample => Math.Log(sample))];
        return logarithms.Length > 0
            ? Math.Exp(logarithms.Average())
            : throw new ArgumentException("No samples have no geometric mean.", nameof(samples));
    }
}
