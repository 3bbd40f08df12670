using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace ConvNet.Mpi.Interop;

/// <summary>The functions of native/mpi/convnet_mpi.h, with the same names and in the same order.</summary>
/// <remarks>No function may be called before <see cref="MpiLibraryFile.Load"/> has checked the version of the
/// library.</remarks>
internal static unsafe partial class ConvnetMpi
{
    public const int CN_MPI_VERSION = 1, CN_MPI_OK = 0, CN_MPI_MOST_NOTICE = 512;

    internal const string Library = "convnet_mpi";

    [LibraryImport(Library)]
    public static partial int cn_mpi_version();

    [LibraryImport(Library)]
    public static partial int cn_mpi_status_text(int status, byte* text, long bytes);

    [LibraryImport(Library)]
    public static partial int cn_mpi_library_text(byte* text, long bytes);

    [LibraryImport(Library)]
    public static partial int cn_mpi_init(out int rank, out int ranks);

    [LibraryImport(Library)]
    public static partial int cn_mpi_finalize();

    [LibraryImport(Library)]
    public static partial int cn_mpi_abort(int code);

    [LibraryImport(Library)]
    public static partial int cn_mpi_sum(float* values, long count, out int request);

    [LibraryImport(Library)]
    public static partial int cn_mpi_gather(void* own, long bytes, void* all, out int request);

    [LibraryImport(Library)]
    public static partial int cn_mpi_exchange(void* sent, long bytes, void* received, out int request);

    [LibraryImport(Library)]
    public static partial int cn_mpi_broadcast(void* values, long bytes, int root, out int request);

    [LibraryImport(Library)]
    public static partial int cn_mpi_test(int request, out int complete);

    [LibraryImport(Library)]
    public static partial int cn_mpi_send_notice(void* notice, long bytes, int rank, out int request);

    [LibraryImport(Library)]
    public static partial int cn_mpi_receive_notice(void* notice, long capacity, out int sender, out long bytes);

    [LibraryImport(Library)]
    public static partial int cn_mpi_pause(long microseconds);

    /// <summary>Throws if a call has failed.</summary>
    /// <exception cref="MpiException">It has; the message is that of MPI.</exception>
    public static void ThrowIfFailed(this int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status == CN_MPI_OK)
            return;
        const int Most = 1024;
        byte* text = stackalloc byte[Most];
        string said = cn_mpi_status_text(status, text, Most) == CN_MPI_OK
            ? Marshal.PtrToStringUTF8((nint)text)! : $"status {status}";
        throw new MpiException($"{call.Split('(')[0]} failed: {said}");
    }
}
