using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>A sum in an order that MPI chooses.</summary>
internal sealed class FastSum(Memory<float> values) : MpiOperation
{
    protected override unsafe int Start()
    {
        ConvnetMpi.cn_mpi_sum((float*)Pin<float>(values), values.Length, out int request).ThrowIfFailed();
        return request;
    }
}
