using MathNet.Numerics.Distributions;

namespace ConvNet.Measurement;

/// <summary>Figures from samples.</summary>
public static class Statistics
{
    /// <summary>How often an interval holds the true value.</summary>
    public const double Confidence = 0.95;

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

    /// <summary>The median of positive samples with its interval of 95%.</summary>
    /// <remarks>
    /// From six samples on the interval ends at two of them, the k-th from below and from above with the largest k that
    /// keeps the binomial distribution's 95% (the sign test turned round): it takes the samples to be independent and
    /// nothing else, and a few disturbed ones, however far off, do not widen it. Two to five samples are too few for
    /// that: Student's t about the mean of their logarithms. One has no interval.
    /// </remarks>
    /// <exception cref="ArgumentException">There is no sample.</exception>
    public static Interval IntervalOfMedian(IReadOnlyCollection<double> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        double median = Median(samples);
        double[] sorted = [.. samples.Order()];
        int n = sorted.Length, k = 0;
        while (2 * Binomial.CDF(0.5, n, k) <= 1 - Confidence)
            k++;
        if (k > 0)
            return new Interval(median, sorted[k - 1], sorted[n - k]);
        if (n == 1)
            return new Interval(median, null, null);
        double[] logarithms = [.. sorted.Select(sample => Math.Log(sample))];
        double mean = logarithms.Average(),
            deviation = Math.Sqrt(logarithms.Sum(l => (l - mean) * (l - mean)) / (n - 1));
        double reach = StudentT.InvCDF(0, 1, n - 1, (1 + Confidence) / 2) * deviation / Math.Sqrt(n);
        return new Interval(median, Math.Exp(mean - reach), Math.Exp(mean + reach));
    }

    /// <summary>The value that a share of the samples does not exceed: the smallest such sample.</summary>
    /// <inheritdoc cref="Median"/>
    public static double Quantile(IEnumerable<double> samples, double share)
    {
        double[] sorted = [.. samples.Order()];
        return sorted.Length > 0
            ? sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)]
            : throw new ArgumentException("No samples have no quantile.", nameof(samples));
    }
}
