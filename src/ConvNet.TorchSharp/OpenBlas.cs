using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>OpenBLAS, where libtorch multiplies its matrices with it: it has threads of its own, which torch's setting does not reach.</summary>
internal sealed unsafe class OpenBlas
{
    private readonly delegate* unmanaged[Cdecl]<int, void> _setThreads;
    private readonly delegate* unmanaged[Cdecl]<int> _getThreads;

    private OpenBlas(nint library)
    {
        _setThreads = (delegate* unmanaged[Cdecl]<int, void>)NativeLibrary.GetExport(library, "openblas_set_num_threads");
        _getThreads = (delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "openblas_get_num_threads");
        var coreName = (delegate* unmanaged[Cdecl]<byte*>)NativeLibrary.GetExport(library, "openblas_get_corename");
        Core = Marshal.PtrToStringUTF8((nint)coreName())!;
    }

    /// <summary>The processor whose kernels it chose. An OpenBLAS older than the processor may choose far too old ones.</summary>
    public string Core { get; }

    /// <summary>The one among the libraries of this process; null where there is none.</summary>
    public static OpenBlas? Find(IEnumerable<string> libraries)
    {
        string? path = libraries.FirstOrDefault(path => Path.GetFileName(path).StartsWith("libopenblas", StringComparison.Ordinal));
        return path is not null && NativeLibrary.TryLoad(path, out nint library) ? new OpenBlas(library) : null;
    }

    /// <summary>The number of threads of the process's matrix products.</summary>
    public int Threads
    {
        get => _getThreads();
        set => _setThreads(value);
    }
}
