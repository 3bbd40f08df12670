using System.Buffers;
using System.Runtime.InteropServices;

namespace ConvNet.Native.Interop;

/// <summary>A block of native floats that begins on 64 bytes.</summary>
internal sealed unsafe partial class NativeBlock : SafeHandle
{
    private const int Alignment = 64;
    private const int HugePage = 2 << 20;
    private const int MADV_HUGEPAGE = 14;

    /// <summary>Allocates a block.</summary>
    /// <param name="length">Floats.</param>
    /// <param name="clear">Whether they start as zeros; otherwise they are whatever was there.</param>
    public NativeBlock(long length, bool clear) : base(0, ownsHandle: true)
    {
        Length = length;
        nuint bytes = (nuint)Bytes;
        // Large blocks come from the system as zeros that take no memory until they are touched: clearing would touch
        // them all.
        SetHandle((nint)(clear ? NativeMemory.AllocZeroed(bytes) : NativeMemory.Alloc(bytes)));
        Pointer = (float*)Up((nuint)handle, Alignment);
        // So that the garbage collector looks for executables that nobody disposed.
        GC.AddMemoryPressure(Bytes);
        AskForHugePages((nuint)handle, (nuint)handle + bytes);
    }

    /// <summary>Floats.</summary>
    public long Length { get; }

    /// <summary>The first float. Whoever uses it keeps the block alive.</summary>
    public float* Pointer { get; }

    private long Bytes => checked(Math.Max(Length, 1) * sizeof(float) + Alignment);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Copies the first floats of another block, as many as both have.</summary>
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

    /// <summary>Fewer and larger pages take fewer misses of the translation caches, and are touched for the first time
    /// at once.</summary>
    private static void AskForHugePages(nuint start, nuint end)
    {
        (start, end) = (Up(start, HugePage), end & ~(nuint)(HugePage - 1));
        if (start < end && OperatingSystem.IsLinux())
            // advice: a kernel without huge pages refuses it, and nothing is lost
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
