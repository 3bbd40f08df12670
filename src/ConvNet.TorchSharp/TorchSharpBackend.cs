namespace ConvNet;

/// <summary>The backend over libtorch: a graph becomes TorchSharp calls, with torch's own autograd and torch's own optimiser.</summary>
/// <remarks>
/// It shares no arithmetic with the other backends, so that agreement with it means something. Which build of libtorch it
/// stands on is chosen when it is built, by the MSBuild property TorchProvider.
/// libtorch has one number of threads for the process: backends with different numbers may take turns, and each call
/// brings its own; where two compute at the same time the last to begin decides for both.
/// </remarks>
public sealed class TorchSharpBackend : IBackend
{
    private const int MostThreads = 1024;

    private readonly TorchRuntime _runtime;
    private bool _disposed;

    /// <summary>Loads libtorch.</summary>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="keepFreedMemory">
    /// Whether glibc's allocator keeps memory that is freed instead of giving it back to the system, which would fault it in
    /// again at every step. It holds for the whole process from then on. Without effect where there is no glibc.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There is no thread, or more than 1024.</exception>
    /// <exception cref="DllNotFoundException">libtorch or its binding cannot be loaded; the message says why and what to do.</exception>
    public TorchSharpBackend(int? threads = null, bool keepFreedMemory = true)
    {
        if (threads is < 1 or > MostThreads)
            throw new ArgumentOutOfRangeException(nameof(threads), $"{threads} threads are not 1 to {MostThreads}.");
        _runtime = TorchRuntime.Load(threads ?? Math.Min(Environment.ProcessorCount, MostThreads));
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

    /// <summary>Ends the backend; its executables refuse further calls.</summary>
    public void Dispose() => _disposed = true;
}
