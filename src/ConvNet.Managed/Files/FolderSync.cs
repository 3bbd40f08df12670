using System.Runtime.InteropServices;

namespace ConvNet.Serialization;

/// <summary>Flushes the entries of a folder to disk, so that a renamed file survives a loss of power.</summary>
internal static partial class FolderSync
{
    private const int O_RDONLY = 0, EIO = 5;

    /// <summary>Flushes a folder. Systems and file systems that cannot flush a folder are left alone.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">The disk has failed.</exception>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        int descriptor = open(folder, O_RDONLY);
        // A folder that may be written but not read cannot be opened.
        if (descriptor < 0)
            return;
        bool failed = fsync(descriptor) != 0 && Marshal.GetLastPInvokeError() == EIO;
        _ = close(descriptor);
        if (failed)
            throw new IOException($"{folder}: the disk reports an error, so that the files of this folder may not "
                + "survive a loss of power. Check the disk.");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
