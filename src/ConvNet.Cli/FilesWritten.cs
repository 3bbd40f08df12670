namespace ConvNet.Cli;

/// <summary>The files that a call has written so far, for what is said when it is interrupted.</summary>
internal sealed class FilesWritten
{
    private readonly Lock _lock = new();
    private readonly List<string> _files = [];

    /// <summary>Adds a file that is whole on the disk.</summary>
    public void Add(string file)
    {
        lock (_lock)
        {
            if (!_files.Contains(file))
                _files.Add(file);
        }
    }

    /// <summary>What an interruption leaves.</summary>
    public string Words
    {
        get
        {
            lock (_lock)
                return _files.Count == 0 ? "nothing was saved" : $"saved before: {string.Join(", ", _files)}";
        }
    }
}
