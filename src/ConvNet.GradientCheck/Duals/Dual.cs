using System.Numerics;

namespace ConvNet.GradientChecking;

/// <summary>A dual number: a value and its derivative along one direction, v + d·ε with ε² = 0.</summary>
/// <remarks>
/// <para>A layer that runs its forward pass in dual numbers computes, beside each value, the exact derivative of that
/// value along the direction that its inputs carry. No step size is involved, and no backward pass.</para>
/// <para>A function with branches, such as a maximum, has the derivative of the branch that double takes for the same
/// arguments. Rounding to whole numbers has the derivative 0. Comparisons and equality, parsing and formatting
/// concern the value alone. A derivative of exactly 0 belongs to a constant and stays 0, even where the slope is
/// infinite. A conversion to another type drops the derivative.</para>
/// </remarks>
/// <param name="value">The value.</param>
/// <param name="derivative">The derivative of the value.</param>
internal readonly partial struct Dual(double value, double derivative = 0)
    : IFloatingPointIeee754<Dual>, IErrorFunction<Dual>
{
    /// <summary>The value.</summary>
    public double Value { get; } = value;

    /// <summary>The derivative of the value.</summary>
    public double Derivative { get; } = derivative;

    /// <inheritdoc/>
    public static int Radix => 2;

    /// <inheritdoc/>
    public static Dual Zero => default;

    /// <inheritdoc/>
    public static Dual One => new(1);

    /// <inheritdoc/>
    public static Dual NegativeOne => new(-1);

    /// <inheritdoc/>
    public static Dual NegativeZero => new(double.NegativeZero);

    /// <inheritdoc/>
    public static Dual AdditiveIdentity => default;

    /// <inheritdoc/>
    public static Dual MultiplicativeIdentity => One;

    /// <inheritdoc/>
    public static Dual E => new(double.E);

    /// <inheritdoc/>
    public static Dual Pi => new(double.Pi);

    /// <inheritdoc/>
    public static Dual Tau => new(double.Tau);

    /// <inheritdoc/>
    public static Dual Epsilon => new(double.Epsilon);

    /// <inheritdoc/>
    public static Dual NaN => new(double.NaN);

    /// <inheritdoc/>
    public static Dual PositiveInfinity => new(double.PositiveInfinity);

    /// <inheritdoc/>
    public static Dual NegativeInfinity => new(double.NegativeInfinity);

    /// <inheritdoc/>
    public static Dual operator +(Dual value) => value;

    /// <inheritdoc/>
    public static Dual operator -(Dual value) => new(-value.Value, -value.Derivative);

    /// <inheritdoc/>
    public static Dual operator +(Dual left, Dual right)
        => new(left.Value + right.Value, left.Derivative + right.Derivative);

    /// <inheritdoc/>
    public static Dual operator -(Dual left, Dual right)
        => new(left.Value - right.Value, left.Derivative - right.Derivative);

    /// <inheritdoc/>
    public static Dual operator *(Dual left, Dual right)
    {
        double slope = left.Derivative * right.Value + left.Value * right.Derivative;
        return new(left.Value * right.Value, double.IsNaN(slope)
            ? Term(left.Derivative, right.Value) + Term(right.Derivative, left.Value)
            : slope);
    }

    /// <inheritdoc/>
    public static Dual operator /(Dual left, Dual right)
    {
        double quotient = left.Value / right.Value,
            slope = (left.Derivative - quotient * right.Derivative) / right.Value;
        return new(quotient, double.IsNaN(slope)
            ? Term(left.Derivative, 1 / right.Value) - Term(right.Derivative, quotient / right.Value)
            : slope);
    }

    /// <inheritdoc/>
    public static Dual operator %(Dual left, Dual right) => new(left.Value % right.Value,
        left.Derivative - Term(right.Derivative, double.Truncate(left.Value / right.Value)));

    /// <inheritdoc/>
    public static Dual operator ++(Dual value) => value + One;

    /// <inheritdoc/>
    public static Dual operator --(Dual value) => value - One;

    /// <inheritdoc/>
    public static bool operator ==(Dual left, Dual right) => left.Value == right.Value;

    /// <inheritdoc/>
    public static bool operator !=(Dual left, Dual right) => left.Value != right.Value;

    /// <inheritdoc/>
    public static bool operator <(Dual left, Dual right) => left.Value < right.Value;

    /// <inheritdoc/>
    public static bool operator >(Dual left, Dual right) => left.Value > right.Value;

    /// <inheritdoc/>
    public static bool operator <=(Dual left, Dual right) => left.Value <= right.Value;

    /// <inheritdoc/>
    public static bool operator >=(Dual left, Dual right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Dual other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public int CompareTo(object? obj) => obj is Dual other ? CompareTo(other) : Value.CompareTo(obj);

    /// <inheritdoc/>
    public bool Equals(Dual other) => Value.Equals(other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Dual other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    // The chain rule for a function of one argument.
    private Dual Chain(double result, double slope) => new(result, Term(Derivative, slope));

    // A constant does not change, even where the slope is infinite or not a number.
    private static double Term(double derivative, double slope) => derivative == 0 ? 0 : derivative * slope;
}
