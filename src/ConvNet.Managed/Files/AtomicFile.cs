namespace ConvNet.Serialization;

/// <summary>Writes files atomically: a file is either complete or absent.</summary>
/// <remarks>
/// A file is written under a temporary name in its folder, <c>NAME.unfinished-</c> and 32 hexadecimal digits, flushed
/// to disk, and renamed. The writer holds a shared lock on the temporary file. This distinguishes a file that a
/// terminated process left behind from one that another process is writing: the next write or check of the same name
/// removes the temporary files that it can lock exclusively. The folder is flushed to disk as well.
/// </remarks>
internal static class AtomicFile
{
    private const string Mark = ".unfinished-";
    private const int WouldBlock = 11, NoSpace = 28, QuotaExceeded = 122;
    private const int MostAttempts = 100;
    private const FileShare Shared = FileShare.ReadWrite | FileShare.Delete;
    private const UnixFileMode UsualMode = (UnixFileMode)0b110_110_110;

    /// <summary>Writes a file, or leaves everything unchanged. A replaced file keeps its mode.</summary>
    /// <param name="path">The path of the file, or of a link to it.</param>
    /// <param name="what">What is written, for error messages, such as <c>the report</c>.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">The length in bytes; null composes the content in memory first.</param>
    /// <exception cref="IOException">The file cannot be written; an existing file is unchanged.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
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
        FolderSync.Flush(Path.GetDirectoryName(target)!);
    }

    /// <summary>Throws if the file could not be written. Call it before the work whose result is to be saved.</summary>
    /// <param name="path">The path of the file, or of a link to it.</param>
    /// <param name="what">What is to be written, for error messages.</param>
    /// <param name="length">The length in bytes, if known.</param>
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
                $"{path}: there is not enough space for {what}: it needs {length:N0} bytes, but only {free:N0} are "
                + "free. Free some space, or name a file elsewhere.");
    }

    // Returns the target of a link, so that the link itself is kept. Only a writable file is replaced.
    private static string Target(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (FileKind.NotRegular(path) is { } kind)
            throw new IOException($"{path} is {kind}. Name a file in a folder.");
        // A relative path would be resolved against the root.
        string full = Path.GetFullPath(path);
        bool isLink = new FileInfo(full).LinkTarget is not null;
        string target = isLink ? File.ResolveLinkTarget(full, returnFinalTarget: true)!.FullName : full;
        string folder = Path.GetDirectoryName(target) ?? target;
        if (Path.EndsInDirectorySeparator(target))
            throw new IOException($"{path} is a folder. Name a file in a folder.");
        if (!OperatingSystem.IsWindows() && folder == "/dev")
            throw new IOException($"{path} is a device. Name a file in a folder.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{path}: the folder {folder} does not exist. Create it first.");
        if (File.Exists(target) && !IsWritable(target))
            throw new UnauthorizedAccessException(
                $"{path} is read-only, so it is not replaced. Make it writable (chmod u+w), or name another file.");
        return target;
    }

    // Root may write to every file, but a file that is marked read-only is not replaced for root either.
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

    // Between the creation and the locking of the file, another process may take it for a file that was left
    // behind.
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
                // The other process holds the lock and is about to remove the file.
            }
        }
    }

    private static void RemoveStale(string target)
        => RemoveStale(Path.GetDirectoryName(target)!, Path.GetFileName(target).Equals);

    /// <summary>Removes files that terminated writers left behind.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="isTarget">Whether a name is that of a file that was to be written.</param>
    public static void RemoveStale(string folder, Func<string, bool> isTarget)
    {
        try
        {
            foreach (string file in Directory.EnumerateFiles(folder))
            {
                string name = Path.GetFileName(file);
                int mark = name.LastIndexOf(Mark, StringComparison.Ordinal);
                if (mark >= 0 && isTarget(name[..mark]) && Guid.TryParseExact(name[(mark + Mark.Length)..], "N", out _)
                    && FileKind.NotRegular(file, follow: false) is null)
                    RemoveUnheld(file);
            }
        }
        catch (UnauthorizedAccessException)
        {
            // If the folder cannot be listed, nothing is removed.
        }
    }

    private static void RemoveUnheld(string file)
    {
        try
        {
            // No writer can take the lock while the file is removed.
            using var stream =
                new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another process is writing the file or has removed it, or it belongs to another user.
        }
    }

    private static Exception Failed(Exception error, string path, string what, string target, long length)
    {
        string folder = Path.GetDirectoryName(target)!;
        string state = File.Exists(target) ? "The existing file is unchanged." : "No file was created.";
        if (error is UnauthorizedAccessException)
            return new UnauthorizedAccessException(
                $"{path}: {what} cannot be written: there is no permission to write to the folder {folder}. {state} "
                + "Name a file in another folder.", error);
        string reason = error.HResult is NoSpace or QuotaExceeded ? "there is not enough space" : Reason(error, target);
        string room = Room(target) is { } free ? $", but only {free:N0} are free" : "";
        return new IOException(
            $"{path}: {what} cannot be written: {reason}. "
                + $"{(length > 0 ? $"It needs {length:N0} bytes{room}. " : "")}{state}",
            error);
    }

    // The system's error message without the temporary file name.
    private static string Reason(Exception error, string target)
    {
        if (error is PathTooLongException)
            return "the name of the file or of its folder is too long; use a shorter one";
        int end = error.Message.IndexOf(Path.GetFileName(target) + Mark, StringComparison.Ordinal);
        int separator = end < 0 ? -1 : error.Message.LastIndexOf(" :", end, StringComparison.Ordinal);
        string reason = end < 0 ? error.Message
            : separator < 0 ? "the system gives no reason" : error.Message[..separator];
        return reason.TrimEnd('.');
    }

    // The free space; null if the system does not report it.
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
