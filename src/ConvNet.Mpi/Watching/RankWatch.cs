using static System.FormattableString;

namespace ConvNet.Mpi.Watching;

/// <summary>Finds out which rank has failed: ended, stopped, cut off, left early, or not coming.</summary>
/// <remarks>
/// Rank 0 and each other rank tell one another that they run. A rank also sees whether the processes of its own machine
/// have ended. Who finds a failure tells all others.
/// </remarks>
/// <param name="own">The rank of this process.</param>
/// <param name="processes">The processes of all ranks.</param>
/// <param name="times">The times.</param>
/// <param name="send">Sends a notice to a rank.</param>
internal sealed class RankWatch(int own, IReadOnlyList<RankProcess> processes, WatchTimes times,
    Action<int, Notice> send)
{
    private readonly TimeSpan[] _heard = new TimeSpan[processes.Count];
    private readonly TimeSpan?[] _left = new TimeSpan?[processes.Count];
    private readonly long[] _started = new long[processes.Count];
    private TimeSpan _last, _looked, _beat = TimeSpan.MinValue;
    private bool _leaves;

    /// <summary>The failure; null if there is none.</summary>
    public RankFailedException? Failure { get; private set; }

    /// <summary>The number of collectives that this rank has started.</summary>
    public long Started { get; set; }

    /// <summary>Since when this rank waits for others; null if it does not.</summary>
    public TimeSpan? WaitsSince { get; set; }

    /// <summary>Whether all other ranks have said that they take part in no more collectives.</summary>
    public bool OthersHaveLeft => Others.All(rank => _left[rank] is not null);

    /// <summary>The time for which others wait for a rank that lives but does not come.</summary>
    public TimeSpan Patience { get; set; } = times.Patience;

    private IEnumerable<int> Others => Enumerable.Range(0, processes.Count).Where(rank => rank != own);

    // With rank 0 as the centre, the number of notices grows with the number of ranks, not with its square.
    private IEnumerable<int> Watched => own == 0 ? Others : [0];

    /// <summary>Takes a notice.</summary>
    public void Receive(int from, Notice notice, TimeSpan now)
    {
        (_heard[from], _started[from]) = (now, notice.Started);
        if (notice.Kind == NoticeKind.Leaving)
            _left[from] ??= now;
        else if (notice.Kind is NoticeKind.Gives or NoticeKind.Failed)
            Failure ??= new(notice.Rank, notice.Text, notice.Kind == NoticeKind.Gives);
    }

    /// <summary>Gives the signs of life that are due, and looks for those of others.</summary>
    public void Tick(TimeSpan now)
    {
        if (Failure is not null)
            return;
        // If this process has been stopped itself, the others have had no chance to be heard.
        if (now - _last > times.Silence / 2)
            Array.Fill(_heard, now);
        _last = now;
        // A rank that leaves waits for the others, and so for their signs of life, but gives none any more.
        if (!_leaves && (_beat == TimeSpan.MinValue || now - _beat >= times.Beat))
        {
            _beat = now;
            foreach (int rank in Watched)
                send(rank, new Notice(NoticeKind.Alive, own, Started, ""));
        }
        if (now - _looked >= times.Look)
        {
            _looked = now;
            FindEnded();
        }
        foreach (int rank in Watched.Where(rank => _left[rank] is null && now - _heard[rank] > times.Silence))
            Fail(rank, Invariant($"has not been heard of for {times.Silence.TotalSeconds:0.#} s: it is stopped, or ")
                + "cut off");
        FindMissing(now);
    }

    /// <summary>Ends the training of all ranks, for a reason of this one.</summary>
    public void Give(string reason)
    {
        if (Failure is not null)
            return;
        Failure = new(own, Invariant($"Rank {own}: {reason}"), isReported: true);
        foreach (int rank in Others)
            send(rank, new Notice(NoticeKind.Gives, own, Started, Failure.Message));
    }

    /// <summary>Tells the others that this rank takes part in no more collectives.</summary>
    public void Leave()
    {
        _leaves = true;
        foreach (int rank in Others)
            send(rank, new Notice(NoticeKind.Leaving, own, Started, ""));
    }

    private void FindEnded()
    {
        foreach (int rank in Others)
        {
            if (_left[rank] is null && processes[rank].IsBeside(processes[own]) && processes[rank].HasEnded())
                Fail(rank, "has ended before the others");
        }
    }

    private void FindMissing(TimeSpan now)
    {
        if (WaitsSince is not { } since)
            return;
        foreach (int rank in Others)
        {
            if (_left[rank] is { } left && _started[rank] < Started && now - left > times.Farewell)
                Fail(rank, "has left the others, which wait for it");
        }
        foreach (int rank in Watched.Where(rank => _started[rank] < Started && now - since > Patience))
            Fail(rank, "runs, but the others have waited for it for " + (Patience < TimeSpan.FromMinutes(2)
                ? Invariant($"{Patience.TotalSeconds:0.#} s") : Invariant($"{Patience.TotalMinutes:0.#} min")));
    }

    private void Fail(int rank, string how)
    {
        if (Failure is not null)
            return;
        Failure = new(rank, Invariant($"The training has ended, because {processes[rank]} {how}."));
        foreach (int other in Others.Where(other => other != rank || _left[rank] is not null))
            send(other, new Notice(NoticeKind.Failed, rank, Started, Failure.Message));
    }
}
