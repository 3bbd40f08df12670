namespace ConvNet.Mpi;

/// <summary>Options of a <see cref="DataParallelBackend"/>.</summary>
public sealed record DataParallelOptions
{
    private readonly int _firstBucketBytes = 1 << 20;

    /// <summary>Whether gradients are added in the order of the ranks, so that every run with the same number of ranks
    /// gives the same bits. Otherwise the order is that of the fastest algorithm of MPI.</summary>
    public bool Deterministic { get; init; }

    /// <summary>Whether batch normalisation uses the mean and variance of the whole batch, as in one process, instead
    /// of those of each rank's share. Ranks then wait for each other twice in the forward pass of each such layer, and
    /// once in its backward pass. PyTorch: SyncBatchNorm.</summary>
    public bool SyncBatchNorm { get; init; }

    /// <summary>The most values that are gathered from all ranks at once.</summary>
    internal int MostGathered { get; init; } = 1 << 28;

    /// <summary>The maximum size in bytes of the first and the last bucket of gradients, unless the
    /// <see cref="TrainingSpec.FirstGradientBucketBytes"/> say otherwise. They are smaller than the others, so that the
    /// ranks begin to add gradients soon after the backward pass has begun, and have few left to add when it ends. The
    /// default is 1 MiB, as in PyTorch, whose last bucket is not divided.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int FirstBucketBytes
    {
        get => _firstBucketBytes;
        init => _firstBucketBytes = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value),
            $"The size of the first bucket is {value} bytes; it must be at least 1.");
    }
}
