using System.Runtime.InteropServices;

namespace ConvNet.Serialization;

/// <summary>Distinguishes regular files, which can be read and replaced, from everything else.</summary>
internal static unsafe partial class FileKind
{
    private const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, STATX_TYPE = 1;
    private const int S_IFMT = 0xF000, S_IFIFO = 0x1000, S_IFCHR = 0x2000, S_IFDIR = 0x4000, S_IFBLK = 0x6000,
        S_IFREG = 0x8000, S_IFSOCK = 0xC000;

    /// <summary>
    /// Describes what a path refers to if it is not a regular file, for example <c>a pipe (FIFO)</c>; null for a
    /// regular file or if nothing exists.
    /// </summary>
    /// <remarks>
    /// Nothing is opened: opening a pipe blocks until its other end is opened, and opening a device may have side
    /// effects.
    /// </remarks>
    /// <param name="path">The path.</param>
    /// <param name="follow">Whether links are followed. If false, a link is not a regular file.</param>
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

    // On other systems the attributes give less information: a pipe looks like a file.
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

    // struct statx of the kernel interface, the same on every architecture. Only the mode is read.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatX
    {
        [FieldOffset(28)]
        public ushort Mode;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, StatX* result);
}
