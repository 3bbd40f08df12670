using ConvNet.Mpi.Interop;
using ConvNet.Mpi.Watching;

namespace ConvNet.Tests.Ranks;

/// <summary>A program for one rank, which has notices to a thousand ranks on their way at once: they all go to
/// itself.</summary>
internal static class ManyNotices
{
    public const string Arrive = "all notices have arrived";

    private const int Count = 1000;

    /// <summary>Runs the program.</summary>
    public static unsafe void Run()
    {
        MpiLibraryFile.Load();
        ConvnetMpi.cn_mpi_init(out int rank, out _).ThrowIfFailed();
        byte[] sent = new Notice(NoticeKind.Alive, rank, 0, "").ToBytes(), received = new byte[Notice.MostBytes];
        fixed (byte* from = sent, to = received)
        {
            for (int i = 0; i < Count; i++)
                ConvnetMpi.cn_mpi_send_notice(from, sent.Length, rank, out _).ThrowIfFailed();
            for (int arrived = 0; arrived < Count;)
            {
                ConvnetMpi.cn_mpi_receive_notice(to, received.Length, out int sender, out _).ThrowIfFailed();
                arrived += sender == rank ? 1 : 0;
            }
        }
        Console.WriteLine(Arrive);
    }
}
