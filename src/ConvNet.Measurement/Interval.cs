namespace ConvNet.Measurement;

/// <summary>A value with its 95% confidence interval.</summary>
/// <param name="Value">The value: a median over rounds.</param>
/// <param name="Low">The lower bound. Null if there was only one round, which yields no interval.</param>
/// <param name="High">The upper bound. Null if <paramref name="Low"/> is null.</param>
public sealed record Interval(double Value, double? Low, double? High)
{
    /// <summary>The relative width of the interval: the logarithm of the ratio of its bounds. Null without an
    /// interval.</summary>
    public double? Width => Low is { } low && High is { } high ? Math.Log(high / low) : null;
}
