using System.Runtime.Intrinsics.X86;
using ConvNet.Native;
using ConvNet.Native.Interop;

namespace ConvNet;

/// <summary>The backend of multithreaded C kernels for AVX-512, AVX2 or portable C, selected by processor.</summary>
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

    /// <summary>Initialises the backend.</summary>
    /// <param name="threads">The number of threads. Null selects all processors. It does not affect the
    /// results.</param>
    /// <param name="isa">The instruction set. Null selects the best one that this processor supports.</param>
    /// <param name="precision">Whether 3×3 convolutions may use Winograd algorithms if these are faster.</param>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible. The message states the
    /// remedy.</exception>
    /// <exception cref="NotSupportedException">The processor does not support the instruction set.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is not between 1 and 1024, or the precision
    /// is not a defined value.</exception>
    public NativeBackend(int? threads = null, NativeIsa? isa = null, Precision precision = Precision.Fast)
    {
        if (!Enum.IsDefined(precision))
            throw new ArgumentOutOfRangeException(nameof(precision), $"There is no precision {precision}; "
                + $"use one of {string.Join(", ", Enum.GetValues<Precision>())}.");
        if (threads is < 1 or > MostThreads)
            throw new ArgumentOutOfRangeException(nameof(threads), $"The number of threads is {threads}; it must be "
                + $"from 1 to {MostThreads}.");
        var library = NativeLibraryFile.Loaded;
        var best = (NativeIsa)Convnet.cn_cpu_isa();
        if (isa > best)
            throw new NotSupportedException($"This processor does not support {isa}; use one of "
                + $"{string.Join(", ", SupportedIsas)}.");
        if (isa is { } chosen && !Enum.IsDefined(chosen))
            throw new ArgumentOutOfRangeException(nameof(isa), $"There is no instruction set {chosen}; "
                + $"use one of {string.Join(", ", SupportedIsas)}.");
        int count = threads ?? Math.Min(Environment.ProcessorCount, MostThreads);
        Context = new cn_context(Convnet.CN_ABI_VERSION, (cn_isa)(isa ?? best), count);
        string version = typeof(NativeBackend).Assembly.GetName().Version!.ToString(3);
        string isaName = (isa ?? best).ToString().ToLowerInvariant();
        Info = new BackendInfo("native", version, isaName, count, library.Path)
        {
            Option = $"native:{isaName}{(precision == Precision.Accurate ? ":accurate" : "")}",
            Precision = precision,
            Limits = [.. LimitsOf(best), .. BackendLimits.OfThreads(count),
                .. BackendLimits.OfEnvironment(s_variables)],
        };
    }

    /// <summary>The instruction sets that both this processor and the library support, in ascending order.</summary>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    public static IReadOnlyList<NativeIsa> SupportedIsas
    {
        get
        {
            _ = NativeLibraryFile.Loaded;
            return [.. Enum.GetValues<NativeIsa>().Where(isa => isa <= (NativeIsa)Convnet.cn_cpu_isa())];
        }
    }

    /// <inheritdoc/>
    public BackendInfo Info { get; }

    /// <summary>The context, which is the first argument of every kernel.</summary>
    internal cn_context Context { get; }

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

    // An instruction set selected by the user is not reported as a limit. An unavailable one is.
    private static IEnumerable<BackendLimit> LimitsOf(NativeIsa best)
    {
        if (best < NativeIsa.Avx512 && Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported)
        {
            yield return new BackendLimit($"The library has no kernels for AVX-512, which this processor supports. "
                + $"Its best kernels are for {best}.",
                "It was built by a compiler without AVX-512, or for another kind of processor.",
                "Build ConvNet.Native on this machine with gcc 9, clang 9 or newer.");
        }
        else if (best < NativeIsa.Avx512)
        {
            yield return new BackendLimit($"The best kernels that can run here are for {best}: the processor, or "
                + "the part of it that the system exposes, does not support AVX-512.",
                "Kernels for AVX-512 F, BW, DQ and VL compute 16 values at a time, those for AVX2 and FMA 8, plain C "
                    + "as many as the compiler vectorises.",
                    "No action is needed: the results are correct. A virtual machine gets the instruction sets of the "
                    + "processor if its CPU type is \"host\".");
        }
    }

    private static NativePlan Allocated(NativePlan plan)
    {
        plan.Allocate();
        return plan;
    }

    /// <summary>Disposes the backend. Its executables throw on further calls.</summary>
    public void Dispose() => IsDisposed = true;
}
