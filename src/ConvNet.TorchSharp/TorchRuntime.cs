using System.Diagnostics;
using System.Reflection;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>The libtorch library loaded into this process.</summary>
internal sealed class TorchRuntime
{
    private TorchRuntime(int threads, ChannelPadding padding)
    {
        PadsChannels = padding == ChannelPadding.Always
            || (padding == ChannelPadding.WhereNeeded && PaddedChannels.AreNeededHere);
        AllowsChannelsLast = padding == ChannelPadding.WhereNeeded && !PaddedChannels.AreNeededHere;
        _ = get_num_threads();      // the first torch call loads libtorch
        using var process = Process.GetCurrentProcess();
        string[] modules = [.. process.Modules.Cast<ProcessModule>().Select(module => module.FileName)];
        string? library = Array.Find(modules, path => Path.GetFileName(path)
            .Contains("torch_cpu", StringComparison.Ordinal));
        string? openMP = Array.Find(modules, path => Path.GetFileName(path) is var name
            && (name.StartsWith("libgomp", StringComparison.Ordinal)
                || name.StartsWith("libomp", StringComparison.Ordinal)
                || name.StartsWith("libiomp", StringComparison.Ordinal)));
        Info = new BackendInfo("torchsharp", Version(), Isa(), threads, library)
        {
            Option = padding switch
            {
                ChannelPadding.Always => "torchsharp:padded",
                ChannelPadding.Never => "torchsharp:unpadded",
                _ => "torchsharp",
            },
            Limits = [.. LimitsOf(padding, library), .. BackendLimits.OfThreads(threads),
                .. TorchEnvironment.LimitsOf(threads, openMP)],
        };
    }

    /// <summary>The description of the backend.</summary>
    public BackendInfo Info { get; }

    /// <summary>Whether to pad convolutions that oneDNN computes incorrectly if caches are hidden with channels of
    /// zeros.</summary>
    public bool PadsChannels { get; }

    /// <summary>Whether maps may be stored in channels-last layout. False if channel padding is needed, always applied
    /// or disabled, because these options are defined for channels-first maps.</summary>
    public bool AllowsChannelsLast { get; }

    /// <summary>Loads libtorch.</summary>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded.</exception>
    public static TorchRuntime Load(int threads, ChannelPadding padding)
    {
        try
        {
            return new TorchRuntime(threads, padding);
        }
        catch (Exception e) when (e is BadImageFormatException or TypeInitializationException
            or EntryPointNotFoundException or NotSupportedException)
        {
            // The package wraps the loader's message in up to two exceptions of other types.
            throw new DllNotFoundException(Reason(e.GetBaseException().Message), e);
        }
    }

    /// <summary>Returns why libtorch cannot be loaded, and the remedy.</summary>
    /// <param name="said">The error message of the loader or of TorchSharp.</param>
    internal static string Reason(string said)
    {
        const string Needed = "GLIBCXX_3.4.32";
        string remedy = said.Contains(Needed, StringComparison.Ordinal)
            ? "The libstdc++ of this system is older than that of g++ 13, which TorchSharp's own library requires. "
                + "Build again on this system, or with -p:RelaxTorchSharp=true, which makes a copy of that library "
                + $"that does not require {Needed}."
                : "Reference the package TorchSharp-cpu, which contains libtorch and its binding for this platform. "
                + "In this repository, run eng/setup torch, then build again.";
        // TorchSharp adds a trace of dozens of lines.
        string cause = said.Trim().Split('\n')[0].Trim().TrimEnd('.');
        return $"libtorch cannot be loaded: {cause}. {remedy}";
    }

    /// <summary>Compiles a graph.</summary>
    public IExecutable Compile(Graph graph, int batchSize, TrainingSpec? spec, Func<bool> backendDisposed) =>
        new TorchSharpPlan(graph, batchSize, spec, this, backendDisposed);

    /// <summary>Describes the plan that <see cref="Compile"/> would create for a graph.</summary>
    public PlanDescription Explain(Graph graph, int batchSize, TrainingSpec? spec)
        => Explanation.Of(graph, batchSize, spec, this);

    private static IEnumerable<BackendLimit> LimitsOf(ChannelPadding padding, string? library)
    {
        const string Cause = "The oneDNN 3.7.1 of libtorch 2.10 assumes a size of one byte for a hidden first-level "
            + "cache and overwrites weights whose channels or filters do not fill their blocks; see "
            + "docs/found-by-gradcheck.md.";
        if (PaddedChannels.AreNeededHere && padding == ChannelPadding.Never)
        {
            yield return new BackendLimit("This processor hides the size of its caches, so libtorch computes wrong "
                + "sums, which ChannelPadding.Never does not prevent.",
                Cause, "Use ChannelPadding.WhereNeeded, as new TorchSharpBackend() and --backend torchsharp do.");
        }
        else if (PaddedChannels.AreNeededHere)
        {
            yield return new BackendLimit("This processor hides the size of its caches, with which libtorch computes "
                + "wrong sums. The affected convolutions are padded with channels and filters of zeros.", Cause,
                "No action is needed: the results are correct. convnet summary --plan --backend torchsharp shows the "
                + "layers. A virtual machine whose processor has the feature TOPOEXT needs no padding.");
        }
        else if (padding == ChannelPadding.Always)
        {
            yield return new BackendLimit("Convolutions are padded with channels and filters of zeros, as on a "
                + "processor that hides the size of its caches.",
                "ChannelPadding.Always requests it. This processor does not need it, and it takes time.",
                "Use ChannelPadding.WhereNeeded, as new TorchSharpBackend() and --backend torchsharp do.");
        }
        if (library is not null && IsRelaxed(Path.Combine(Path.GetDirectoryName(library)!, "libLibTorchSharp.so")))
        {
            yield return new BackendLimit("TorchSharp's libLibTorchSharp.so is a copy that does not require the C++ "
                + "runtime of g++ 13.",
                "The libstdc++ of the build system is older. Its loader would reject the original library, although "
                + "the library uses none of what is missing.",
                "No action is needed. On Debian 13, Ubuntu 24.04 and newer systems, the build uses the original "
                    + "library.");
        }
        if (X86Base.IsSupported && Isa() is var isa and not "avx512")
        {
            yield return new BackendLimit($"libtorch uses kernels for {isa}: the processor, or the part of it that "
                + "the system exposes, does not support AVX-512.",
                "Kernels for AVX-512 compute 16 values at a time, those for AVX2 8.",
                "No action is needed: the results are correct. A virtual machine gets the instruction sets of the "
                    + "processor if its CPU type is \"host\".");
        }
    }

    // Searches for the version requirement GLIBCXX_3.4.32 with the flag VER_FLG_WEAK, which
    // buildTransitive/ConvNet.TorchSharp.targets sets.
    private static bool IsRelaxed(string library)
        => File.Exists(library) && File.ReadAllBytes(library).AsSpan()
            .IndexOf<byte>([0x42, 0xf8, 0x97, 0x02, 0x02, 0x00]) >= 0;

    // The informational version of the assembly, without the commit after the "+".
    private static string Version()
    {
        string torchSharp = typeof(Tensor)
            .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        return $"{torchSharp.Split('+')[0]}, libtorch {new Version(__version__).ToString(3)}";
    }

    // libtorch selects its kernels by the same CPUID bits.
    private static string Isa() => Avx512F.IsSupported ? "avx512" : Avx2.IsSupported ? "avx2" : "baseline";
}
