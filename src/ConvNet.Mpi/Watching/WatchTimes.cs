namespace ConvNet.Mpi.Watching;

/// <summary>The times by which a rank is judged.</summary>
/// <param name="Look">The time between two looks at the processes of this machine.</param>
/// <param name="Beat">The time between two signs of life.</param>
/// <param name="Silence">The time without a sign of life after which a rank counts as failed.</param>
/// <param name="Farewell">The time that others have to complete what a rank has taken part in before it left.</param>
/// <param name="Patience">The time for which others wait for a rank that lives but does not come.</param>
internal sealed record WatchTimes(TimeSpan Look, TimeSpan Beat, TimeSpan Silence, TimeSpan Farewell,
    TimeSpan Patience)
{
    /// <summary>A rank that is stopped is found within 7 seconds.</summary>
    public static WatchTimes Usual { get; } = new(TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(0.5),
        TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(3), TimeSpan.FromMinutes(10));
}
