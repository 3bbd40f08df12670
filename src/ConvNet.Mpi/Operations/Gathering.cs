using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>Sends bytes of each rank to all.</summary>
internal sealed class Gathering(ReadOnlyMemory<byte> own, Memory<byte> all) : MpiOperation
{
    protected override unsafe int Start()
    {
        // An empty memory has no address.
        byte nothing = 0;
        void* from = own.IsEmpty ? &nothing : Pin(own), to = all.IsEmpty ? &nothing : Pin<byte>(all);
        ConvnetMpi.cn_mpi_gather(from, own.Length, to, out int request).ThrowIfFailed();
        return request;
    }
}
