namespace ConvNet.Serialization;

/// <summary>Files that are either whole or not there.</summary>
internal static class AtomicFile
{
    /// <summary>Writes a file under a temporary name in its own folder, brings it to the disk, and renames it.</summary>
    /// <exception cref="IOException">The file cannot be written; nothing has changed.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string target = Target(path), temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Throws when the file could not be written, before the work whose result it is to hold.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void Probe(string path)
    {
        string temporary = $"{Target(path)}.{Guid.NewGuid():N}.tmp";
        new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
    }

    // The file behind a link, so that the link stays; a folder or a device is no file to replace.
    private static string Target(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        bool isLink = new FileInfo(path).LinkTarget is not null;
        string target = Path.GetFullPath(isLink ? File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName : path);
        string folder = Path.GetDirectoryName(target) ?? target;
        if (Directory.Exists(target) || Path.EndsInDirectorySeparator(target))
            throw new IOException($"{path} is a folder; name a file in it.");
        if (!OperatingSystem.IsWindows() && folder == "/dev")
            throw new IOException($"{path} is a device; name a file in a folder.");
        return Directory.Exists(folder)
            ? target
            : throw new DirectoryNotFoundException($"{path}: there is no folder {folder}; create it first.");
    }
}
