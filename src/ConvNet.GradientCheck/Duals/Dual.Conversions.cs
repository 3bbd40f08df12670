using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace ConvNet.GradientChecking;

/// <content>Classification, conversions, parsing and formatting: those of the value.</content>
internal readonly partial struct Dual
{
    /// <inheritdoc/>
    public static bool IsCanonical(Dual value) => true;

    /// <inheritdoc/>
    public static bool IsComplexNumber(Dual value) => false;

    /// <inheritdoc/>
    public static bool IsImaginaryNumber(Dual value) => false;

    /// <inheritdoc/>
    public static bool IsRealNumber(Dual value) => double.IsRealNumber(value.Value);

    /// <inheritdoc/>
    public static bool IsEvenInteger(Dual value) => double.IsEvenInteger(value.Value);

    /// <inheritdoc/>
    public static bool IsOddInteger(Dual value) => double.IsOddInteger(value.Value);

    /// <inheritdoc/>
    public static bool IsInteger(Dual value) => double.IsInteger(value.Value);

    /// <inheritdoc/>
    public static bool IsFinite(Dual value) => double.IsFinite(value.Value);

    /// <inheritdoc/>
    public static bool IsInfinity(Dual value) => double.IsInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsPositiveInfinity(Dual value) => double.IsPositiveInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsNegativeInfinity(Dual value) => double.IsNegativeInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsNaN(Dual value) => double.IsNaN(value.Value);

    /// <inheritdoc/>
    public static bool IsNegative(Dual value) => double.IsNegative(value.Value);

    /// <inheritdoc/>
    public static bool IsPositive(Dual value) => double.IsPositive(value.Value);

    /// <inheritdoc/>
    public static bool IsNormal(Dual value) => double.IsNormal(value.Value);

    /// <inheritdoc/>
    public static bool IsSubnormal(Dual value) => double.IsSubnormal(value.Value);

    /// <inheritdoc/>
    public static bool IsZero(Dual value) => value.Value == 0;

    /// <inheritdoc/>
    public int GetExponentByteCount() => Number.GetExponentByteCount();

    /// <inheritdoc/>
    public int GetExponentShortestBitLength() => Number.GetExponentShortestBitLength();

    /// <inheritdoc/>
    public int GetSignificandBitLength() => Number.GetSignificandBitLength();

    /// <inheritdoc/>
    public int GetSignificandByteCount() => Number.GetSignificandByteCount();

    /// <inheritdoc/>
    public bool TryWriteExponentBigEndian(Span<byte> destination, out int bytesWritten)
        => Number.TryWriteExponentBigEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    public bool TryWriteExponentLittleEndian(Span<byte> destination, out int bytesWritten)
        => Number.TryWriteExponentLittleEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    public bool TryWriteSignificandBigEndian(Span<byte> destination, out int bytesWritten)
        => Number.TryWriteSignificandBigEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    public bool TryWriteSignificandLittleEndian(Span<byte> destination, out int bytesWritten)
        => Number.TryWriteSignificandLittleEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    public static Dual Parse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider)
        => new(double.Parse(s, style, provider));

    /// <inheritdoc/>
    public static Dual Parse(string s, NumberStyles style, IFormatProvider? provider)
        => new(double.Parse(s, style, provider));

    /// <inheritdoc/>
    public static Dual Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => new(double.Parse(s, provider));

    /// <inheritdoc/>
    public static Dual Parse(string s, IFormatProvider? provider) => new(double.Parse(s, provider));

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider,
        out Dual result)
        => Parsed(double.TryParse(s, style, provider, out double value), value, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, NumberStyles style, IFormatProvider? provider,
        out Dual result)
        => Parsed(double.TryParse(s, style, provider, out double value), value, out result);

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Dual result)
        => Parsed(double.TryParse(s, provider, out double value), value, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Dual result)
        => Parsed(double.TryParse(s, provider, out double value), value, out result);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format,
        IFormatProvider? provider)
        => Value.TryFormat(destination, out charsWritten, format, provider);

    static bool INumberBase<Dual>.TryConvertFromChecked<TOther>(TOther value, out Dual result)
        => Converted(double.CreateChecked(value), out result);

    static bool INumberBase<Dual>.TryConvertFromSaturating<TOther>(TOther value, out Dual result)
        => Converted(double.CreateSaturating(value), out result);

    static bool INumberBase<Dual>.TryConvertFromTruncating<TOther>(TOther value, out Dual result)
        => Converted(double.CreateTruncating(value), out result);

    static bool INumberBase<Dual>.TryConvertToChecked<TOther>(Dual value, [MaybeNullWhen(false)] out TOther result)
        => Converted(TOther.CreateChecked(value.Value), out result);

    static bool INumberBase<Dual>.TryConvertToSaturating<TOther>(Dual value, [MaybeNullWhen(false)] out TOther result)
        => Converted(TOther.CreateSaturating(value.Value), out result);

    static bool INumberBase<Dual>.TryConvertToTruncating<TOther>(Dual value, [MaybeNullWhen(false)] out TOther result)
        => Converted(TOther.CreateTruncating(value.Value), out result);

    private IFloatingPoint<double> Number => Value;

    private static bool Parsed(bool succeeded, double value, out Dual result)
    {
        result = new(value);
        return succeeded;
    }

    private static bool Converted(double value, out Dual result)
    {
        result = new(value);
        return true;
    }

    private static bool Converted<TOther>(TOther value, out TOther result)
    {
        result = value;
        return true;
    }
}
