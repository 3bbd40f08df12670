namespace ConvNet.Mpi;

/// <summary>Any backend, on several ranks: each computes its share of every batch, and all keep the same
/// parameters.</summary>
/// <remarks>
/// The executables of a graph behave as one that computes the whole batch, as far as its layers treat samples apart:
/// losses, gradients, steps, random masks and states are those of the whole batch. Batch normalisation uses the
/// statistics of each rank's share, as PyTorch's DistributedDataParallel without SyncBatchNorm; its running statistics
/// are the means over all ranks, weighted by their samples. With <see cref="DataParallelOptions.SyncBatchNorm"/> it
/// uses those of the whole batch. All ranks compile the same graphs in the same order, and
/// make the same calls with the same batches.
/// </remarks>
/// <example><code>
/// using MpiCommunicator ranks = MpiCommunicator.Open();
/// using var backend = new DataParallelBackend(new NativeBackend(ranks.ProcessorShare), ranks);
/// using IExecutable net = backend.Compile(graph, new TrainingSpec(32, new SoftmaxCrossEntropy(), new Sgd()));
/// net.Initialize(new HeNormal(1));
/// var loader = new DataLoader(data, 32, new() { Shuffle = true, Share = backend.Share });
/// new Trainer(net, new TrainerOptions()).Train(loader);
/// </code></example>
public sealed class DataParallelBackend : IBackend
{
    private readonly IBackend _backend;
    private readonly ICommunicator _communicator;
    private readonly DataParallelOptions _options;

    /// <summary>Creates the backend.</summary>
    /// <param name="backend">The backend of this rank, of the same kind on all. It is disposed with this one.</param>
    /// <param name="communicator">The ranks. They are not disposed.</param>
    /// <param name="options">The options, the same on all ranks; null for the defaults.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backend"/> or <paramref name="communicator"/> is
    /// null.</exception>
    public DataParallelBackend(IBackend backend, ICommunicator communicator, DataParallelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(communicator);
        (_backend, _communicator, _options) = (backend, communicator, options ?? new DataParallelOptions());
        Share = new BatchShare(communicator.Rank, communicator.Ranks);
    }

    /// <summary>What the backend of this rank runs on.</summary>
    public BackendInfo Info => _backend.Info;

    /// <summary>The share of this rank, for <see cref="Data.DataLoaderOptions.Share"/>.</summary>
    public BatchShare Share { get; }

    /// <summary>Compiles a graph for training, for batches of all ranks together.</summary>
    /// <remarks>Before the first pass, all ranks take the state of rank 0: its parameters, buffers and optimiser's
    /// state.</remarks>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">How it is trained. Its batch size is that of all ranks together.</param>
    /// <exception cref="NotSupportedException">The backend does not support a layer, the loss or the optimiser; its
    /// executables do not derive from <see cref="Executable"/>; or it cannot synchronise batch
    /// normalisation.</exception>
    /// <exception cref="ArgumentException">The graph or the spec is one that <see cref="IBackend.Compile"/> rejects; or
    /// a loss of your own ignores its <see cref="Loss.Reduction"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is less than 1, or so large that a tensor has more
    /// than 2³¹ − 1 values.</exception>
    /// <exception cref="ArgumentNullException">An argument, or the losses or the optimiser of the spec, is
    /// null.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The backend is disposed.</exception>
    public IExecutable Compile(Graph graph, TrainingSpec spec)
    {
        IReadOnlyList<Objective> objectives = Executable.Check(graph, spec?.BatchSize ?? 1, spec);
        ArgumentNullException.ThrowIfNull(spec);
        foreach (Objective objective in objectives)
            LossReduction.Check(objective);
        IExecutable inner = _backend.Compile(graph, spec with
        {
            BatchSize = Share.Largest(spec.BatchSize),
            // Each rank adds up its losses, and their gradients are divided by what the whole batch divides by.
            Losses = Losses.Of([.. spec.Losses.Select(of
                => of with { Loss = of.Loss with { Reduction = Reduction.Sum } })]),
            KeepGradients = true,
            FirstGradientBucketBytes = spec.FirstGradientBucketBytes
                ?? Math.Min(_options.FirstBucketBytes, spec.GradientBucketBytes),
        });
        try
        {
            return new DataParallel(Sharing(inner), spec, objectives, _communicator, _options);
        }
        catch
        {
            inner.Dispose();
            throw;
        }
    }

    /// <summary>Compiles a graph for inference only, on this rank alone.</summary>
    /// <inheritdoc cref="IBackend.CompileInference" path="/exception"/>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    public IExecutable CompileInference(Graph graph, int batchSize) => _backend.CompileInference(graph, batchSize);

    /// <summary>Disposes the backend of this rank.</summary>
    public void Dispose() => _backend.Dispose();

    private Executable Sharing(IExecutable inner)
    {
        if (inner is not Executable own)
            throw new NotSupportedException($"The executables of {_backend.Info.Name} do not derive from "
                + $"{nameof(Executable)}, so that they cannot share a batch. Use a backend whose do.");
        if (_options.SyncBatchNorm && !own.SharesStatistics
            && own.Graph.LayerNodes.FirstOrDefault(node => node.Layer!.SharesStatistics) is { } normalized)
            throw new NotSupportedException($"{normalized.Place}: the backend {_backend.Info.Name} cannot synchronise "
                + "batch normalisation over ranks; managed, native and torchsharp can. Use one of these, or each "
                + "rank's own statistics.");
        return own;
    }
}
