using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>libtorch as it was loaded into this process.</summary>
internal sealed class TorchRuntime
{
    private readonly OpenBlas? _blas;

    private TorchRuntime(int threads)
    {
        set_num_threads(threads);
        using var process = Process.GetCurrentProcess();
        string[] libraries = [.. process.Modules.Cast<ProcessModule>().Select(module => module.FileName)];
        _blas = OpenBlas.Find(libraries);
        string version = _blas is null ? __version__ : $"{__version__}, OpenBLAS for {_blas.Core}";
        string? path = libraries.FirstOrDefault(path => Path.GetFileName(path).Contains("torch_cpu", StringComparison.Ordinal));
        Info = new BackendInfo("torchsharp", version, Isa(), threads, path);
    }

    /// <summary>What the backend runs on.</summary>
    public BackendInfo Info { get; }

    /// <summary>Loads libtorch.</summary>
    /// <exception cref="DllNotFoundException">It cannot be loaded.</exception>
    public static TorchRuntime Load(int threads)
    {
        try
        {
            return new TorchRuntime(threads);
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
        if (_blas is not null && _blas.Threads != Info.Threads)
            _blas.Threads = Info.Threads;
    }

    // libtorch chooses its kernels by the same bits of CPUID.
    private static string Isa() => Avx512F.IsSupported ? "avx512" : Avx2.IsSupported ? "avx2" : "baseline";
}
