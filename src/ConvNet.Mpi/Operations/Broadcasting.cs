using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>Sends bytes of one rank to all.</summary>
internal sealed class Broadcasting(Memory<byte> bytes, int root) : MpiOperation
{
    protected override unsafe int Start()
    {
        ConvnetMpi.cn_mpi_broadcast(Pin<byte>(bytes), bytes.Length, root, out int request).ThrowIfFailed();
        return request;
    }
}
