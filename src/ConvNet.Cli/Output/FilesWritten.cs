namespace ConvNet.Cli;

/// <summary>Records what a command has saved, for the message after an interruption.</summary>
internal sealed class FilesWritten
{
    private readonly Lock _lock = new();
    private readonly List<string> _files = [];

    /// <summary>Adds a completely written file.</summary>
    public void Add(string file)
    {
        lock (_lock)
        {
            if (!_files.Contains(file))
                _files.Add(file);
        }
    }

    /// <summary>The command line that resumes what was interrupted; null if there is nothing to resume.</summary>
    public string? Resume { get; set; }

    /// <summary>Whether the command ends by itself after an interruption, once it has saved its work, however long that
    /// takes.</summary>
    public bool SavesAtInterruption { get; set; }

    /// <summary>Describes the files for that message.</summary>
    public string Words
    {
        get
        {
            lock (_lock)
                return _files.Count == 0 ? "nothing was saved" : $"saved before: {string.Join(", ", _files)}";
        }
    }
}
