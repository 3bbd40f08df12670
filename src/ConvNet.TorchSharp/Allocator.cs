using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>The glibc allocator, from which libtorch allocates its memory.</summary>
/// <remarks>
/// By default, glibc maps and unmaps every large block separately and returns the top of the heap to the system. A
/// training step frees what it allocated, so its memory would be zeroed and faulted in page by page at every step.
/// </remarks>
internal static unsafe class Allocator
{
    // From malloc.h.
    private const int TrimThreshold = -1;
    private const int MmapMax = -4;

    /// <summary>Keeps freed memory in the process. Has no effect if the C library is not glibc.</summary>
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
