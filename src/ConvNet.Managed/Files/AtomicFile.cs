namespace ConvNet.Serialization;

/// <summary>Files that are either whole or not there.</summary>
/// <remarks>
/// A file is written under a name of its own in its folder, <c>NAME.unfinished-</c> and 32 hexadecimal digits, brought
/// to the disk, and renamed.
/// The writer holds a shared lock on it for as long as it has that name, so that what a process left behind when it was
/// ended can be told from what another one is just writing: the next to write or to check the same name removes what it
/// can lock for itself.
/// </remarks>
public static class AtomicFile
{
    private const string Mark = ".unfinished-";
    private const int WouldBlock = 11, NoSpace = 28, QuotaExceeded = 122;
    private const int MostAttempts = 100;
    private const FileShare Shared = FileShare.ReadWrite | FileShare.Delete;
    private const UnixFileMode UsualMode = (UnixFileMode)0b110_110_110;

    /// <summary>Writes a file, or leaves all as it was. The mode of a file that is replaced is kept.</summary>
    /// <param name="path">The file, or a link to it.</param>
    /// <param name="what">What is written, for errors, as <c>the report</c>.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">The bytes that it takes; null to compose it in memory first.</param>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the file may not be written to.</exception>
    public static void Write(string path, string what, Action<Stream> write, long? length = null)
    {
        if (length is null)
        {
            using var composed = new MemoryStream();
            write(composed);
            Write(path, what, stream => composed.WriteTo(stream), composed.Length);
            return;
        }
        string target = Target(path);
        RemoveStale(target);
        string? temporary = null;
        try
        {
            using FileStream stream = Create(target);
            temporary = stream.Name;
            write(stream);
            stream.Flush(flushToDisk: true);
            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception error)
        {
            if (temporary is not null)
                File.Delete(temporary);
            if (error is IOException or UnauthorizedAccessException)
                throw Failed(error, path, what, target, length.Value);
            throw;
        }
    }

    /// <summary>Throws when the file could not be written, before the work whose result it is to hold.</summary>
    /// <param name="path">The file, or a link to it.</param>
    /// <param name="what">What is to be written, for errors.</param>
    /// <param name="length">The bytes that it will take, where they are known.</param>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void Probe(string path, string what, long length = 0)
    {
        string target = Target(path);
        RemoveStale(target);
        try
        {
            using FileStream stream = Create(target);
            File.Delete(stream.Name);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Failed(error, path, what, target, length);
        }
        if (Room(target) is { } free && free < length)
            throw new IOException(
                $"{path} has no room for {what}: it takes {length:N0} bytes, and {free:N0} are free there. Make room, "
                + "or name a file elsewhere.");
    }

    // The file behind a link, so that the link stays; only a file that may be written to is replaced.
    private static string Target(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (FileKind.NotRegular(path) is { } kind)
            throw new IOException($"{path} is {kind}; name a file in a folder.");
        bool isLink = new FileInfo(path).LinkTarget is not null;
        string target = Path.GetFullPath(isLink ? File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName
            : path);
        string folder = Path.GetDirectoryName(target) ?? target;
        if (Path.EndsInDirectorySeparator(target))
            throw new IOException($"{path} is a folder; name a file in a folder.");
        if (!OperatingSystem.IsWindows() && folder == "/dev")
            throw new IOException($"{path} is a device; name a file in a folder.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{path}: there is no folder {folder}; create it first.");
        if (File.Exists(target) && !IsWritable(target))
            throw new UnauthorizedAccessException(
                $"{path} is read-only and is not replaced. Make it writable (chmod u+w), or name another file.");
        return target;
    }

    // Root may write to every file; one that is marked read-only is so for root as well.
    private static bool IsWritable(string file)
    {
        if (!OperatingSystem.IsWindows() && !File.GetUnixFileMode(file).HasFlag(UnixFileMode.UserWrite))
            return false;
        try
        {
            File.OpenHandle(file, FileMode.Open, FileAccess.Write, Shared).Dispose();
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException error) when (error.HResult == WouldBlock)
        {
            return true;
        }
    }

    // Between the moment the file is made and the moment it is locked, another process may take it for one that was
    // left behind.
    private static FileStream Create(string target)
    {
        UnixFileMode? mode = !OperatingSystem.IsWindows() && File.Exists(target) ? File.GetUnixFileMode(target) : null;
        var options =
            new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = Shared };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode ?? UsualMode;
        for (int attempt = 1; ; attempt++)
        {
            string temporary = $"{target}{Mark}{Guid.NewGuid():N}";
            try
            {
                var stream = new FileStream(temporary, options);
                if (!OperatingSystem.IsWindows() && mode is { } kept)
                    File.SetUnixFileMode(stream.SafeFileHandle, kept);
                if (File.Exists(temporary))
                    return stream;
                stream.Dispose();
            }
            catch (IOException error) when (error.HResult == WouldBlock && attempt < MostAttempts)
            {
                // It holds the lock and is about to remove the file.
            }
        }
    }

    // Removes what earlier writers of the file left when they were ended.
    private static void RemoveStale(string target)
    {
        string folder = Path.GetDirectoryName(target)!, beginning = Path.GetFileName(target) + Mark;
        try
        {
            foreach (string file in Directory.EnumerateFiles(folder))
            {
                string name = Path.GetFileName(file);
                if (name.StartsWith(beginning, StringComparison.Ordinal)
                    && Guid.TryParseExact(name[beginning.Length..], "N", out _)
                    && FileKind.NotRegular(file, follow: false) is null)
                    RemoveUnheld(file);
            }
        }
        catch (UnauthorizedAccessException)
        {
            // A folder that may not be listed keeps what is in it.
        }
    }

    private static void RemoveUnheld(string file)
    {
        try
        {
            // No writer can take the lock while the name goes away.
            using var stream =
                new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another process writes it at this moment or has removed it, or it is another user's.
        }
    }

    private static Exception Failed(Exception error, string path, string what, string target, long length)
    {
        string folder = Path.GetDirectoryName(target)!;
        string state = File.Exists(target) ? "The file that was there is untouched." : "No file was left there.";
        if (error is UnauthorizedAccessException)
            return new UnauthorizedAccessException(
                $"{path} cannot take {what}: the folder {folder} may not be written to. {state} Name a file in "
                + "another folder.", error);
        string reason = error.HResult is NoSpace or QuotaExceeded ? "there is not enough room" : Reason(error, target);
        string room = Room(target) is { } free ? $", and {free:N0} are free there" : "";
        return new IOException(
            $"{path} cannot take {what}: {reason}. {(length > 0 ? $"It takes {length:N0} bytes{room}. " : "")}{state}",
            error);
    }

    // What the system says, without the name that the file has while it is written.
    private static string Reason(Exception error, string target)
    {
        int end = error.Message.IndexOf(Path.GetFileName(target) + Mark, StringComparison.Ordinal);
        int cut = end < 0 ? -1 : error.Message.LastIndexOf(" :", end, StringComparison.Ordinal);
        return (end < 0 ? error.Message : cut < 0 ? "the system refuses it" : error.Message[..cut]).TrimEnd('.');
    }

    // Null where the system does not say.
    private static long? Room(string target)
    {
        try
        {
            var drive = new DriveInfo(Path.GetDirectoryName(target)!);
            return drive.TotalSize > 0 ? drive.AvailableFreeSpace : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
