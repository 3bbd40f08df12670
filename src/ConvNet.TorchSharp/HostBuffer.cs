using static TorchSharp.torch;

namespace ConvNet;

/// <summary>An array with a tensor over its memory: values reach libtorch by being written here.</summary>
/// <typeparam name="T">float or long.</typeparam>
internal sealed class HostBuffer<T>(int length, ScalarType dtype, bool requiresGrad = false) : IDisposable
    where T : unmanaged
{
    private readonly T[] _values = new T[length];
    private Tensor? _tensor;
    private int _count;

    /// <summary>The values, to be written while no pass is under way that read the tensor.</summary>
    public Span<T> Values => _values;

    /// <summary>The tensor of rank 1 over the first <paramref name="count"/> values; the same one as long as the count
    /// stays.</summary>
    public Tensor First(int count)
    {
        if (_tensor is null || count != _count)
        {
            _tensor?.Dispose();
            _tensor = frombuffer(_values, dtype, count, 0, requiresGrad).DetachFromDisposeScope();
            _count = count;
        }
        return _tensor;
    }

    public void Dispose() => _tensor?.Dispose();
}
