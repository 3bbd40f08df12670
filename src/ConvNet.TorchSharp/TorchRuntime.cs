using System.Diagnostics;
using System.Reflection;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>libtorch as it was loaded into this process.</summary>
internal sealed class TorchRuntime
{
    private TorchRuntime(int threads, ChannelPadding padding)
    {
        PadsChannels = padding == ChannelPadding.Always || (padding == ChannelPadding.WhereNeeded && PaddedChannels.AreNeededHere);
        set_num_threads(threads);
        using var process = Process.GetCurrentProcess();
        string? path = process.Modules.Cast<ProcessModule>().Select(module => module.FileName)
            .FirstOrDefault(path => Path.GetFileName(path).Contains("torch_cpu", StringComparison.Ordinal));
        Info = new BackendInfo("torchsharp", Version(), Isa(), threads, path) { Note = string.Join(' ', Notes(path)) is { Length: > 0 } notes ? notes : null };
    }

    /// <summary>What the backend runs on.</summary>
    public BackendInfo Info { get; }

    /// <summary>Whether convolutions that oneDNN computes wrong where caches are hidden get channels of zeros.</summary>
    public bool PadsChannels { get; }

    /// <summary>Loads libtorch.</summary>
    /// <exception cref="DllNotFoundException">It cannot be loaded.</exception>
    public static TorchRuntime Load(int threads, ChannelPadding padding)
    {
        try
        {
            return new TorchRuntime(threads, padding);
        }
        catch (Exception e) when (e is BadImageFormatException or TypeInitializationException or EntryPointNotFoundException or NotSupportedException)
        {
            // The package wraps the loader's reason in up to two exceptions of other types.
            throw new DllNotFoundException(e.GetBaseException().Message, e);
        }
    }

    /// <summary>Compiles a graph.</summary>
    public IExecutable Compile(Graph graph, int batchSize, TrainingSpec? spec, Func<bool> backendDisposed) =>
        new TorchSharpPlan(graph, batchSize, spec, this, backendDisposed);

    /// <summary>Makes this number of threads the one that the calling thread's next calls use.</summary>
    public void ClaimThreads()
    {
        if (get_num_threads() != Info.Threads)
            set_num_threads(Info.Threads);
    }

    private IEnumerable<string> Notes(string? library)
    {
        const string Cause = "This processor hides the size of its caches, with which the oneDNN 3.7.1 of libtorch 2.10 computes wrong sums";
        if (PaddedChannels.AreNeededHere && PadsChannels)
            yield return $"{Cause}: convolutions that it would get wrong have channels of zeros added.";
        else if (PaddedChannels.AreNeededHere)
            yield return $"{Cause}, and {nameof(ChannelPadding)}.{nameof(ChannelPadding.Never)} leaves them wrong.";
        else if (PadsChannels)
            yield return "Convolutions have channels of zeros added as on a processor that hides the size of its caches.";
        if (library is not null && IsRelaxed(Path.Combine(Path.GetDirectoryName(library)!, "libLibTorchSharp.so")))
            yield return "TorchSharp's own library was relaxed for a C++ runtime older than that of g++ 13.";
    }

    // The version need GLIBCXX_3.4.32 with the flag VER_FLG_WEAK, as buildTransitive/ConvNet.TorchSharp.targets sets it.
    private static bool IsRelaxed(string library)
        => File.Exists(library) && File.ReadAllBytes(library).AsSpan().IndexOf<byte>([0x42, 0xf8, 0x97, 0x02, 0x02, 0x00]) >= 0;
    /// <summary>Says what <see cref="Compile"/> would make of a graph.</summary>
    public PlanDescription Explain(Graph graph, int batchSize, TrainingSpec? spec)
        => Explanation.Of(graph, batchSize, spec, this);


    // Of the assembly: its informational version, less the commit behind a "+".
    private static string Version()
    {
        string torchSharp = typeof(Tensor).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        return $"{torchSharp.Split('+')[0]}, libtorch {new Version(__version__).ToString(3)}";
    }

    // libtorch chooses its kernels by the same bits of CPUID.
    private static string Isa() => Avx512F.IsSupported ? "avx512" : Avx2.IsSupported ? "avx2" : "baseline";
}
