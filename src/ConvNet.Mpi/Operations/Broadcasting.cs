using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>Sends bytes of one rank to all.</summary>
internal sealed class Broadcasting(Memory<byte> bytes, int root) : MpiOperation
{
    protected override unsafe int Start()
    {
        byte nothing = 0;
        void* values = bytes.IsEmpty ? &nothing : Pin<byte>(bytes);
        ConvnetMpi.cn_mpi_broadcast(values, bytes.Length, root, out int request).ThrowIfFailed();
        return request;
    }
}
