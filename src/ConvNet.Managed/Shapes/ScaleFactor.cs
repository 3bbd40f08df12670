using System.Globalization;

namespace ConvNet;

/// <summary>The factors by which the rows and the columns of a map are scaled. A single number converts to the same
/// factor in both directions.</summary>
/// <param name="H">The factor of the rows.</param>
/// <param name="W">The factor of the columns.</param>
public readonly record struct ScaleFactor(float H, float W)
{
    /// <summary>Creates the same factor for rows and columns.</summary>
    public static implicit operator ScaleFactor(int factor) => new(factor, factor);

    /// <summary>Creates the same factor for rows and columns.</summary>
    public static implicit operator ScaleFactor(float factor) => new(factor, factor);

    /// <summary>Creates factors for rows and columns.</summary>
    public static implicit operator ScaleFactor((int H, int W) factor) => new(factor.H, factor.W);

    /// <summary>Creates factors for rows and columns.</summary>
    public static implicit operator ScaleFactor((float H, float W) factor) => new(factor.H, factor.W);

    /// <summary>Creates factors for rows and columns.</summary>
    public static implicit operator ScaleFactor(Extent factor) => new(factor.H, factor.W);

    /// <summary>The factors as they were written, in double: 1.3 and not 1.29999995, which would leave a pixel less of
    /// ten.</summary>
    internal (double H, double W) Decimals => (DecimalOf(H), DecimalOf(W));

    private static double DecimalOf(float factor)
        => double.Parse(factor.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>Returns text such as <c>2×1.5</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{H}×{W}");
}
