namespace ConvNet;

/// <summary>The backend over libtorch: a graph becomes TorchSharp calls, with torch's own autograd and torch's own
/// optimiser.</summary>
/// <remarks>
/// It shares no arithmetic with the other backends, so that agreement with it means something. The libtorch that it
/// stands on is that of the TorchSharp package; a build with the MSBuild property TorchProvider=None has none.
/// libtorch has one number of threads for the process: backends with different numbers may take turns, and each call
/// brings its own; where two compute at the same time the last to begin decides for both.
/// </remarks>
public sealed class TorchSharpBackend : IBackend, IExplains
{
    private const int MostThreads = 1024;

    private readonly TorchRuntime _runtime;
    private bool _disposed;

    /// <summary>Loads libtorch.</summary>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="keepFreedMemory">
    /// Whether glibc's allocator keeps memory that is freed instead of giving it back to the system, which would fault
    /// it in again at every step. It holds for the whole process from then on. Without effect where there is no glibc.
    /// </param>
    /// <param name="padding">
    /// Which convolutions get channels of zeros, so that they are computed right on a processor that hides its caches.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There is no thread, or more than 1024.</exception>
    /// <exception cref="DllNotFoundException">libtorch or its binding cannot be loaded; the message says why and what
    /// to do.</exception>
    public TorchSharpBackend(int? threads = null, bool keepFreedMemory = true,
        ChannelPadding padding = ChannelPadding.WhereNeeded)
    {
        if (threads is < 1 or > MostThreads)
            throw new ArgumentOutOfRangeException(nameof(threads), $"{threads} threads are not 1 to {MostThreads}.");
        _runtime = TorchRuntime.Load(threads ?? Math.Min(Environment.ProcessorCount, MostThreads), padding);
        if (keepFreedMemory)
            Allocator.KeepFreedMemory();
    }

    /// <inheritdoc/>
    public BackendInfo Info => _runtime.Info;

    /// <summary>libtorch in this process.</summary>
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

    /// <summary>Ends the backend; its executables refuse further calls.</summary>
    public void Dispose() => _disposed = true;
}
