using static System.FormattableString;

namespace ConvNet;

/// <summary>The share of every batch that one of several ranks computes: contiguous samples, of which the ranks have
/// equally many or differ by one.</summary>
/// <remarks>Ranks are processes, or threads of one, that train the same network together. With n samples and R ranks,
/// the first n mod R ranks have ⌈n / R⌉ samples and the others ⌊n / R⌋, which may be none.</remarks>
public readonly record struct BatchShare
{
    private readonly int _others;

    /// <summary>Creates the share of a rank.</summary>
    /// <param name="rank">The rank, from 0.</param>
    /// <param name="ranks">The number of ranks, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    public BatchShare(int rank, int ranks)
    {
        if (ranks < 1 || rank < 0 || rank >= ranks)
            throw new ArgumentOutOfRangeException(nameof(rank),
                Invariant($"There is no rank {rank} of {ranks}: there must be at least 1, and they count from 0."));
        (Rank, _others) = (rank, ranks - 1);
    }

    /// <summary>The whole batch: the share of a single rank.</summary>
    public static BatchShare Whole => default;

    /// <summary>The rank, from 0.</summary>
    public int Rank { get; }

    /// <summary>The number of ranks.</summary>
    public int Ranks => _others + 1;

    /// <summary>Gets the samples of the share.</summary>
    /// <param name="samples">The number of samples of the batch.</param>
    /// <returns>The index of the first sample in the batch, and the number of samples, which may be 0.</returns>
    public (int First, int Count) Of(int samples)
    {
        (int each, int more) = Math.DivRem(samples, Ranks);
        return (Rank * each + Math.Min(Rank, more), each + (Rank < more ? 1 : 0));
    }

    /// <summary>Gets the number of samples of the largest share, that of rank 0.</summary>
    /// <param name="samples">The number of samples of the batch.</param>
    public int Largest(int samples) => (samples + _others) / Ranks;

    /// <inheritdoc/>
    public override string ToString() => Ranks == 1 ? "whole" : Invariant($"rank {Rank} of {Ranks}");
}
