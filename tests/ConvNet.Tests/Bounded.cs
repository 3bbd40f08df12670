namespace ConvNet.Tests;

/// <summary>A value in double precision, and how far the same computation in float32 may be from it.</summary>
/// <remarks>
/// Running error analysis: every operation passes on the errors of its operands and rounds once, by at most 2⁻²⁴ of its
/// result. Source: Higham, "Accuracy and stability of numerical algorithms", section 3.3.
/// </remarks>
/// <param name="Value">The value.</param>
/// <param name="Error">The bound.</param>
internal readonly record struct Bounded(double Value, double Error)
{
    private const double Unit = 1.0 / (1 << 24);

    /// <summary>A number that float32 has to round.</summary>
    public static Bounded Of(double value) => Rounded(value, 0);

    /// <summary>A number that float32 has.</summary>
    public static Bounded Exact(float value) => new(value, 0);

    public static Bounded operator +(Bounded a, Bounded b) => Rounded(a.Value + b.Value, a.Error + b.Error);

    public static Bounded operator -(Bounded a, Bounded b) => Rounded(a.Value - b.Value, a.Error + b.Error);

    public static Bounded operator *(Bounded a, Bounded b) => Rounded(a.Value * b.Value,
        (Math.Abs(a.Value) * b.Error) + (Math.Abs(b.Value) * a.Error) + (a.Error * b.Error));

    public static Bounded operator /(Bounded a, Bounded b)
    {
        double quotient = a.Value / b.Value, least = Math.Max(0, Math.Abs(b.Value) - b.Error);
        return Rounded(quotient, (a.Error + (Math.Abs(quotient) * b.Error)) / least);
    }

    /// <summary>The square root of a number that is not negative.</summary>
    public static Bounded Sqrt(Bounded a)
    {
        double root = Math.Sqrt(a.Value), least = Math.Sqrt(Math.Max(0, a.Value - a.Error));
        return Rounded(root, a.Error == 0 ? 0 : a.Error / (root + least));
    }

    /// <summary>The larger number.</summary>
    public static Bounded Max(Bounded a, Bounded b)
        => new(Math.Max(a.Value, b.Value), Math.Max(a.Error, b.Error));

    // What is below the normal numbers of float32 is rounded to the spacing there.
    private static Bounded Rounded(double value, double error)
        => new(value, error + (Unit * (Math.Abs(value) + error)) + (value == 0 ? 0 : float.Epsilon));
}
