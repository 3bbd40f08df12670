using ConvNet.Mpi;

namespace ConvNet.Cli.Ranks;

/// <summary>The ranks of a training that <c>mpirun</c> or <c>srun</c> has started. Rank 0 alone prints and
/// saves.</summary>
internal sealed class RankGroup : IDisposable
{
    // From a failure until a rank that is computing is ended, and until then without regard to MPI.
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(1.5), s_last = TimeSpan.FromSeconds(0.25);

    private readonly TextWriter _error;
    private MpiCommunicator? _communicator;
    private RankFailedException? _failure;
    private Timer? _end;
    private bool _isSettled, _isRefused, _worksForAll;
    private int _reports;

    private RankGroup(TextWriter error) => (_error, Messages) = (error, new RankWriter(error));

    /// <summary>The ranks.</summary>
    public MpiCommunicator Communicator => _communicator!;

    /// <summary>The share of this rank.</summary>
    public BatchShare Share => new(Communicator.Rank, Communicator.Ranks);

    /// <summary>Whether this is rank 0.</summary>
    public bool IsFirst => Communicator.Rank == 0;

    /// <summary>Receives what the verb writes to standard error.</summary>
    public RankWriter Messages { get; }

    /// <summary>Joins the ranks that were started together; null if this process was started alone, or for a verb that
    /// does not train.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="error">Standard error.</param>
    /// <exception cref="MpiUnavailableException">MPI is missing.</exception>
    /// <exception cref="MpiException">MPI has failed.</exception>
    public static RankGroup? Join(string[] args, TextWriter error)
    {
        if (args is not ["train", ..] || Launcher.Ranks == 1 || args.Intersect(["--help", "-h", "-?"]).Any())
            return null;
        var group = new RankGroup(error);
        group._communicator = MpiCommunicator.Open(new MpiOptions { OnFailure = group.OnFailure });
        return group;
    }

    /// <summary>Throws if the ranks would not train the same. Then rank 0 begins to print.</summary>
    /// <param name="facts">What this rank would train with.</param>
    /// <exception cref="ArgumentException">A rank has an error, or other facts; the message names the
    /// ranks.</exception>
    public void Agree(IReadOnlyList<KeyValuePair<string, string>> facts) => Settle(new RankFacts(facts, null));

    /// <summary>Does what this rank does for all. An error is then not one that distinguishes the ranks.</summary>
    public T ForAll<T>(Func<T> work)
    {
        _worksForAll = true;
        T result = work();
        _worksForAll = false;
        return result;
    }

    /// <summary>Reports that a rank has failed: once, by one rank, unless the failed one has done so.</summary>
    /// <returns>The exit code.</returns>
    public int Report(RankFailedException failure)
    {
        bool reports = !failure.IsReported && Communicator.Rank == (failure.Rank == 0 ? 1 : 0);
        if (reports && Interlocked.Exchange(ref _reports, 1) == 0)
        {
            _error.WriteLine($"convnet: {failure.Message}");
            _error.Flush();
            // The launcher may lose what it has not passed on when it ends.
            Thread.Sleep(s_last);
            // A rank that is stopped or cut off must end too.
            Communicator.Abort(ExitCode.Failed);
        }
        return ExitCode.Failed;
    }

    /// <summary>Ends the part of this rank: tells the others if it has failed alone, and prints why.</summary>
    /// <param name="code">The exit code of the verb.</param>
    public void End(int code)
    {
        if (code != ExitCode.Ok && !_isSettled)
            EndWithoutTraining();
        // All ranks are interrupted together, and see the same losses.
        else if (code is ExitCode.WrongUsage or ExitCode.InternalError && !_isRefused && _failure is null)
        {
            string own = Messages.Last;
            if (!IsFirst)
                _error.WriteLine($"convnet: rank {Communicator.Rank}: {own}");
            Communicator.Fail(own);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _communicator?.Dispose();
        _end?.Dispose();
    }

    private void EndWithoutTraining()
    {
        try
        {
            Settle(new RankFacts([], Messages.Last) { IsForAll = _worksForAll });
        }
        catch (ArgumentException problem)
        {
            if (IsFirst)
                _error.WriteLine($"convnet: {problem.Message}");
        }
        catch (RankFailedException failure)
        {
            Report(failure);
        }
    }

    private void Settle(RankFacts own)
    {
        RankFacts[] all = [.. Communicator.Exchange(own.ToText()).Select(RankFacts.Parse)];
        _isSettled = true;
        if (RankFacts.Problem(all) is { } problem)
        {
            _isRefused = true;
            if (IsFirst && own.Error is null)
                Messages.Release();
            throw new ArgumentException(problem);
        }
        if (IsFirst)
            Messages.Release();
    }

    // The verb ends with an exception as soon as it waits for others. If it is computing, it is ended.
    private void OnFailure(RankFailedException failure)
    {
        _failure = failure;
        _end = new Timer(_ =>
        {
            Report(failure);
            Thread.Sleep(s_last);
            ProcessEnd.AtOnce(ExitCode.Failed);
        }, null, s_grace, Timeout.InfiniteTimeSpan);
    }
}
