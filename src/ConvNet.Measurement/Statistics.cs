using MathNet.Numerics.Distributions;

namespace ConvNet.Measurement;

/// <summary>Statistics of samples.</summary>
public static class Statistics
{
    /// <summary>The confidence level of intervals.</summary>
    public const double Confidence = 0.95;

    /// <summary>Returns the median. For an even number of samples, this is the mean of the two middle ones.</summary>
    /// <exception cref="ArgumentException">There are no samples.</exception>
    public static double Median(IEnumerable<double> samples)
    {
        double[] sorted = [.. samples.Order()];
        return sorted.Length > 0
            ? (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2
            : throw new ArgumentException("The median of zero samples is undefined.", nameof(samples));
    }

    /// <summary>Returns the geometric mean.</summary>
    /// <inheritdoc cref="Median"/>
    public static double GeometricMean(IEnumerable<double> samples)
    {
        double[] logarithms = [.. samples.Select(sample => Math.Log(sample))];
        return logarithms.Length > 0
            ? Math.Exp(logarithms.Average())
            : throw new ArgumentException("The geometric mean of zero samples is undefined.", nameof(samples));
    }

    /// <summary>Returns the median of positive samples with its 95% confidence interval.</summary>
    /// <remarks>
    /// With six or more samples, the interval ends at the k-th smallest and the k-th largest sample, where k is the
    /// largest number for which the binomial distribution yields at least 95% (the inverted sign test). This assumes
    /// only that the samples are independent, and outliers do not widen the interval. With two to five samples, the
    /// interval is Student's t interval about the mean of their logarithms. A single sample has no interval.
    /// </remarks>
    /// <exception cref="ArgumentException">There are no samples.</exception>
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

    /// <summary>Returns the smallest sample that at least the given share of the samples does not exceed.</summary>
    /// <inheritdoc cref="Median"/>
    public static double Quantile(IEnumerable<double> samples, double share)
    {
        double[] sorted = [.. samples.Order()];
        return sorted.Length > 0
            ? sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)]
            : throw new ArgumentException("The quantile of zero samples is undefined.", nameof(samples));
    }
}
