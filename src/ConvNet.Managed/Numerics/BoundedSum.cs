namespace ConvNet;

/// <summary>A sum of float products in double precision, with the quantities that bound the error of the same sum in
/// float32.</summary>
/// <remarks>
/// With n terms, Q = √Σ term² and M the largest partial sum in magnitude, a float32 sum lies within λ·u·√n·(Q + M) of
/// the true one, u = 2⁻²⁴, when its roundings are independent, and within n·u·Σ|term| in any case (Higham, "Accuracy
/// and Stability of Numerical Algorithms", SIAM 2002, §4.2; Higham and Mary, SIAM J. Sci. Comput. 41, 2019). The
/// default value is the empty sum.
/// </remarks>
internal readonly record struct BoundedSum : ISum<double, BoundedSum>
{
    /// <summary>u, the unit roundoff of float32: 2⁻²⁴.</summary>
    public const double UnitRoundoff = 1.0 / (1 << 24);

    /// <summary>The exponent that a fineness is relative to, and the fineness of what is no multiple of a power of
    /// two.</summary>
    public const int FinenessOrigin = 1100, NotDyadic = 4000;

    // 2⁻¹⁴⁹: the maximum error of a product that underflows.
    private const double SmallestFloat = 1.401298464324817e-45;

    private BoundedSum(double value, int count, double squares, double magnitudes, double peak, int fineness)
    {
        (Value, Count, Squares, Magnitudes, Peak, _fineness) = (value, count, squares, magnitudes, peak, fineness);
    }

    // Every term is a multiple of 2^(FinenessOrigin − _fineness); 0 if there are no terms.
    private readonly int _fineness;

    /// <inheritdoc/>
    public double Value { get; }

    /// <summary>n, the number of roundings: one for each term and each factor.</summary>
    public int Count { get; }

    /// <summary>Q², the sum of the squared terms.</summary>
    public double Squares { get; }

    /// <summary>Σ|term|; no partial sum in any order is larger.</summary>
    public double Magnitudes { get; }

    /// <summary>M, the largest partial sum in magnitude.</summary>
    public double Peak { get; }

    /// <summary>The maximum allowed deviation of a float32 result from <see cref="Value"/>: λ·u·√n·(Q + M); 0 for a
    /// copied value.</summary>
    /// <param name="lambda">The λ of the algorithm.</param>
    public double Bound(double lambda = DeclaredAccuracy.Direct)
        => lambda * UnitRoundoff * Math.Sqrt(Count) * (Math.Sqrt(Squares) + Peak) + Count * SmallestFloat;

    /// <summary>The upper bound of the error of any float32 summation of the terms: n·u·Σ|term|.</summary>
    public double Ceiling => Count * (UnitRoundoff * Magnitudes + SmallestFloat);

    /// <summary>Whether float32 computes <see cref="Value"/> exactly in every order of the terms. This is the case if
    /// all terms are multiples of one power of two and their magnitudes sum to less than 2²⁴ times it.</summary>
    public bool IsExact => Magnitudes == 0 || Math.ScaleB(Magnitudes, _fineness - FinenessOrigin) < 1 << 24;

    /// <summary>The largest power of two of which every term is a multiple; infinite if all terms are 0, and 0 if one
    /// is NaN or infinite.</summary>
    public double Unit => _fineness == 0 ? double.PositiveInfinity : Math.ScaleB(1, FinenessOrigin - _fineness);

    /// <inheritdoc/>
    public static BoundedSum Of(double value)
        => new(value, 0, 0, Math.Abs(value), Math.Abs(value), FinenessOf(value));

    /// <summary>Creates a sum from the quantities of its terms, of which <see cref="IsExact"/> knows nothing.</summary>
    public static BoundedSum Of(double value, int count, double squares, double magnitudes, double peak)
        => new(value, count, squares, magnitudes, peak, count == 0 ? FinenessOf(value) : NotDyadic);

    /// <inheritdoc/>
    public static BoundedSum operator +(BoundedSum sum, double term)
    {
        double value = sum.Value + term;
        return new(value, sum.Count + 1, sum.Squares + term * term, sum.Magnitudes + Math.Abs(term),
            Math.Max(sum.Peak, Math.Abs(value)), Math.Max(sum._fineness, FinenessOf(term)));
    }

    /// <inheritdoc/>
    public static BoundedSum operator +(BoundedSum sum, BoundedSum other)
    {
        double value = sum.Value + other.Value;
        return new(value, sum.Count + other.Count, sum.Squares + other.Squares, sum.Magnitudes + other.Magnitudes,
            Math.Max(Math.Max(sum.Peak, other.Peak), Math.Abs(value)), Math.Max(sum._fineness, other._fineness));
    }

    /// <inheritdoc/>
    public static BoundedSum operator *(BoundedSum sum, double factor)
    {
        double magnitude = Math.Abs(factor);
        int fineness = sum._fineness == 0 ? 0
            : Math.Clamp(sum._fineness + FinenessOf(factor) - FinenessOrigin, 1, NotDyadic);
        return new(sum.Value * factor, factor == 1 ? sum.Count : sum.Count + 1, sum.Squares * factor * factor,
            sum.Magnitudes * magnitude,
            sum.Peak * magnitude, fineness);
    }

    /// <summary>The distance of the lowest set bit of a value below 2^FinenessOrigin; NotDyadic for infinities and
    /// NaN, 0 for 0.</summary>
    public static int FinenessOf(double value)
    {
        if (value == 0)
            return 0;
        if (!double.IsFinite(value))
            return NotDyadic;
        long bits = BitConverter.DoubleToInt64Bits(value), fraction = bits & ((1L << 52) - 1);
        int exponent = (int)(bits >> 52) & 0x7FF;
        return exponent == 0
            ? FinenessOrigin + 1074 - System.Numerics.BitOperations.TrailingZeroCount(fraction)
            : FinenessOrigin + 1075 - exponent - System.Numerics.BitOperations.TrailingZeroCount(fraction | 1L << 52);
    }
}
