using System.Runtime.InteropServices;

namespace ConvNet.Serialization;

/// <summary>What stands under a name: a regular file, which can be read and replaced, or anything else.</summary>
internal static unsafe partial class FileKind
{
    private const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, STATX_TYPE = 1;
    private const int S_IFMT = 0xF000, S_IFIFO = 0x1000, S_IFCHR = 0x2000, S_IFDIR = 0x4000, S_IFBLK = 0x6000,
        S_IFREG = 0x8000, S_IFSOCK = 0xC000;

    /// <summary>
    /// What stands under the name where it is no regular file, as <c>a pipe (FIFO)</c>; null for a regular file, or
    /// where nothing is.
    /// </summary>
    /// <remarks>
    /// Nothing is opened: to open a pipe waits for its other end, and to open a device may start something.
    /// </remarks>
    /// <param name="path">The name.</param>
    /// <param name="follow">Whether a link stands for what it leads to; otherwise it is no regular file.</param>
    public static string? NotRegular(string path, bool follow = true)
    {
        if (!OperatingSystem.IsLinux())
            return Portable(path, follow);
        StatX result;
        if (statx(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, STATX_TYPE, &result) != 0)
            return null;
        return (result.Mode & S_IFMT) switch
        {
            S_IFREG => null,
            S_IFDIR => "a folder",
            S_IFIFO => "a pipe (FIFO)",
            S_IFSOCK => "a socket",
            S_IFCHR or S_IFBLK => "a device",
            _ => "a link",
        };
    }

    // Elsewhere the attributes tell less: a pipe looks like a file.
    private static string? Portable(string path, bool follow)
    {
        if (Directory.Exists(path))
            return "a folder";
        if (!File.Exists(path))
            return null;
        FileAttributes attributes = File.GetAttributes(path);
        return attributes.HasFlag(FileAttributes.Device) ? "a device"
            : !follow && attributes.HasFlag(FileAttributes.ReparsePoint) ? "a link"
            : null;
    }

    // struct statx of the kernel's interface, the same on every architecture; only the mode is read.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatX
    {
        [FieldOffset(28)]
        public ushort Mode;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, StatX* result);
}
