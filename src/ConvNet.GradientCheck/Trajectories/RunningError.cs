namespace ConvNet.GradientChecking;

/// <summary>A value in double precision, and how far the same computation in float32 may be from it.</summary>
/// <remarks>
/// A rule that is generic over its number type, such as that of an optimiser, is run on this type once and gives the
/// true values together with their bounds. Source: running error analysis, Higham, "Accuracy and Stability of Numerical
/// Algorithms", SIAM 2002, §3.3. u = 2⁻²⁴.
/// <list type="bullet">
/// <item>Each operation passes on the errors of its operands, by its own derivative at the worst place within them, and
/// rounds by <see cref="Roundings"/>·u·M. M is the sum of the magnitudes of the terms that the result is a sum of, each
/// a product of factors. No partial sum in any order exceeds M, so the bound covers every order of the terms.</item>
/// <item><see cref="Roundings"/> is 2. It covers the two ways in which libraries write a running mean: βm + (1 − β)g
/// rounds three times, by at most u((1 + 1)(β|m| + (1 − β)|g|)); m + (1 − β)(g − m) rounds by at most
/// u(2(1 − β)(|g| + |m|) + |m|), which is below twice that for β ≥ ½. For β &lt; ½ g and m change roles. It also covers
/// a division in the place of a multiplication by a rounded reciprocal. A fused multiply-add rounds less.</item>
/// <item>If every term is a multiple of one power of two, and 2M is less than 2²⁴ times it, no order of the terms
/// rounds: the operation adds nothing. Where nothing rounds and the operands are exact, the bound is 0, and float32
/// must give the value bit for bit. Small integers and dyadic factors stay exact in this way, without a second
/// rule.</item>
/// <item>A number that float32 does not represent is off by one rounding from the start.</item>
/// </list>
/// A comparison whose outcome the errors leave open, and a conversion of a number that has an error into another type,
/// throw <see cref="LostBoundException"/>: what follows has no bound.
/// </remarks>
internal readonly partial struct RunningError
{
    /// <summary>The roundings that an operation may make.</summary>
    private const double Roundings = 2;

    private const int Origin = BoundedSum.FinenessOrigin, NotDyadic = BoundedSum.NotDyadic;

    // Every term is a multiple of 2^(Origin − _fineness); 0 if there are no terms.
    private readonly int _fineness;

    private RunningError(double value, double error, double magnitude, int fineness)
        => (Value, Error, Magnitude, _fineness) = (value, error, magnitude, fineness);

    /// <summary>The value.</summary>
    public double Value { get; }

    /// <summary>The bound of the distance between <see cref="Value"/> and the float32 result.</summary>
    public double Error { get; }

    /// <summary>M, the sum of the magnitudes of the terms.</summary>
    private double Magnitude { get; }

    /// <summary>Creates a number that a backend holds in float32.</summary>
    public static RunningError Exact(float value) => new(value, 0, Math.Abs(value), BoundedSum.FinenessOf(value));

    /// <summary>Creates a constant, which float32 may have to round.</summary>
    public static RunningError Of(double value) => (float)value == value
        ? Exact((float)value)
        : new(value, BoundedSum.UnitRoundoff * Math.Abs(value) + float.Epsilon, Math.Abs(value), NotDyadic);

    /// <summary>Creates a number whose error bound is known from elsewhere.</summary>
    public static RunningError Within(double value, double error) => new(value, error, Math.Abs(value), NotDyadic);

    /// <summary>Returns the number as it is stored between two steps. The terms that it was computed from can no longer
    /// be put in another order.</summary>
    public RunningError Stored()
        => new(Value, Error, Math.Abs(Value), Error == 0 ? BoundedSum.FinenessOf(Value) : NotDyadic);

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Value:R} ± {Error:G3}");

    public static RunningError operator +(RunningError a, RunningError b)
        => a.IsNothing ? b : b.IsNothing ? a : Rounded(a.Value + b.Value, a.Error + b.Error,
            a.Magnitude + b.Magnitude, Math.Max(a._fineness, b._fineness));

    public static RunningError operator -(RunningError a, RunningError b) => a + -b;

    public static RunningError operator -(RunningError a) => new(-a.Value, a.Error, a.Magnitude, a._fineness);

    public static RunningError operator *(RunningError a, RunningError b)
    {
        if (a.IsPowerOfTwo)
            return b.Scaled(a.Value);
        if (b.IsPowerOfTwo)
            return a.Scaled(b.Value);
        return Rounded(a.Value * b.Value,
            Math.Abs(a.Value) * b.Error + Math.Abs(b.Value) * a.Error + a.Error * b.Error, a.Magnitude * b.Magnitude,
            a._fineness == 0 || b._fineness == 0 ? 0 : a._fineness + b._fineness - Origin);
    }

    public static RunningError operator /(RunningError a, RunningError b)
    {
        if (b.IsPowerOfTwo)
            return a.Scaled(1 / b.Value);
        double quotient = a.Value / b.Value, least = Math.Abs(b.Value) - b.Error;
        if (a.IsNothing && least > 0)
            return default;
        // A divisor that may be 0 allows every result; the reference is no help there.
        double error = least > 0 ? (a.Error + Math.Abs(quotient) * b.Error) / least
            : a.Error == 0 && b.Error == 0 ? 0 : double.PositiveInfinity;
        return Rounded(quotient, error, a.Magnitude / Math.Abs(b.Value), NotDyadic);
    }

    public static RunningError operator %(RunningError a, RunningError b)
        => a.Error == 0 && b.Error == 0
            ? Of(a.Value % b.Value)
            : throw new LostBoundException("a remainder");

    /// <summary>Returns the square root.</summary>
    public static RunningError Sqrt(RunningError a)
    {
        if (a.IsNothing)
            return a;
        double root = Math.Sqrt(a.Value), least = Math.Sqrt(Math.Max(0, a.Value - a.Error));
        return Rounded(root, a.Error == 0 ? 0 : a.Error / (root + least), root, NotDyadic);
    }

    /// <summary>Returns a × b + c with one rounding or two.</summary>
    public static RunningError FusedMultiplyAdd(RunningError left, RunningError right, RunningError addend)
        => left * right + addend;

    /// <summary>Returns the magnitude.</summary>
    public static RunningError Abs(RunningError value) => value.Value < 0 ? -value : value;

    /// <summary>Returns the larger number; NaN if one is NaN.</summary>
    public static RunningError Max(RunningError x, RunningError y)
        => Either(x, y, Math.Max(x.Value, y.Value).Equals(x.Value));

    /// <summary>Returns the smaller number; NaN if one is NaN.</summary>
    public static RunningError Min(RunningError x, RunningError y)
        => Either(x, y, Math.Min(x.Value, y.Value).Equals(x.Value));

    // The maximum moves by no more than the operand that moves most.
    private static RunningError Either(RunningError x, RunningError y, bool first)
    {
        RunningError taken = first ? x : y;
        return new(taken.Value, x.Error == 0 && y.Error == 0 ? 0 : Math.Max(x.Error, y.Error), taken.Magnitude,
            Math.Max(x._fineness, y._fineness));
    }

    /// <summary>Compares two numbers.</summary>
    /// <exception cref="LostBoundException">The errors leave the order open.</exception>
    public int CompareTo(RunningError other)
        => Error + other.Error is > 0 and var errors && Math.Abs(Value - other.Value) <= errors
            ? throw new LostBoundException($"a comparison of {this} with {other}")
            : Value.CompareTo(other.Value);

    private static bool IsLess(RunningError a, RunningError b)
        => !double.IsNaN(a.Value) && !double.IsNaN(b.Value) && a.CompareTo(b) < 0;

    private static bool IsEqual(RunningError a, RunningError b)
        => !double.IsNaN(a.Value) && !double.IsNaN(b.Value) && a.CompareTo(b) == 0;

    // A function that rises or falls throughout the errors of its operand. Libraries compute it to a few ulps.
    private static RunningError Monotone(RunningError a, Func<double, double> function)
    {
        const double Ulps = 8;
        double value = function(a.Value);
        double error = a.Error == 0 ? 0 : Math.Max(Math.Abs(function(a.Value + a.Error) - value),
            Math.Abs(function(a.Value - a.Error) - value));
        return new(value, error + Ulps * BoundedSum.UnitRoundoff * (Math.Abs(value) + error) + float.Epsilon,
            Math.Abs(value), NotDyadic);
    }

    // A function whose slope is at most 1 in magnitude, as those of sine and cosine.
    private static RunningError Gentle(RunningError a, Func<double, double> function)
    {
        RunningError once = Monotone(Exact(0), _ => function(a.Value));
        return new(once.Value, once.Error + a.Error, once.Magnitude, NotDyadic);
    }

    private static RunningError Whole(RunningError a, Func<double, double> function)
        => function(a.Value - a.Error) == function(a.Value + a.Error)
            ? Of(function(a.Value))
            : throw new LostBoundException($"rounding {a} to an integer");

    private static RunningError Without(string function) => throw new LostBoundException(function);

    private static RunningError Rounded(double value, double error, double magnitude, int fineness)
    {
        if (IsDyadic(magnitude, fineness))
            return new(value, error, magnitude, fineness);
        double rounding = Roundings * (BoundedSum.UnitRoundoff * (magnitude + error) + float.Epsilon);
        return new(value, error + rounding, magnitude, NotDyadic);
    }

    // Whether no float32 sum of the terms rounds, in any order. Numbers that small or that large are not tried.
    private static bool IsDyadic(double magnitude, int fineness) => magnitude == 0
        || (fineness is > Origin - 100 and < Origin + 120 && magnitude < 1e30
            && Roundings * Math.ScaleB(magnitude, fineness - Origin) < 1 << 24);

    private bool IsNothing => Value == 0 && Error == 0;

    private bool IsPowerOfTwo => Error == 0 && double.IsNormal(Value)
        && (BitConverter.DoubleToInt64Bits(Value) & ((1L << 52) - 1)) == 0;

    // A product with a power of two does not round, unless the result is below the normal numbers.
    private RunningError Scaled(double power)
    {
        if (IsNothing)
            return this;
        double value = Value * power, factor = Math.Abs(power), error = Error * factor;
        if (Math.Abs(value) < 1e-37)
            error += float.Epsilon;
        return new(value, error, Magnitude * factor,
            _fineness is 0 or NotDyadic ? _fineness : _fineness - Math.ILogB(factor));
    }
}
