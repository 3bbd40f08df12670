using MathNet.Numerics;

namespace ConvNet.GradientChecking;

/// <content>The functions, each with its derivative.</content>
internal readonly partial struct Dual
{
    private static readonly double s_ln2 = double.Log(2), s_ln10 = double.Log(10);

    /// <inheritdoc/>
    public static Dual Abs(Dual value) => double.IsNegative(value.Value) ? -value : value;

    /// <inheritdoc/>
    public static Dual CopySign(Dual value, Dual sign)
        => double.IsNegative(value.Value) == double.IsNegative(sign.Value) ? value : -value;

    /// <inheritdoc/>
    public static int Sign(Dual value) => double.Sign(value.Value);

    /// <inheritdoc/>
    public static Dual Max(Dual x, Dual y) => x.Value == y.Value ? (double.IsNegative(y.Value) ? x : y)
        : double.IsNaN(x.Value) || y.Value < x.Value ? x : y;

    /// <inheritdoc/>
    public static Dual MaxNumber(Dual x, Dual y) => double.IsNaN(y.Value) ? x : double.IsNaN(x.Value) ? y : Max(x, y);

    /// <inheritdoc/>
    public static Dual Min(Dual x, Dual y) => x.Value == y.Value ? (double.IsNegative(x.Value) ? x : y)
        : double.IsNaN(x.Value) || x.Value < y.Value ? x : y;

    /// <inheritdoc/>
    public static Dual MinNumber(Dual x, Dual y) => double.IsNaN(y.Value) ? x : double.IsNaN(x.Value) ? y : Min(x, y);

    /// <inheritdoc/>
    public static Dual MaxMagnitude(Dual x, Dual y)
    {
        (double a, double b) = (double.Abs(x.Value), double.Abs(y.Value));
        return a > b || double.IsNaN(a) || (a == b && !double.IsNegative(x.Value)) ? x : y;
    }

    /// <inheritdoc/>
    public static Dual MaxMagnitudeNumber(Dual x, Dual y)
        => double.IsNaN(y.Value) ? x : double.IsNaN(x.Value) ? y : MaxMagnitude(x, y);

    /// <inheritdoc/>
    public static Dual MinMagnitude(Dual x, Dual y)
    {
        (double a, double b) = (double.Abs(x.Value), double.Abs(y.Value));
        return a < b || double.IsNaN(a) || (a == b && double.IsNegative(x.Value)) ? x : y;
    }

    /// <inheritdoc/>
    public static Dual MinMagnitudeNumber(Dual x, Dual y)
        => double.IsNaN(y.Value) ? x : double.IsNaN(x.Value) ? y : MinMagnitude(x, y);

    /// <inheritdoc/>
    public static Dual Clamp(Dual value, Dual min, Dual max)
    {
        double clamped = double.Clamp(value.Value, min.Value, max.Value);
        return value.Value < min.Value ? min : value.Value > max.Value ? max : value.Chain(clamped, 1);
    }

    /// <inheritdoc/>
    public static Dual Round(Dual x, int digits, MidpointRounding mode) => new(double.Round(x.Value, digits, mode));

    /// <inheritdoc/>
    public static Dual Floor(Dual x) => new(double.Floor(x.Value));

    /// <inheritdoc/>
    public static Dual Ceiling(Dual x) => new(double.Ceiling(x.Value));

    /// <inheritdoc/>
    public static Dual Truncate(Dual x) => new(double.Truncate(x.Value));

    /// <inheritdoc/>
    public static Dual BitIncrement(Dual x) => new(double.BitIncrement(x.Value), x.Derivative);

    /// <inheritdoc/>
    public static Dual BitDecrement(Dual x) => new(double.BitDecrement(x.Value), x.Derivative);

    /// <inheritdoc/>
    public static Dual FusedMultiplyAdd(Dual left, Dual right, Dual addend)
        => new(double.FusedMultiplyAdd(left.Value, right.Value, addend.Value),
            (left * right + addend).Derivative);

    /// <inheritdoc/>
    public static Dual MultiplyAddEstimate(Dual left, Dual right, Dual addend)
        => new(double.MultiplyAddEstimate(left.Value, right.Value, addend.Value),
            (left * right + addend).Derivative);

    /// <inheritdoc/>
    public static Dual Ieee754Remainder(Dual left, Dual right)
        => new(double.Ieee754Remainder(left.Value, right.Value), left.Derivative
            - Term(right.Derivative, double.Round(left.Value / right.Value)));

    /// <inheritdoc/>
    public static int ILogB(Dual x) => double.ILogB(x.Value);

    /// <inheritdoc/>
    public static Dual ScaleB(Dual x, int n) => new(double.ScaleB(x.Value, n), double.ScaleB(x.Derivative, n));

    /// <inheritdoc/>
    public static Dual ReciprocalEstimate(Dual x)
        => x.Chain(double.ReciprocalEstimate(x.Value), -1 / (x.Value * x.Value));

    /// <inheritdoc/>
    public static Dual ReciprocalSqrtEstimate(Dual x)
        => x.Chain(double.ReciprocalSqrtEstimate(x.Value), -0.5 / (x.Value * double.Sqrt(x.Value)));

    /// <inheritdoc/>
    public static Dual Exp(Dual x) => x.Chain(double.Exp(x.Value), double.Exp(x.Value));

    /// <inheritdoc/>
    public static Dual ExpM1(Dual x) => x.Chain(double.ExpM1(x.Value), double.Exp(x.Value));

    /// <inheritdoc/>
    public static Dual Exp2(Dual x) => x.Chain(double.Exp2(x.Value), s_ln2 * double.Exp2(x.Value));

    /// <inheritdoc/>
    public static Dual Exp2M1(Dual x) => x.Chain(double.Exp2M1(x.Value), s_ln2 * double.Exp2(x.Value));

    /// <inheritdoc/>
    public static Dual Exp10(Dual x) => x.Chain(double.Exp10(x.Value), s_ln10 * double.Exp10(x.Value));

    /// <inheritdoc/>
    public static Dual Exp10M1(Dual x) => x.Chain(double.Exp10M1(x.Value), s_ln10 * double.Exp10(x.Value));

    /// <inheritdoc/>
    public static Dual Log(Dual x) => x.Chain(double.Log(x.Value), 1 / x.Value);

    /// <inheritdoc/>
    public static Dual Log(Dual x, Dual newBase)
    {
        double natural = double.Log(newBase.Value);
        return new(double.Log(x.Value, newBase.Value), Term(x.Derivative, 1 / (x.Value * natural))
            - Term(newBase.Derivative, double.Log(x.Value) / (newBase.Value * natural * natural)));
    }

    /// <inheritdoc/>
    public static Dual LogP1(Dual x) => x.Chain(double.LogP1(x.Value), 1 / (1 + x.Value));

    /// <inheritdoc/>
    public static Dual Log2(Dual x) => x.Chain(double.Log2(x.Value), 1 / (s_ln2 * x.Value));

    /// <inheritdoc/>
    public static Dual Log2P1(Dual x) => x.Chain(double.Log2P1(x.Value), 1 / (s_ln2 * (1 + x.Value)));

    /// <inheritdoc/>
    public static Dual Log10(Dual x) => x.Chain(double.Log10(x.Value), 1 / (s_ln10 * x.Value));

    /// <inheritdoc/>
    public static Dual Log10P1(Dual x) => x.Chain(double.Log10P1(x.Value), 1 / (s_ln10 * (1 + x.Value)));

    /// <inheritdoc/>
    public static Dual Pow(Dual x, Dual y)
    {
        double power = double.Pow(x.Value, y.Value), slope = y.Value == 0 ? 0
            : y.Value * double.Pow(x.Value, y.Value - 1);
        return new(power, Term(x.Derivative, slope)
            + (power == 0 ? 0 : Term(y.Derivative, power * double.Log(x.Value))));
    }

    /// <inheritdoc/>
    public static Dual Sqrt(Dual x) => x.Chain(double.Sqrt(x.Value), 0.5 / double.Sqrt(x.Value));

    /// <inheritdoc/>
    public static Dual Cbrt(Dual x)
    {
        double root = double.Cbrt(x.Value);
        return x.Chain(root, 1 / (3 * root * root));
    }

    /// <inheritdoc/>
    public static Dual RootN(Dual x, int n)
    {
        double root = double.RootN(x.Value, n);
        return x.Chain(root, 1 / (n * double.Pow(root, n - 1)));
    }

    /// <inheritdoc/>
    /// <remarks>Both partial derivatives at (0, 0), where there is none, are 0.</remarks>
    public static Dual Hypot(Dual x, Dual y)
    {
        double length = double.Hypot(x.Value, y.Value);
        return new(length, length == 0 ? 0
            : Term(x.Derivative, x.Value / length) + Term(y.Derivative, y.Value / length));
    }

    /// <inheritdoc/>
    public static Dual Sin(Dual x) => x.Chain(double.Sin(x.Value), double.Cos(x.Value));

    /// <inheritdoc/>
    public static Dual SinPi(Dual x) => x.Chain(double.SinPi(x.Value), double.Pi * double.CosPi(x.Value));

    /// <inheritdoc/>
    public static Dual Cos(Dual x) => x.Chain(double.Cos(x.Value), -double.Sin(x.Value));

    /// <inheritdoc/>
    public static Dual CosPi(Dual x) => x.Chain(double.CosPi(x.Value), -double.Pi * double.SinPi(x.Value));

    /// <inheritdoc/>
    public static (Dual Sin, Dual Cos) SinCos(Dual x) => (Sin(x), Cos(x));

    /// <inheritdoc/>
    public static (Dual SinPi, Dual CosPi) SinCosPi(Dual x) => (SinPi(x), CosPi(x));

    /// <inheritdoc/>
    public static Dual Tan(Dual x)
    {
        double tangent = double.Tan(x.Value);
        return x.Chain(tangent, 1 + tangent * tangent);
    }

    /// <inheritdoc/>
    public static Dual TanPi(Dual x)
    {
        double tangent = double.TanPi(x.Value);
        return x.Chain(tangent, double.Pi * (1 + tangent * tangent));
    }

    /// <inheritdoc/>
    public static Dual Asin(Dual x) => x.Chain(double.Asin(x.Value), ArcSlope(x.Value));

    /// <inheritdoc/>
    public static Dual AsinPi(Dual x) => x.Chain(double.AsinPi(x.Value), ArcSlope(x.Value) / double.Pi);

    /// <inheritdoc/>
    public static Dual Acos(Dual x) => x.Chain(double.Acos(x.Value), -ArcSlope(x.Value));

    /// <inheritdoc/>
    public static Dual AcosPi(Dual x) => x.Chain(double.AcosPi(x.Value), -ArcSlope(x.Value) / double.Pi);

    /// <inheritdoc/>
    public static Dual Atan(Dual x) => x.Chain(double.Atan(x.Value), 1 / (1 + x.Value * x.Value));

    /// <inheritdoc/>
    public static Dual AtanPi(Dual x)
        => x.Chain(double.AtanPi(x.Value), 1 / (double.Pi * (1 + x.Value * x.Value)));

    /// <inheritdoc/>
    public static Dual Atan2(Dual y, Dual x) => new(double.Atan2(y.Value, x.Value), AngleSlope(y, x));

    /// <inheritdoc/>
    public static Dual Atan2Pi(Dual y, Dual x) => new(double.Atan2Pi(y.Value, x.Value), AngleSlope(y, x) / double.Pi);

    /// <inheritdoc/>
    public static Dual Sinh(Dual x) => x.Chain(double.Sinh(x.Value), double.Cosh(x.Value));

    /// <inheritdoc/>
    public static Dual Cosh(Dual x) => x.Chain(double.Cosh(x.Value), double.Sinh(x.Value));

    /// <inheritdoc/>
    public static Dual Tanh(Dual x)
    {
        // 1 − tanh² would cancel.
        double cosh = double.Cosh(x.Value);
        return x.Chain(double.Tanh(x.Value), 1 / cosh / cosh);
    }

    /// <inheritdoc/>
    public static Dual Asinh(Dual x) => x.Chain(double.Asinh(x.Value), 1 / double.Hypot(1, x.Value));

    /// <inheritdoc/>
    public static Dual Acosh(Dual x)
        => x.Chain(double.Acosh(x.Value), 1 / (double.Sqrt(x.Value - 1) * double.Sqrt(x.Value + 1)));

    /// <inheritdoc/>
    public static Dual Atanh(Dual x) => x.Chain(double.Atanh(x.Value), 1 / ((1 - x.Value) * (1 + x.Value)));

    /// <inheritdoc/>
    public Dual Erf()
        => Chain(SpecialFunctions.Erf(Value), 2 / double.Sqrt(double.Pi) * double.Exp(-Value * Value));

    /// <inheritdoc/>
    public Dual Erfc()
        => Chain(SpecialFunctions.Erfc(Value), -2 / double.Sqrt(double.Pi) * double.Exp(-Value * Value));

    private static double ArcSlope(double x) => 1 / (double.Sqrt(1 - x) * double.Sqrt(1 + x));

    private static double AngleSlope(Dual y, Dual x)
    {
        double length = double.Hypot(x.Value, y.Value);
        return Term(y.Derivative, x.Value / length / length) - Term(x.Derivative, y.Value / length / length);
    }
}
