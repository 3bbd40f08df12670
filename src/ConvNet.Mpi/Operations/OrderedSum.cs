using System.Numerics.Tensors;
using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>A sum in the order of the ranks: each rank receives a part of the values of all, adds it up, and sends the
/// sums to all. It moves as many bytes as a ring.</summary>
internal sealed class OrderedSum(Memory<float> values, int ranks) : MpiOperation
{
    private readonly int _part = (values.Length + ranks - 1) / ranks;
    private float[] _sent = [], _received = [];
    private bool _isAdded;

    protected override unsafe int Start()
    {
        (_sent, _received) = (new float[_part * ranks], new float[_part * ranks]);
        values.Span.CopyTo(_sent);
        ConvnetMpi.cn_mpi_exchange(Pin<float>(_sent), (long)_part * sizeof(float), Pin<float>(_received),
            out int request).ThrowIfFailed();
        return request;
    }

    protected override unsafe int? Continue()
    {
        if (_isAdded)
        {
            _sent.AsSpan(0, values.Length).CopyTo(values.Span);
            return null;
        }
        _isAdded = true;
        Span<float> sums = _received.AsSpan(0, _part);
        for (int i = 1; i < ranks; i++)
            TensorPrimitives.Add(sums, _received.AsSpan(i * _part, _part), sums);
        ConvnetMpi.cn_mpi_gather(Pin<float>(_received), (long)_part * sizeof(float), Pin<float>(_sent),
            out int request).ThrowIfFailed();
        return request;
    }
}
