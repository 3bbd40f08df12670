using System.Buffers;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>An accumulator for a sum of terms: either the plain value, or the value with the quantities that bound its
/// error.</summary>
/// <remarks>The loops of the reference are written once over this type. The gradient checks run the same loops to get
/// the number of terms and the size of the partial sums of each result. The default value is the empty sum.</remarks>
/// <typeparam name="T">The type of a term.</typeparam>
/// <typeparam name="TSelf">The implementing type.</typeparam>
public interface ISum<T, TSelf>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSelf : unmanaged, ISum<T, TSelf>
{
    /// <summary>The current value of the sum.</summary>
    T Value { get; }

    /// <summary>Creates a sum whose value has not been rounded: the empty sum or a copied value.</summary>
    static abstract TSelf Of(T value);

    /// <summary>Adds one term.</summary>
    static abstract TSelf operator +(TSelf sum, T term);

    /// <summary>Adds a partial sum.</summary>
    static abstract TSelf operator +(TSelf sum, TSelf other);

    /// <summary>Multiplies the sum, and thereby every term, by a factor.</summary>
    static abstract TSelf operator *(TSelf sum, T factor);
}

/// <summary>A sum that consists only of its value. It has the layout of <typeparamref name="T"/>.</summary>
internal readonly record struct PlainSum<T>(T Value) : ISum<T, PlainSum<T>>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <inheritdoc/>
    public static PlainSum<T> Of(T value) => new(value);

    /// <inheritdoc/>
    public static PlainSum<T> operator +(PlainSum<T> sum, T term) => new(sum.Value + term);

    /// <inheritdoc/>
    public static PlainSum<T> operator +(PlainSum<T> sum, PlainSum<T> other) => new(sum.Value + other.Value);

    /// <inheritdoc/>
    public static PlainSum<T> operator *(PlainSum<T> sum, T factor) => new(sum.Value * factor);
}

/// <summary>A pairwise sum: terms are added in blocks of 32, and the blocks are added in pairs, pairs of pairs, and so
/// on.</summary>
/// <remarks>A sequential sum of positive and often equal terms, such as the squares of a ReLU's outputs, rounds
/// mostly in one direction: over 10⁶ terms its relative error reaches a hundredth. The error of a pairwise sum of n
/// terms is at most 11 + log₂(n / 32) / 2 ulp.</remarks>
internal struct BlockedSum<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private Levels _levels;
    private T _part;
    private int _terms;
    private long _blocks;

    /// <summary>The current value of the sum.</summary>
    public readonly T Value
    {
        get
        {
            T sum = _part;
            for (int level = 0; _blocks >> level != 0; level++)
            {
                if ((_blocks >> level & 1) != 0)
                    sum = _levels[level] + sum;
            }
            return sum;
        }
    }

    /// <summary>Adds a term.</summary>
    public void Add(T term)
    {
        _part += term;
        if (++_terms < Rows.Block)
            return;
        int level = 0;
        for (; (_blocks >> level & 1) != 0; level++)
            _part = _levels[level] + _part;
        _levels[level] = _part;
        _blocks++;
        (_part, _terms) = (T.Zero, 0);
    }

    // Level i contains the sum of 2^i blocks if bit i of the number of blocks is set.
    [InlineArray(Count)]
    private struct Levels
    {
        private const int Count = 60;
        private T _first;
    }
}

/// <summary>Many sums that are computed side by side, each in the way of <see cref="BlockedSum{T}"/>.</summary>
/// <remarks>The caller calls <see cref="Next"/> before it adds a term to each element of <c>sums</c>.</remarks>
internal ref struct BlockedRows<T, TSum>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSum : unmanaged, ISum<T, TSum>
{
    private readonly Span<TSum> _sums;
    private readonly List<TSum[]> _levels = [];
    private int _terms;
    private long _blocks;

    /// <summary>Sets the sums to zero.</summary>
    /// <param name="sums">The sums; they are complete after <see cref="Complete"/>.</param>
    public BlockedRows(Span<TSum> sums)
    {
        _sums = sums;
        sums.Clear();
    }

    /// <summary>Announces that a term may be added to each sum.</summary>
    public void Next()
    {
        if (_terms == Rows.Block)
            EndBlock();
        _terms++;
    }

    /// <summary>Ends a block whose terms the caller has counted.</summary>
    public void EndBlock()
    {
        int level = 0;
        for (; (_blocks >> level & 1) != 0; level++)
            Rows.Add<T, TSum>(_sums, _levels[level].AsSpan(0, _sums.Length));
        if (level == _levels.Count)
            _levels.Add(ArrayPool<TSum>.Shared.Rent(_sums.Length));
        _sums.CopyTo(_levels[level]);
        _sums.Clear();
        _blocks++;
        _terms = 0;
    }

    /// <summary>Adds up the blocks.</summary>
    public readonly void Complete()
    {
        for (int level = 0; level < _levels.Count; level++)
        {
            if ((_blocks >> level & 1) != 0)
                Rows.Add<T, TSum>(_sums, _levels[level].AsSpan(0, _sums.Length));
            ArrayPool<TSum>.Shared.Return(_levels[level]);
        }
    }
}

/// <summary>Loops over rows that the layers share. They are vectorised if the sum is plain and the row is
/// contiguous.</summary>
internal static class Rows
{
    /// <summary>The maximum number of terms that are summed sequentially.</summary>
    public const int Block = 32;

    // The block of a vectorised sum, whose lanes are summed separately: 32 terms per lane with 8 lanes.
    private const int VectorBlock = 256;

    /// <summary>y[i] += x[i·stride]·w.</summary>
    public static void AddScaled<T, TSum>(Span<TSum> y, ReadOnlySpan<T> x, T w, int stride = 1)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (typeof(TSum) == typeof(PlainSum<T>) && stride == 1)
        {
            Span<T> plain = MemoryMarshal.Cast<TSum, T>(y);
            TensorPrimitives.MultiplyAdd(x[..plain.Length], w, plain, plain);
            return;
        }
        for (int i = 0; i < y.Length; i++)
            y[i] += x[i * stride] * w;
    }

    /// <summary>y[i·stride] += x[i]·w.</summary>
    public static void ScatterScaled<T, TSum>(Span<TSum> y, ReadOnlySpan<T> x, T w, int stride)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (stride == 1)
        {
            AddScaled(y[..x.Length], x, w);
            return;
        }
        for (int i = 0; i < x.Length; i++)
            y[i * stride] += x[i] * w;
    }

    /// <summary>Computes Σ a[i]·b[i·stride] as a pairwise sum of blocks.</summary>
    public static TSum Dot<T, TSum>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, int stride = 1)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        bool vector = typeof(TSum) == typeof(PlainSum<T>) && stride == 1;
        if (Half(a.Length, vector) is > 0 and int half)
            return Dot<T, TSum>(a[..half], b, stride) + Dot<T, TSum>(a[half..], b[(half * stride)..], stride);
        if (vector)
            return TSum.Of(TensorPrimitives.Dot(a, b[..a.Length]));
        TSum sum = default;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i * stride];
        return sum;
    }

    /// <summary>Computes Σ a[i·stride] for i below <paramref name="count"/> as a pairwise sum of blocks.</summary>
    public static TSum Sum<T, TSum>(ReadOnlySpan<T> a, int count, int stride = 1)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        bool vector = typeof(TSum) == typeof(PlainSum<T>) && stride == 1;
        if (Half(count, vector) is > 0 and int half)
            return Sum<T, TSum>(a, half, stride) + Sum<T, TSum>(a[(half * stride)..], count - half, stride);
        if (vector)
            return TSum.Of(TensorPrimitives.Sum(a[..count]));
        TSum sum = default;
        for (int i = 0; i < count; i++)
            sum += a[i * stride];
        return sum;
    }

    /// <summary>Computes Σ a[i] as a pairwise sum of blocks.</summary>
    public static TSum Sum<T, TSum>(ReadOnlySpan<T> a)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum> => Sum<T, TSum>(a, a.Length);

    /// <summary>y[i] += terms[i].</summary>
    public static void Add<T, TSum>(Span<TSum> y, ReadOnlySpan<TSum> terms)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (typeof(TSum) == typeof(PlainSum<T>))
        {
            Span<T> plain = MemoryMarshal.Cast<TSum, T>(y);
            TensorPrimitives.Add(plain, MemoryMarshal.Cast<TSum, T>(terms), plain);
            return;
        }
        for (int i = 0; i < y.Length; i++)
            y[i] += terms[i];
    }

    // The index between two blocks at which a sum of a given number of terms is halved; 0 if it is not divided.
    private static int Half(int terms, bool vector)
    {
        int block = vector ? VectorBlock : Block;
        return terms <= block ? 0 : (terms / block + 1) / 2 * block;
    }
}
