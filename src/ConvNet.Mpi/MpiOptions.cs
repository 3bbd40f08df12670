namespace ConvNet.Mpi;

/// <summary>Options of an <see cref="MpiCommunicator"/>.</summary>
public sealed record MpiOptions
{
    private readonly TimeSpan _silence = Watching.WatchTimes.Usual.Silence, _patience
        = Watching.WatchTimes.Usual.Patience;

    /// <summary>The time after which a rank counts as failed that gives no sign of life, because its process is stopped
    /// or its machine cut off. The default is 6 seconds. Work that takes long is no reason: a thread of its own gives
    /// the signs.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is less than a second.</exception>
    public TimeSpan Silence
    {
        get => _silence;
        init => _silence = AtLeastSecond(value);
    }

    /// <summary>The time for which ranks wait for one that runs, but does not come to where they are. The default is 10
    /// minutes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is less than a second.</exception>
    public TimeSpan Patience
    {
        get => _patience;
        init => _patience = AtLeastSecond(value);
    }

    /// <summary>Called once when a rank has failed, in a thread of the communicator, while the program may be
    /// computing. It may end the process.</summary>
    public Action<RankFailedException>? OnFailure { get; init; }

    private static TimeSpan AtLeastSecond(TimeSpan time) => time >= TimeSpan.FromSeconds(1) ? time
        : throw new ArgumentOutOfRangeException(nameof(time), $"The time is {time}; it must be at least a second.");
}
