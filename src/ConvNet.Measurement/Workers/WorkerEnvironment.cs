using System.Collections;
using System.Runtime.Intrinsics.X86;

namespace ConvNet.Measurement.Workers;

/// <summary>The environment variables of a worker. User settings of BLAS and OpenMP are removed, because they would
/// bias a comparison.</summary>
internal static class WorkerEnvironment
{
    /// <summary>The variable that sets the processor type of OpenBLAS.</summary>
    public const string CoreType = "OPENBLAS_CORETYPE";

    // GOTO_ is an older prefix that OpenBLAS still reads.
    private static readonly string[] Families = ["OPENBLAS", "GOTO_", "BLIS_", "MKL_", "OMP_", "GOMP_", "KMP_",
        "ONEDNN_", "DNNL_"];

    /// <summary>Returns the environment of a worker, derived from that of this process.</summary>
    /// <remarks>
    /// Settings of BLAS, oneDNN and OpenMP are removed. OpenBLAS is told the processor type, because a version older
    /// than the processor would fall back to kernels of 2004. Waiting OpenMP threads (torchsharp, onednn) go to sleep
    /// soon, as in <c>./convnet</c>: late enough to span the gap between two kernels, early enough not to disturb the
    /// turn of another worker. Tiered compilation is off, since recompilation would run during the first turns, and
    /// little of the measured time is spent in .NET.
    /// </remarks>
    public static IReadOnlyDictionary<string, string> From(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var clean = environment.Where(
            variable => !Families.Any(family => variable.Key.StartsWith(family, StringComparison.OrdinalIgnoreCase)))
            .ToDictionary(variable => variable.Key, variable => variable.Value, StringComparer.Ordinal);
        if (BestCore is { } core)
            clean[CoreType] = core;
        clean[TorchEnvironment.SpinCountVariable] = TorchEnvironment.SpinCount;
        clean["DOTNET_TieredCompilation"] = "0";
        return clean;
    }

    /// <summary>Applies <see cref="From"/> to the environment of this process, for processes that it starts from now
    /// on. C libraries already loaded are not affected.</summary>
    public static void PassOn()
    {
        IReadOnlyDictionary<string, string> inherited = Inherited, clean = From(inherited);
        foreach (string name in inherited.Keys.Union(clean.Keys))
            Environment.SetEnvironmentVariable(name, clean.GetValueOrDefault(name));
    }

    /// <summary>The environment of this process.</summary>
    internal static IReadOnlyDictionary<string, string> Inherited => Environment.GetEnvironmentVariables()
        .Cast<DictionaryEntry>()
        .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "",
            StringComparer.Ordinal);

    /// <summary>The best processor type of OpenBLAS 0.3.21 that this processor supports. Null if it is not an x86
    /// processor with AVX2.</summary>
    public static string? BestCore => Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported ? "SkylakeX"
        : Avx2.IsSupported && Fma.IsSupported ? "Haswell"
        : null;
}
