using System.Runtime.InteropServices;
using static System.FormattableString;

namespace ConvNet;

/// <summary>The effects of the environment on libtorch, its oneDNN and its OpenMP.</summary>
internal static unsafe class TorchEnvironment
{
    private const string OtherKernels = "oneDNN then takes kernels of an older instruction set: convolutions are "
        + "slower and round otherwise.";
    private const string Waiting = "It decides how long threads of OpenMP spin where they wait, and so how fast many "
        + "small calls are, and how much they disturb others.";
    private const string Binding = "OpenMP binds threads, the one that loaded libtorch among them, to single "
        + "processors; threads that this one makes later, native's too, stay on its processor.";

    /// <summary>The environment variables that affect the results or the speed of libtorch. The number of threads is
    /// not among them, because a call sets it.</summary>
    private static readonly (string Variable, string Effect)[] s_variables =
    [
        ("ONEDNN_MAX_CPU_ISA", OtherKernels), ("DNNL_MAX_CPU_ISA", OtherKernels),
        ("ONEDNN_DEFAULT_FPMATH_MODE",
            "oneDNN may then compute with fewer bits than float32 has: results are less exact."),
        ("DNNL_DEFAULT_FPMATH_MODE",
            "oneDNN may then compute with fewer bits than float32 has: results are less exact."),
        ("ONEDNN_PRIMITIVE_CACHE_CAPACITY",
            "oneDNN compiles its kernels again where the cache is too small: calls are slower."),
        ("ONEDNN_VERBOSE", "oneDNN writes a line to standard output at every call, which is slower and spoils --json."),
        ("DNNL_VERBOSE", "oneDNN writes a line to standard output at every call, which is slower and spoils --json."),
        ("ATEN_CPU_CAPABILITY", "libtorch then takes kernels of the instruction set that it names."),
        ("MKL_ENABLE_INSTRUCTIONS", "MKL then takes kernels of the instruction set that it names for linear layers."),
        ("MKL_CBWR", "MKL then takes kernels that give the same bits on many processors, and are slower."),
        ("MKL_VERBOSE", "MKL writes a line at every call, which is slower."),
        ("OMP_DYNAMIC", "OpenMP may take fewer threads than asked for when the machine is busy."),
        ("OMP_WAIT_POLICY", Waiting),
        ("OMP_PROC_BIND", Binding), ("OMP_PLACES", Binding), ("GOMP_CPU_AFFINITY", Binding), ("KMP_AFFINITY", Binding),
        ("DOTNET_PROCESSOR_COUNT", "It is the number of threads unless one is given."),
    ];

    /// <summary>The variable that sets how long OpenMP threads spin, and the value that <c>./convnet</c> and workers
    /// use. With it, threads sleep soon, but not before the next kernel of a step starts.</summary>
    public const string SpinCountVariable = "GOMP_SPINCOUNT", SpinCount = "10000";

    /// <summary>Returns the limits that the environment causes.</summary>
    /// <param name="threads">The requested number of threads.</param>
    /// <param name="openMP">The path of the OpenMP library in this process. Null if there is none.</param>
    public static IEnumerable<BackendLimit> LimitsOf(int threads, string? openMP)
    {
        if (openMP is not null && MostThreads(openMP) is { } most && most < threads)
        {
            yield return new BackendLimit(Invariant($"{most} of {threads} threads: OpenMP makes no more."),
                "The environment variable OMP_THREAD_LIMIT is the most that OpenMP makes for a process, whatever it "
                    + "is asked for.",
                "Start the program without it: env -u OMP_THREAD_LIMIT.");
        }
        foreach (BackendLimit limit in BackendLimits.OfEnvironment(s_variables))
            yield return limit;
        if (Environment.GetEnvironmentVariable(SpinCountVariable) is { } spins && spins != SpinCount)
        {
            yield return new BackendLimit($"The environment variable {SpinCountVariable} is set to "
                + $"\"{Excerpt.Of(spins)}\".", Waiting,
                $"Start the program with {SpinCountVariable}={SpinCount}, as ./convnet does.");
        }
    }

    // omp_get_thread_limit, which both libgomp and LLVM's libomp export.
    private static int? MostThreads(string openMP)
        => NativeLibrary.TryLoad(openMP, out nint library)
            && NativeLibrary.TryGetExport(library, "omp_get_thread_limit", out nint limit)
            ? ((delegate* unmanaged[Cdecl]<int>)limit)()
            : null;
}
