using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>The optimiser's state of some values of a parameter: one span for each state name, in order.</summary>
/// <typeparam name="T">The element type.</typeparam>
public readonly ref struct StateSpans<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly ref T _first;
    private readonly nint _stride;
    private readonly int _length;

    /// <summary>Divides one span into equal spans, one for each state name.</summary>
    /// <param name="values">All values.</param>
    /// <param name="count">The number of names.</param>
    /// <exception cref="ArgumentException">The number of values is not a multiple of the number of names.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    public StateSpans(Span<T> values, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        (int length, int rest) = count == 0 ? (0, values.Length) : Math.DivRem(values.Length, count);
        if (rest != 0)
            throw new ArgumentException($"{values.Length:N0} values cannot be divided among {count} names.",
                nameof(values));
        _first = ref MemoryMarshal.GetReference(values);
        (_stride, _length, Count) = (length, length, count);
    }

    /// <summary>Creates spans that are a fixed distance apart in memory.</summary>
    /// <param name="first">The first value of the first span.</param>
    /// <param name="stride">The distance between the first values of adjacent spans, in values.</param>
    /// <param name="length">The number of values of a span.</param>
    /// <param name="count">The number of names.</param>
    internal StateSpans(ref T first, nint stride, int length, int count)
    {
        _first = ref first;
        (_stride, _length, Count) = (stride, length, count);
    }

    /// <summary>The number of names.</summary>
    public int Count { get; }

    /// <summary>Returns the spans of the first state names.</summary>
    /// <param name="count">The number of names, at most <see cref="Count"/>.</param>
    internal StateSpans<T> First(int count) => new(ref _first, _stride, _length, count);

    /// <summary>Gets the values of one state name.</summary>
    /// <param name="index">The index in <see cref="Optimizer.StateNames"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is out of range.</exception>
    public Span<T> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return MemoryMarshal.CreateSpan(ref Unsafe.Add(ref _first, index * _stride), _length);
        }
    }
}
