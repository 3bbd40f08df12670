using System.Buffers;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>What a sum of terms is gathered in: the plain value, or the value with what its error bound
/// needs.</summary>
/// <remarks>The loops of the reference are written once over this type; the gradient checks run the same loops and
/// learn of each result how many terms it has and how large its partial sums were. The default value is the empty
/// sum.</remarks>
/// <typeparam name="T">The type of a term.</typeparam>
/// <typeparam name="TSelf">The implementing type.</typeparam>
public interface ISum<T, TSelf>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSelf : unmanaged, ISum<T, TSelf>
{
    /// <summary>The sum so far.</summary>
    T Value { get; }

    /// <summary>A sum that holds a value without having rounded: the empty sum, or a copied value.</summary>
    static abstract TSelf Of(T value);

    /// <summary>Adds one term.</summary>
    static abstract TSelf operator +(TSelf sum, T term);

    /// <summary>Adds a partial sum.</summary>
    static abstract TSelf operator +(TSelf sum, TSelf part);

    /// <summary>Multiplies the sum, and so every term, by a factor.</summary>
    static abstract TSelf operator *(TSelf sum, T factor);
}

/// <summary>A sum that is only its value. It has the layout of <typeparamref name="T"/>.</summary>
public readonly record struct PlainSum<T>(T Value) : ISum<T, PlainSum<T>>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <inheritdoc/>
    public static PlainSum<T> Of(T value) => new(value);

    /// <inheritdoc/>
    public static PlainSum<T> operator +(PlainSum<T> sum, T term) => new(sum.Value + term);

    /// <inheritdoc/>
    public static PlainSum<T> operator +(PlainSum<T> sum, PlainSum<T> part) => new(sum.Value + part.Value);

    /// <inheritdoc/>
    public static PlainSum<T> operator *(PlainSum<T> sum, T factor) => new(sum.Value * factor);
}

/// <summary>A sum that is gathered term by term: blocks of 32 terms, then pairs of blocks, pairs of pairs, and so
/// on.</summary>
/// <remarks>One long running sum of terms that are all positive and often equal, as the squares of what a ReLU leaves
/// are, rounds all one way: over 10⁶ terms it is off by a hundredth. In pairs a sum of n terms is off by 11 + log₂(n /
/// 32) / 2 ulp at most.</remarks>
internal struct BlockedSum<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private Levels _levels;
    private T _part;
    private int _terms;
    private long _blocks;

    /// <summary>The sum so far.</summary>
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

    // Level i holds the sum of 2^i blocks where bit i of their number is set.
    [InlineArray(Count)]
    private struct Levels
    {
        private const int Count = 60;
        private T _first;
    }
}

/// <summary>Many sums that are gathered side by side, as <see cref="BlockedSum{T}"/> gathers one.</summary>
/// <remarks>The caller adds to <c>sums</c> itself, after it has announced the next term.</remarks>
internal ref struct BlockedRows<T, TSum>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSum : unmanaged, ISum<T, TSum>
{
    private readonly Span<TSum> _sums;
    private readonly List<TSum[]> _levels = [];
    private int _terms;
    private long _blocks;

    /// <summary>Empties the sums.</summary>
    /// <param name="sums">Where they are gathered; complete after <see cref="Complete"/>.</param>
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

    /// <summary>Ends a block, whose terms the caller has counted himself.</summary>
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

/// <summary>The loops over rows that the layers share; vectorised where the sum is plain and the row is
/// dense.</summary>
internal static class Rows
{
    /// <summary>Terms that are summed one after the other at most.</summary>
    public const int Block = 32;

    // Of a vectorised sum, whose lanes are summed apart: 32 terms in each with 8 lanes.
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

    /// <summary>Σ a[i]·b[i·stride], in pairs of blocks.</summary>
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

    /// <summary>Σ a[i·stride] over i below <paramref name="count"/>, in pairs of blocks.</summary>
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

    /// <summary>Σ a[i], in pairs of blocks.</summary>
    public static TSum Sum<T, TSum>(ReadOnlySpan<T> a)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum> => Sum<T, TSum>(a, a.Length);

    /// <summary>y[i] += part[i].</summary>
    public static void Add<T, TSum>(Span<TSum> y, ReadOnlySpan<TSum> part)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (typeof(TSum) == typeof(PlainSum<T>))
        {
            Span<T> plain = MemoryMarshal.Cast<TSum, T>(y);
            TensorPrimitives.Add(plain, MemoryMarshal.Cast<TSum, T>(part), plain);
            return;
        }
        for (int i = 0; i < y.Length; i++)
            y[i] += part[i];
    }

    // Where a sum of so many terms is cut in two: between blocks; 0 where it is one.
    private static int Half(int terms, bool vector)
    {
        int block = vector ? VectorBlock : Block;
        return terms <= block ? 0 : (terms / block + 1) / 2 * block;
    }
}
