using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>What a sum of terms is gathered in: the plain value, or the value with what its error bound needs.</summary>
/// <remarks>The loops of the reference are written once over this type; the gradient checks run the same loops and learn of
/// each result how many terms it has and how large its partial sums were.</remarks>
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

/// <summary>A sum that is gathered term by term, in blocks.</summary>
/// <remarks>Of one long running sum of terms that are all positive and often equal, as the squares of what a ReLU leaves are, the roundings go all one way: over
/// 50,000 of them it is off by more than the error bound of a variance allows.</remarks>
internal struct BlockedSum<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int Block = 128;

    private T _sum, _part;
    private int _terms;

    /// <summary>The sum so far.</summary>
    public readonly T Value => _sum + _part;

    /// <summary>Adds a term.</summary>
    public void Add(T term)
    {
        _part += term;
        if (++_terms % Block != 0)
            return;
        _sum += _part;
        _part = T.Zero;
    }
}

/// <summary>The loops over rows that the layers share; vectorised where the sum is plain and the row is dense.</summary>
internal static class Rows
{
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

    /// <summary>Σ a[i]·b[i·stride].</summary>
    public static TSum Dot<T, TSum>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, int stride = 1)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (typeof(TSum) == typeof(PlainSum<T>) && stride == 1)
            return TSum.Of(TensorPrimitives.Dot(a, b[..a.Length]));
        TSum sum = TSum.Of(T.Zero);
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i * stride];
        return sum;
    }

    /// <summary>Σ a[i].</summary>
    public static TSum Sum<T, TSum>(ReadOnlySpan<T> a)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (typeof(TSum) == typeof(PlainSum<T>))
            return TSum.Of(TensorPrimitives.Sum(a));
        TSum sum = TSum.Of(T.Zero);
        foreach (T value in a)
            sum += value;
        return sum;
    }

    /// <summary>y[i] += part[i].</summary>
    public static void Add<T, TSum>(Span<TSum> y, ReadOnlySpan<TSum> part)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        for (int i = 0; i < y.Length; i++)
            y[i] += part[i];
    }
}
