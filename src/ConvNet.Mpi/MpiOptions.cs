namespace ConvNet.Mpi;

/// <summary>Options of an <see cref="MpiCommunicator"/>.</summary>
public sealed record MpiOptions
{
    private readonly TimeSpan _silence = Watching.WatchTimes.Usual.Silence;

    /// <summary>The time after which a rank counts as failed that gives no sign of life, because its process is stopped
    /// or its machine cut off. The default is 6 seconds. Work that takes long is no reason: a thread of its own gives
    /// the signs.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is less than a second.</exception>
    public TimeSpan Silence
    {
        get => _silence;
        init => _silence = value >= TimeSpan.FromSeconds(1) ? value : throw new ArgumentOutOfRangeException(
            nameof(value), $"The time is {value}; it must be at least a second.");
    }

    /// <summary>Called once when a rank has failed, in a thread of the communicator, while the program may be
    /// computing. It may end the process.</summary>
    public Action<RankFailedException>? OnFailure { get; init; }
}
