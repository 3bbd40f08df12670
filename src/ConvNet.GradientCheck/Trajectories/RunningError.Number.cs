using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace ConvNet.GradientChecking;

/// <content>What a floating-point type must have besides its arithmetic. Each function passes the error of its operand
/// on; one without a bound throws.</content>
internal readonly partial struct RunningError : IFloatingPointIeee754<RunningError>
{
    public static RunningError One => Exact(1);

    public static RunningError Zero => default;

    public static RunningError NegativeOne => Exact(-1);

    public static RunningError NegativeZero => Exact(-0f);

    public static RunningError AdditiveIdentity => Zero;

    public static RunningError MultiplicativeIdentity => One;

    public static RunningError Epsilon => Exact(float.Epsilon);

    public static RunningError NaN => Exact(float.NaN);

    public static RunningError PositiveInfinity => Exact(float.PositiveInfinity);

    public static RunningError NegativeInfinity => Exact(float.NegativeInfinity);

    public static RunningError E => Of(Math.E);

    public static RunningError Pi => Of(Math.PI);

    public static RunningError Tau => Of(Math.Tau);

    public static int Radix => 2;

    public static RunningError operator +(RunningError value) => value;

    public static RunningError operator ++(RunningError value) => value + One;

    public static RunningError operator --(RunningError value) => value - One;

    public static bool operator <(RunningError left, RunningError right) => IsLess(left, right);

    public static bool operator >(RunningError left, RunningError right) => IsLess(right, left);

    public static bool operator <=(RunningError left, RunningError right)
        => IsLess(left, right) || IsEqual(left, right);

    public static bool operator >=(RunningError left, RunningError right)
        => IsLess(right, left) || IsEqual(left, right);

    public static bool operator ==(RunningError left, RunningError right) => IsEqual(left, right);

    public static bool operator !=(RunningError left, RunningError right) => !IsEqual(left, right);

    public bool Equals(RunningError other) => double.IsNaN(Value) ? double.IsNaN(other.Value) : CompareTo(other) == 0;

    public override bool Equals(object? obj) => obj is RunningError other && Equals(other);

    public override int GetHashCode() => Value.GetHashCode();

    public int CompareTo(object? obj) => obj is RunningError other ? CompareTo(other) : 1;

    public static bool IsCanonical(RunningError value) => true;

    public static bool IsComplexNumber(RunningError value) => false;

    public static bool IsImaginaryNumber(RunningError value) => false;

    public static bool IsRealNumber(RunningError value) => !double.IsNaN(value.Value);

    public static bool IsFinite(RunningError value) => double.IsFinite(value.Value);

    public static bool IsInfinity(RunningError value) => double.IsInfinity(value.Value);

    public static bool IsNaN(RunningError value) => double.IsNaN(value.Value);

    public static bool IsNegativeInfinity(RunningError value) => double.IsNegativeInfinity(value.Value);

    public static bool IsPositiveInfinity(RunningError value) => double.IsPositiveInfinity(value.Value);

    public static bool IsNormal(RunningError value) => float.IsNormal((float)value.Value);

    public static bool IsSubnormal(RunningError value) => float.IsSubnormal((float)value.Value);

    public static bool IsInteger(RunningError value) => double.IsInteger(value.Settled("whether it is an integer"));

    public static bool IsEvenInteger(RunningError value)
        => double.IsEvenInteger(value.Settled("whether it is even"));

    public static bool IsOddInteger(RunningError value) => double.IsOddInteger(value.Settled("whether it is odd"));

    public static bool IsZero(RunningError value) => value == Zero;

    public static bool IsNegative(RunningError value) => value.Value == 0 && value.Error == 0
        ? double.IsNegative(value.Value) : value < Zero;

    public static bool IsPositive(RunningError value) => !IsNegative(value);

    public static RunningError MaxMagnitude(RunningError x, RunningError y) => Math.Abs(x.Value) >= Math.Abs(y.Value)
        ? Either(x, y, true) : Either(x, y, double.IsNaN(x.Value));

    public static RunningError MinMagnitude(RunningError x, RunningError y) => Math.Abs(x.Value) <= Math.Abs(y.Value)
        ? Either(x, y, true) : Either(x, y, double.IsNaN(x.Value));

    public static RunningError MaxMagnitudeNumber(RunningError x, RunningError y)
        => IsNaN(x) ? y : IsNaN(y) ? x : MaxMagnitude(x, y);

    public static RunningError MinMagnitudeNumber(RunningError x, RunningError y)
        => IsNaN(x) ? y : IsNaN(y) ? x : MinMagnitude(x, y);

    public static RunningError Exp(RunningError x) => Monotone(x, Math.Exp);

    public static RunningError Exp2(RunningError x) => Monotone(x, double.Exp2);

    public static RunningError Exp10(RunningError x) => Monotone(x, double.Exp10);

    public static RunningError Log(RunningError x) => Monotone(x, Math.Log);

    public static RunningError Log(RunningError x, RunningError newBase) => Log(x) / Log(newBase);

    public static RunningError Log2(RunningError x) => Monotone(x, Math.Log2);

    public static RunningError Log10(RunningError x) => Monotone(x, Math.Log10);

    // xʸ rises or falls in x and in y as long as x is positive.
    public static RunningError Pow(RunningError x, RunningError y)
    {
        if (x.Value < x.Error)
            return Without($"{x} to the power of {y}");
        RunningError power = Monotone(x, v => Math.Pow(v, y.Value));
        double low = Math.Abs(Math.Pow(x.Value + x.Error, y.Value - y.Error) - power.Value),
            high = Math.Abs(Math.Pow(x.Value + x.Error, y.Value + y.Error) - power.Value);
        return y.Error == 0 ? power
            : new(power.Value, 2 * (power.Error + Math.Max(low, high)), power.Magnitude, NotDyadic);
    }

    public static RunningError Cbrt(RunningError x) => Monotone(x, Math.Cbrt);

    public static RunningError Hypot(RunningError x, RunningError y) => Sqrt(x * x + y * y);

    public static RunningError RootN(RunningError x, int n) => Monotone(x, v => double.RootN(v, n));

    public static RunningError Sinh(RunningError x) => Monotone(x, Math.Sinh);

    public static RunningError Cosh(RunningError x) => Monotone(Abs(x), Math.Cosh);

    public static RunningError Tanh(RunningError x) => Monotone(x, Math.Tanh);

    public static RunningError Asinh(RunningError x) => Monotone(x, Math.Asinh);

    public static RunningError Acosh(RunningError x) => Monotone(x, Math.Acosh);

    public static RunningError Atanh(RunningError x) => Monotone(x, Math.Atanh);

    public static RunningError Sin(RunningError x) => Gentle(x, Math.Sin);

    public static RunningError Cos(RunningError x) => Gentle(x, Math.Cos);

    public static (RunningError Sin, RunningError Cos) SinCos(RunningError x) => (Sin(x), Cos(x));

    public static RunningError Asin(RunningError x) => Monotone(x, Math.Asin);

    public static RunningError Acos(RunningError x) => Monotone(x, Math.Acos);

    public static RunningError Atan(RunningError x) => Monotone(x, Math.Atan);

    public static RunningError Tan(RunningError x) => Sin(x) / Cos(x);

    public static RunningError SinPi(RunningError x) => Sin(x * Pi);

    public static RunningError CosPi(RunningError x) => Cos(x * Pi);

    public static (RunningError SinPi, RunningError CosPi) SinCosPi(RunningError x) => (SinPi(x), CosPi(x));

    public static RunningError TanPi(RunningError x) => Tan(x * Pi);

    public static RunningError AsinPi(RunningError x) => Asin(x) / Pi;

    public static RunningError AcosPi(RunningError x) => Acos(x) / Pi;

    public static RunningError AtanPi(RunningError x) => Atan(x) / Pi;

    public static RunningError Atan2(RunningError y, RunningError x)
        => x.Error == 0 && y.Error == 0 ? Monotone(y, v => Math.Atan2(v, x.Value)) : Without("atan2");

    public static RunningError Atan2Pi(RunningError y, RunningError x) => Atan2(y, x) / Pi;

    public static RunningError Ieee754Remainder(RunningError left, RunningError right)
        => Of(Math.IEEERemainder(left.Settled("a remainder"), right.Settled("a remainder")));

    public static RunningError BitIncrement(RunningError x)
        => Exact(MathF.BitIncrement((float)x.Settled("the next float")));

    public static RunningError BitDecrement(RunningError x)
        => Exact(MathF.BitDecrement((float)x.Settled("the float before it")));

    public static int ILogB(RunningError x) => Math.ILogB(x.Settled("its exponent"));

    public static RunningError ScaleB(RunningError x, int n) => x.Scaled(Math.ScaleB(1, n));

    public static RunningError Round(RunningError x, int digits, MidpointRounding mode)
        => digits == 0 ? Whole(x, v => Math.Round(v, mode)) : Of(Math.Round(x.Settled("rounding it"), digits, mode));

    public int GetExponentByteCount() => sizeof(sbyte);

    public int GetExponentShortestBitLength() => 8;

    public int GetSignificandBitLength() => 24;

    public int GetSignificandByteCount() => sizeof(int);

    public bool TryWriteExponentBigEndian(Span<byte> destination, out int bytesWritten)
        => throw new LostBoundException("the bits of a number");

    public bool TryWriteExponentLittleEndian(Span<byte> destination, out int bytesWritten)
        => throw new LostBoundException("the bits of a number");

    public bool TryWriteSignificandBigEndian(Span<byte> destination, out int bytesWritten)
        => throw new LostBoundException("the bits of a number");

    public bool TryWriteSignificandLittleEndian(Span<byte> destination, out int bytesWritten)
        => throw new LostBoundException("the bits of a number");

    public static RunningError Parse(string s, IFormatProvider? provider) => Parse(s.AsSpan(), provider);

    public static RunningError Parse(ReadOnlySpan<char> s, IFormatProvider? provider)
        => Of(double.Parse(s, provider));

    public static RunningError Parse(string s, NumberStyles style, IFormatProvider? provider)
        => Parse(s.AsSpan(), style, provider);

    public static RunningError Parse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider)
        => Of(double.Parse(s, style, provider));

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out RunningError result)
        => TryParse(s.AsSpan(), provider, out result);

    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out RunningError result)
        => TryParse(s, NumberStyles.Float | NumberStyles.AllowThousands, provider, out result);

    public static bool TryParse([NotNullWhen(true)] string? s, NumberStyles style, IFormatProvider? provider,
        out RunningError result)
        => TryParse(s.AsSpan(), style, provider, out result);

    public static bool TryParse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider,
        out RunningError result)
    {
        bool parsed = double.TryParse(s, style, provider, out double value);
        result = Of(value);
        return parsed;
    }

    public string ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format,
        IFormatProvider? provider) => Value.TryFormat(destination, out charsWritten, format, provider);

    static bool INumberBase<RunningError>.TryConvertFromChecked<TOther>(TOther value, out RunningError result)
        => From(double.CreateChecked(value), out result);

    static bool INumberBase<RunningError>.TryConvertFromSaturating<TOther>(TOther value, out RunningError result)
        => From(double.CreateSaturating(value), out result);

    static bool INumberBase<RunningError>.TryConvertFromTruncating<TOther>(TOther value, out RunningError result)
        => From(double.CreateTruncating(value), out result);

    static bool INumberBase<RunningError>.TryConvertToChecked<TOther>(RunningError value,
        [MaybeNullWhen(false)] out TOther result)
    {
        result = TOther.CreateChecked(value.Settled("a conversion"));
        return true;
    }

    static bool INumberBase<RunningError>.TryConvertToSaturating<TOther>(RunningError value,
        [MaybeNullWhen(false)] out TOther result)
    {
        result = TOther.CreateSaturating(value.Settled("a conversion"));
        return true;
    }

    static bool INumberBase<RunningError>.TryConvertToTruncating<TOther>(RunningError value,
        [MaybeNullWhen(false)] out TOther result)
    {
        result = TOther.CreateTruncating(value.Settled("a conversion"));
        return true;
    }

    private static bool From(double value, out RunningError result)
    {
        result = Of(value);
        return true;
    }

    // The value, which has no error.
    private double Settled(string what) => Error == 0 ? Value : throw new LostBoundException($"{what} of {this}");
}
