using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>Sends bytes of each rank to all.</summary>
internal sealed class Gathering(ReadOnlyMemory<byte> own, Memory<byte> all) : MpiOperation
{
    protected override unsafe int Start()
    {
        ConvnetMpi.cn_mpi_gather(Pin(own), own.Length, Pin<byte>(all), out int request).ThrowIfFailed();
        return request;
    }
}
