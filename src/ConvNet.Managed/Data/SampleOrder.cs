namespace ConvNet.Data;

/// <summary>The samples that a <see cref="Sampler"/> selects from a data set.</summary>
public sealed class SampleOrder
{
    private readonly Func<ulong, int, int[]> _draw;

    /// <summary>Creates an order.</summary>
    /// <param name="count">The number of samples of each epoch, at least 1.</param>
    /// <param name="draw">Returns the indices of the samples for a seed and an epoch.</param>
    /// <exception cref="ArgumentNullException"><paramref name="draw"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public SampleOrder(int count, Func<ulong, int, int[]> draw)
    {
        ArgumentNullException.ThrowIfNull(draw);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (Count, _draw) = (count, draw);
    }

    /// <summary>The number of samples of each epoch.</summary>
    public int Count { get; }

    /// <summary>Returns the indices of the samples of an epoch, in their order.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="epoch">The epoch, from 1.</param>
    /// <exception cref="InvalidOperationException">The sampler returns another number of samples.</exception>
    public int[] Of(ulong seed, int epoch)
    {
        int[] samples = _draw(seed, epoch);
        return samples.Length == Count ? samples : throw new InvalidOperationException(FormattableString.Invariant(
            $"A sampler of {Count:N0} samples has selected {samples.Length:N0} in epoch {epoch}. Correct it."));
    }
}
