using System.Runtime.InteropServices;

namespace ConvNet.Mpi;

/// <summary>A sum of a few numbers over all ranks, added in the order of the ranks, that is in progress.</summary>
internal sealed class PendingSum
{
    private readonly int _count;
    private readonly byte[] _all;
    private readonly ICollective _gather;

    /// <summary>Starts the sum.</summary>
    public PendingSum(ICommunicator communicator, ReadOnlySpan<double> values)
    {
        byte[] own = MemoryMarshal.AsBytes(values).ToArray();
        (_count, _all) = (values.Length, new byte[own.Length * communicator.Ranks]);
        _gather = communicator.StartGather(own, _all);
    }

    /// <summary>Waits for the sum.</summary>
    /// <param name="sums">Receives the sums.</param>
    public void Finish(Span<double> sums)
    {
        _gather.Wait();
        ReadOnlySpan<double> all = MemoryMarshal.Cast<byte, double>(_all);
        all[.._count].CopyTo(sums);
        for (int i = _count; i < all.Length; i++)
            sums[i % _count] += all[i];
    }
}
