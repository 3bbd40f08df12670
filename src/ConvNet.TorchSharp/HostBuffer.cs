using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>An array with a tensor over its memory, through which values are passed to libtorch.</summary>
/// <remarks>The values are aligned to a cache line. libtorch kernels sum in another order if values are not aligned to
/// a whole vector, and a .NET array has no such alignment.</remarks>
/// <typeparam name="T">The element type: float or long.</typeparam>
internal sealed class HostBuffer<T> : IDisposable
    where T : unmanaged
{
    private const int CacheLine = 64;

    private readonly T[] _memory;
    private readonly int _first, _length;
    private readonly ScalarType _dtype;
    private readonly bool _requiresGrad;
    private Tensor? _tensor;
    private int _count;

    public HostBuffer(int length, ScalarType dtype, bool requiresGrad = false)
    {
        (_length, _dtype, _requiresGrad) = (length, dtype, requiresGrad);
        long room = (long)length + CacheLine / Unsafe.SizeOf<T>();
        _memory = GC.AllocateArray<T>((int)Math.Min(room, int.MaxValue), pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        _first = (int)(-address & (CacheLine - 1)) / Unsafe.SizeOf<T>();
    }

    /// <summary>The values. Write them only while no pass that reads the tensor is running.</summary>
    public Span<T> Values => _memory.AsSpan(_first, _length);

    /// <summary>Returns the tensor of rank 1 over the first <paramref name="count"/> values. Calls with the same count
    /// return the same tensor.</summary>
    public Tensor First(int count)
    {
        if (_tensor is null || count != _count)
        {
            _tensor?.Dispose();
            _tensor = frombuffer(_memory, _dtype, count, _first, _requiresGrad).DetachFromDisposeScope();
            _count = count;
        }
        return _tensor;
    }

    public void Dispose() => _tensor?.Dispose();
}
