using ConvNet.Native;
using ConvNet.Native.Interop;

namespace ConvNet;

/// <summary>The backend of multithreaded C kernels for AVX-512, AVX2, Advanced SIMD or portable C,
/// selected by processor.</summary>
/// <remarks>
/// Planning runs in C#, computation in C. Results are bitwise identical for every number of threads and in every run
/// with the same instruction set. The library is searched for next to the application and in its
/// runtimes/&lt;rid&gt;/native folder. The environment variable CONVNET_NATIVE_LIBRARY specifies another file.
/// User-defined layers and losses run in C#.
/// </remarks>
public sealed class NativeBackend : IBackend, IExplains
{
    private const int MostThreads = 1024;

    // libgomp binds the thread that loads it. Threads created later inherit the binding.
    private const string PinsThreads = "If libtorch is loaded too, OpenMP binds the thread that loaded it, and "
        + "threads that it creates later run on the same processor.";

    private static readonly (string Variable, string Effect)[] s_variables =
    [
        (NativeLibraryFile.PathVariable, "It replaces the library of kernels of this build by another."),
        ("DOTNET_PROCESSOR_COUNT", "It sets the default number of threads."),
        ("OMP_PROC_BIND", PinsThreads), ("OMP_PLACES", PinsThreads), ("GOMP_CPU_AFFINITY", PinsThreads),
    ];

    private readonly ThreadsLease? _pool;

    /// <summary>Initialises the backend.</summary>
    /// <param name="threads">The number of threads. Null selects all processors. It does not affect the
    /// results.</param>
    /// <param name="isa">The instruction set. Null selects the best one that this processor supports.</param>
    /// <param name="precision">Whether 3×3 convolutions may use Winograd algorithms if these are faster.</param>
    /// <param name="pool">The threads that run the kernels. The backend uses them until it and its executables are
    /// disposed, even if the pool is disposed before. Null selects the library's own, which all backends
    /// share.</param>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible. The message states the
    /// remedy.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    /// <exception cref="NotSupportedException">The processor does not support the instruction set.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is not between 1 and 1024, or the
    /// instruction set or the precision is not a defined value.</exception>
    /// <exception cref="ObjectDisposedException">The pool has been disposed.</exception>
    public NativeBackend(int? threads = null, NativeIsa? isa = null, Precision precision = Precision.Fast,
        NativeThreads? pool = null)
    {
        if (!Enum.IsDefined(precision))
            throw new ArgumentOutOfRangeException(nameof(precision), $"There is no precision {precision}; "
                + $"use one of {string.Join(", ", Enum.GetValues<Precision>())}.");
        if (threads is < 1 or > MostThreads)
            throw new ArgumentOutOfRangeException(nameof(threads), $"The number of threads is {threads}; it must be "
                + $"from 1 to {MostThreads}.");
        var library = NativeLibraryFile.Loaded;
        string supported = string.Join(", ", InstructionSets.Supported);
        NativeIsa chosen = isa ?? InstructionSets.Best;
        if (!Enum.IsDefined(chosen))
            throw new ArgumentOutOfRangeException(nameof(isa), $"There is no instruction set {chosen}; "
                + $"use one of {supported}.");
        if (!InstructionSets.Supported.Contains(chosen))
            throw new NotSupportedException($"This processor does not support {chosen}; use one of {supported}.");
        int count = threads ?? Math.Min(Environment.ProcessorCount, MostThreads);
        _pool = pool?.Lease();
        Context = new cn_context
        {
            threads = count,
            features = InstructionSets.FeatureOf(chosen),
            pool = _pool?.Pool ?? 0,
        };
        string version = typeof(NativeBackend).Assembly.GetName().Version!.ToString(3);
        string isaName = chosen.ToString().ToLowerInvariant();
        Info = new BackendInfo("native", version, isaName, count, library.Path)
        {
            Option = $"native:{isaName}{(precision == Precision.Accurate ? ":accurate" : "")}",
            Precision = precision,
            Limits = [.. InstructionSets.Limits(), .. BackendLimits.OfThreads(count),
                .. BackendLimits.OfEnvironment(s_variables)],
        };
    }

    /// <summary>The instruction sets that both this processor and the library support, slowest first.</summary>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    public static IReadOnlyList<NativeIsa> SupportedIsas
    {
        get
        {
            _ = NativeLibraryFile.Loaded;
            return InstructionSets.Supported;
        }
    }

    /// <inheritdoc/>
    public BackendInfo Info { get; }

    /// <summary>The context, which is the first argument of every kernel.</summary>
    internal cn_context Context { get; private set; }

    /// <summary>Calls of fewer operations run on the calling thread. 0 selects the default of the library; with 1,
    /// every call runs on all threads that find work. Applies to executables compiled afterwards.</summary>
    internal long SerialOperations
    {
        get => Context.serial_operations;
        set => Context = Context with { serial_operations = value };
    }

    /// <summary>Whether operations are fused. Fusion does not change the bits of the results, except when a batch
    /// normalisation is folded.</summary>
    internal bool Fuse { get; init; } = true;

    /// <summary>The algorithm of every convolution that supports it, regardless of the precision. Null chooses by
    /// estimated time.</summary>
    internal SumAlgorithm? Algorithm { get; init; }

    /// <summary>The policy that selects the algorithms of convolutions.</summary>
    internal AlgorithmPolicy Algorithms => new(Info.Precision, Algorithm);

    /// <summary>Whether the backend has been disposed.</summary>
    internal bool IsDisposed { get; private set; }

    /// <inheritdoc cref="IBackend.Compile"/>
    /// <exception cref="ArgumentNullException"><paramref name="spec"/> is null.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public NativePlan Compile(Graph graph, TrainingSpec spec)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        ArgumentNullException.ThrowIfNull(spec);
        return Allocated(new NativePlan(graph, spec.BatchSize, spec, this));
    }

    /// <inheritdoc cref="IBackend.CompileInference"/>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public NativePlan CompileInference(Graph graph, int batchSize)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return Allocated(new NativePlan(graph, batchSize, null, this));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="spec"/> is null.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public PlanDescription Explain(Graph graph, TrainingSpec spec)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        ArgumentNullException.ThrowIfNull(spec);
        using var plan = new NativePlan(graph, spec.BatchSize, spec, this);
        return plan.Explain();
    }

    /// <inheritdoc/>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public PlanDescription ExplainInference(Graph graph, int batchSize)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        using var plan = new NativePlan(graph, batchSize, null, this);
        return plan.Explain();
    }

    IExecutable IBackend.Compile(Graph graph, TrainingSpec spec) => Compile(graph, spec);

    IExecutable IBackend.CompileInference(Graph graph, int batchSize) => CompileInference(graph, batchSize);

    private static NativePlan Allocated(NativePlan plan)
    {
        plan.Allocate();
        return plan;
    }

    /// <summary>Disposes the backend. Its executables throw on further calls.</summary>
    public void Dispose()
    {
        IsDisposed = true;
        _pool?.Dispose();
    }

    /// <summary>Returns another use of the threads. Null if they are the library's own.</summary>
    internal ThreadsLease? LeaseThreads() => _pool?.Again();
}
