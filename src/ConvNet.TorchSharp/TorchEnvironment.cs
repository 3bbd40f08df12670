using System.Runtime.InteropServices;
using static System.FormattableString;

namespace ConvNet;

/// <summary>The effects of the environment on libtorch, its oneDNN and its OpenMP.</summary>
internal static unsafe class TorchEnvironment
{
    private const string OtherKernels = "It makes oneDNN use kernels for an older instruction set: convolutions are "
        + "slower and round differently.";
    private const string Waiting = "It sets how long waiting threads of OpenMP spin, which affects the speed of many "
        + "small calls and the load on the processors.";
    private const string LessPrecise = "oneDNN may compute with less than float32 precision: results are less exact.";
    private const string Verbose = "oneDNN writes a line to standard output in every call, which is slower and "
        + "makes the output of --json invalid.";
    private const string Binding = "OpenMP binds its threads, including the one that loaded libtorch, to single "
        + "processors. Threads that this one creates later, including native's, run on its processor.";

    /// <summary>The environment variables that affect the results or the speed of libtorch. The number of threads is
    /// not among them, because a call sets it.</summary>
    private static readonly (string Variable, string Effect)[] s_variables =
    [
        ("ONEDNN_MAX_CPU_ISA", OtherKernels), ("DNNL_MAX_CPU_ISA", OtherKernels),
        ("ONEDNN_DEFAULT_FPMATH_MODE", LessPrecise), ("DNNL_DEFAULT_FPMATH_MODE", LessPrecise),
        ("ONEDNN_PRIMITIVE_CACHE_CAPACITY",
            "If the cache is too small, oneDNN compiles its kernels repeatedly: calls are slower."),
        ("ONEDNN_VERBOSE", Verbose), ("DNNL_VERBOSE", Verbose),
        ("ATEN_CPU_CAPABILITY", "It selects the instruction set of libtorch's kernels."),
        ("MKL_ENABLE_INSTRUCTIONS", "It selects the instruction set of MKL's kernels for linear layers."),
        ("MKL_CBWR", "It makes MKL use slower kernels that give the same bits on many processors."),
        ("MKL_VERBOSE", "It makes MKL write a line in every call, which is slower."),
        ("OMP_DYNAMIC", "OpenMP may use fewer threads than requested while the machine is busy."),
        ("OMP_WAIT_POLICY", Waiting),
        ("OMP_PROC_BIND", Binding), ("OMP_PLACES", Binding), ("GOMP_CPU_AFFINITY", Binding), ("KMP_AFFINITY", Binding),
        ("DOTNET_PROCESSOR_COUNT", BackendLimits.DefaultThreads),
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
            yield return new BackendLimit(Invariant($"Only {most} of {threads} threads are used: OpenMP creates no ")
                + "more.",
                "The environment variable OMP_THREAD_LIMIT limits the threads that OpenMP creates for a process.",
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
