namespace ConvNet;

/// <summary>The libtorch backend. Runs a graph as TorchSharp calls, with torch's own autograd and optimisers.</summary>
/// <remarks>
/// The backend shares no arithmetic with the other backends, so it can serve as an independent reference. It uses the
/// libtorch of the TorchSharp package. A build with the MSBuild property TorchProvider=None contains no libtorch.
/// libtorch has one thread count for the whole process, which every call sets. Backends with different thread counts
/// may take turns. If two compute at the same time, the call that began last determines the thread count of both.
/// </remarks>
public sealed class TorchSharpBackend : IBackend, IExplains
{
    private const int MostThreads = 1024;

    private readonly TorchRuntime _runtime;
    private bool _disposed;

    /// <summary>Loads libtorch.</summary>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="keepFreedMemory">
    /// Whether the glibc allocator keeps freed memory instead of returning it to the system, which would cause page
    /// faults at every step. The setting applies to the whole process from then on. It has no effect without glibc.
    /// </param>
    /// <param name="padding">
    /// Which convolutions to pad with channels of zeros, so that a processor that hides its caches computes them
    /// correctly.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is not between 1 and 1024.</exception>
    /// <exception cref="DllNotFoundException">libtorch or its binding cannot be loaded. The message states the cause
    /// and the remedy.</exception>
    public TorchSharpBackend(int? threads = null, bool keepFreedMemory = true,
        ChannelPadding padding = ChannelPadding.WhereNeeded)
    {
        if (threads is < 1 or > MostThreads)
            throw new ArgumentOutOfRangeException(nameof(threads), $"The number of threads is {threads}; it must be "
                + $"from 1 to {MostThreads}.");
        _runtime = TorchRuntime.Load(threads ?? Math.Min(Environment.ProcessorCount, MostThreads), padding);
        if (keepFreedMemory)
            Allocator.KeepFreedMemory();
    }

    /// <inheritdoc/>
    public BackendInfo Info => _runtime.Info;

    /// <summary>The libtorch library in this process.</summary>
    internal TorchRuntime Runtime => _runtime;

    /// <inheritdoc/>
    public IExecutable Compile(Graph graph, TrainingSpec spec)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(spec);
        return _runtime.Compile(graph, spec.BatchSize, spec, () => _disposed);
    }

    /// <inheritdoc/>
    public IExecutable CompileInference(Graph graph, int batchSize)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _runtime.Compile(graph, batchSize, null, () => _disposed);
    }

    /// <inheritdoc/>
    public PlanDescription Explain(Graph graph, TrainingSpec spec)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(spec);
        return _runtime.Explain(graph, spec.BatchSize, spec);
    }

    /// <inheritdoc/>
    public PlanDescription ExplainInference(Graph graph, int batchSize)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _runtime.Explain(graph, batchSize, null);
    }

    /// <summary>Disposes the backend. Its executables throw on further calls.</summary>
    public void Dispose() => _disposed = true;
}
