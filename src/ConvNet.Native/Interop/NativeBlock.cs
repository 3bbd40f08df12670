using System.Buffers;
using System.Runtime.InteropServices;

namespace ConvNet.Native.Interop;

/// <summary>A block of native floats, aligned to 64 bytes.</summary>
internal sealed unsafe partial class NativeBlock : SafeHandle
{
    private const int Alignment = 64;
    private const int HugePage = 2 << 20;
    private const int MADV_HUGEPAGE = 14;

    /// <summary>Allocates a block.</summary>
    /// <param name="length">The number of floats.</param>
    /// <param name="clear">Whether the floats are set to zero. Otherwise they are uninitialised.</param>
    public NativeBlock(long length, bool clear) : base(0, ownsHandle: true)
    {
        Length = length;
        nuint bytes = (nuint)Bytes;
        // The system provides large blocks as zero pages that take no memory until first accessed. Clearing would
        // access them all.
        SetHandle((nint)(clear ? NativeMemory.AllocZeroed(bytes) : NativeMemory.Alloc(bytes)));
        Pointer = (float*)Up((nuint)handle, Alignment);
        // Makes the garbage collector finalize executables that were not disposed.
        GC.AddMemoryPressure(Bytes);
        AskForHugePages((nuint)handle, (nuint)handle + bytes);
    }

    /// <summary>The number of floats.</summary>
    public long Length { get; }

    /// <summary>The address of the first float. The user of the pointer must keep the block alive.</summary>
    public float* Pointer { get; }

    private long Bytes => checked(Math.Max(Length, 1) * sizeof(float) + Alignment);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Copies as many floats from another block as both blocks have.</summary>
    public void CopyFrom(NativeBlock other)
    {
        long bytes = Math.Min(Length, other.Length) * sizeof(float);
        Buffer.MemoryCopy(other.Pointer, Pointer, bytes, bytes);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        GC.RemoveMemoryPressure(Bytes);
        return true;
    }

    private static nuint Up(nuint address, nuint alignment) => (address + alignment - 1) & ~(alignment - 1);

    /// <summary>Requests huge pages, which cause fewer TLB misses and fewer page faults on first access.</summary>
    private static void AskForHugePages(nuint start, nuint end)
    {
        (start, end) = (Up(start, HugePage), end & ~(nuint)(HugePage - 1));
        if (start < end && OperatingSystem.IsLinux())
            // Only advice: a kernel without huge pages rejects it, without consequences.
            _ = madvise((void*)start, end - start, MADV_HUGEPAGE);
    }

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}

/// <summary>Native floats as <see cref="Memory{T}"/>, for layers that run in C#.</summary>
internal sealed unsafe class NativeFloats(float* pointer, int length) : MemoryManager<float>
{
    /// <inheritdoc/>
    public override Span<float> GetSpan() => new(pointer, length);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(pointer + elementIndex);

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
