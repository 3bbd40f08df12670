namespace ConvNet.Mpi.Checking;

/// <summary>Several ranks in this process behind one executable, which makes each call on all of them: for checks of a
/// backend on several ranks.</summary>
internal sealed class LocalRanksBackend : IBackend
{
    // Outputs are gathered in groups of one sample.
    private static readonly DataParallelOptions s_options = new()
    {
        Deterministic = true,
        SyncBatchNorm = true,
        MostGathered = 1,
    };

    private readonly IBackend[] _backends;

    /// <summary>Creates the ranks.</summary>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="create">Creates the backend of a rank.</param>
    public LocalRanksBackend(int ranks, Func<IBackend> create)
        => _backends = [.. Enumerable.Range(0, ranks).Select(_ => create())];

    /// <summary>The backend of rank 0.</summary>
    public IBackend First => _backends[0];

    public BackendInfo Info => First.Info;

    public IExecutable Compile(Graph graph, TrainingSpec spec)
    {
        IReadOnlyList<LocalCommunicator> communicators = LocalCommunicator.Create(_backends.Length);
        return new LocalRanksExecutable(communicators, [.. _backends.Select((backend, rank)
            => (DataParallel)new DataParallelBackend(backend, communicators[rank],
                s_options).Compile(graph, spec))]);
    }

    public IExecutable CompileInference(Graph graph, int batchSize) => First.CompileInference(graph, batchSize);

    public void Dispose() => Array.ForEach(_backends, backend => backend.Dispose());
}
