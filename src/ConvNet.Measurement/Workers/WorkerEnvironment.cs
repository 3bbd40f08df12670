using System.Collections;
using System.Runtime.Intrinsics.X86;

namespace ConvNet.Measurement.Workers;

/// <summary>The environment of a worker: the machine's own settings of BLAS and OpenMP would decide a
/// comparison.</summary>
public static class WorkerEnvironment
{
    /// <summary>The variable by which OpenBLAS takes the kernels of a processor that it does not know.</summary>
    public const string CoreType = "OPENBLAS_CORETYPE";

    // GOTO_ and the bare names are older spellings that OpenBLAS still reads.
    private static readonly string[] Families = ["OPENBLAS", "GOTO_", "BLIS_", "MKL_", "OMP_", "GOMP_", "KMP_",
        "ONEDNN_", "DNNL_"];

    /// <summary>What a worker of any backend gets, from what this process has.</summary>
    /// <remarks>
    /// Settings of BLAS, oneDNN and OpenMP are left out. OpenBLAS is told its processor, since an OpenBLAS older than
    /// the processor takes kernels of 2004 for it. OpenMP's threads, of torchsharp and onednn, sleep soon where they
    /// wait, as in <c>./convnet</c>: later than the gap between two kernels, and so soon that workers which wait for
    /// their turn do not disturb the one that has it. .NET compiles
    /// each method once: its second compilation would run beside the first turns, and what is measured is hardly in
    /// .NET.
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

    /// <summary>Gives what <see cref="From"/> says to all processes that this one starts from now on; its own C
    /// libraries keep what they have.</summary>
    public static void PassOn()
    {
        IReadOnlyDictionary<string, string> inherited = Inherited, clean = From(inherited);
        foreach (string name in inherited.Keys.Union(clean.Keys))
            Environment.SetEnvironmentVariable(name, clean.GetValueOrDefault(name));
    }

    /// <summary>What this process has.</summary>
    internal static IReadOnlyDictionary<string, string> Inherited => Environment.GetEnvironmentVariables()
        .Cast<DictionaryEntry>()
        .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "",
            StringComparer.Ordinal);

    /// <summary>The newest core of OpenBLAS 0.3.21 that this processor can be; null where it is none of x86's with
    /// AVX2.</summary>
    public static string? BestCore => Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported ? "SkylakeX"
        : Avx2.IsSupported && Fma.IsSupported ? "Haswell"
        : null;
}
