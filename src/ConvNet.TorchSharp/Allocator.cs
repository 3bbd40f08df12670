using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>glibc's allocator, which libtorch takes its memory from.</summary>
/// <remarks>
/// By default a large block is mapped and unmapped by itself and the top of the heap is given back, so that a training
/// step, which frees what it allocated, has its memory zeroed and faulted in page by page every time.
/// </remarks>
internal static unsafe class Allocator
{
    // malloc.h
    private const int TrimThreshold = -1;
    private const int MmapMax = -4;

    /// <summary>Keeps freed memory in the process. Does nothing where the C library is not glibc.</summary>
    public static void KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out nint libc))
            return;
        if (!NativeLibrary.TryGetExport(libc, "mallopt", out nint mallopt))
            return;
        var set = (delegate* unmanaged[Cdecl]<int, int, int>)mallopt;
        _ = set(MmapMax, 0);
        _ = set(TrimThreshold, int.MaxValue);
    }
}
