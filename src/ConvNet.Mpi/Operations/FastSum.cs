using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>A sum in an order that MPI chooses.</summary>
internal sealed class FastSum(Memory<float> values) : MpiOperation
{
    protected override unsafe int Start()
    {
        // An empty memory has no address.
        float nothing = 0;
        float* sums = values.IsEmpty ? &nothing : (float*)Pin<float>(values);
        ConvnetMpi.cn_mpi_sum(sums, values.Length, out int request).ThrowIfFailed();
        return request;
    }
}
