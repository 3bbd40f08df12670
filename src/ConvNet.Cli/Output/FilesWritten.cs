namespace ConvNet.Cli;

/// <summary>Records the files that a command has written, for the message after an interruption.</summary>
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
