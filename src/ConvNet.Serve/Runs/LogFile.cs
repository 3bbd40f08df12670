using System.Buffers;
using System.Text;
using ConvNet.Serialization;

namespace ConvNet.Serve.Runs;

/// <summary>Reads the log of a run, which may still be written.</summary>
internal sealed class LogFile
{
    /// <summary>The number of bytes of a record at most.</summary>
    public const int MostBytes = 64 << 20;

    private const int BufferBytes = 1 << 16;

    private readonly string _path;
    private readonly WatchedRun _run;
    private readonly ArrayBufferWriter<byte> _rest = new();
    private DateTime _created;
    private long _position, _lines;
    private bool _failed;

    /// <summary>Opens a log.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="run">Receives the records.</param>
    /// <exception cref="IOException">The folder has no log.</exception>
    public LogFile(string folder, WatchedRun run)
    {
        _run = run;
        _path = Path.Combine(folder, TrainingLog.RecordsName);
        if (!File.Exists(_path))
            throw new IOException(File.Exists(folder)
                ? $"{folder} is a file. Name the folder of a log, as train --log DIR writes it."
                : Directory.Exists(folder)
                    ? $"{folder} contains no {TrainingLog.RecordsName}. Name a folder that train --log DIR has written."
                    : $"There is no folder {folder}. Name a folder that train --log DIR has written.");
        InputFile.CheckKind(_path);
    }

    /// <summary>Reads the records that were written since the last call. The end of a line that is still written, or
    /// that a program was killed in, is left for later.</summary>
    /// <returns>Whether there were any.</returns>
    /// <exception cref="InvalidDataException">A line is no record. The lines after it are not read.</exception>
    /// <exception cref="IOException">The log cannot be read.</exception>
    public bool Read()
    {
        if (_failed)
            return false;
        using var file = new FileStream(_path, FileMode.Open, FileAccess.Read,
            FileShare.ReadWrite | FileShare.Delete, BufferBytes);
        DateTime created = File.GetCreationTimeUtc(_path);
        // A training that is resumed writes its log anew, up to where it resumes.
        bool isNew = _position > 0 && (file.Length < _position || created != _created);
        if (isNew)
        {
            _run.Restart();
            (_position, _lines) = (0, 0);
            _rest.Clear();
        }
        _created = created;
        file.Position = _position;
        long before = _lines;
        var buffer = new byte[BufferBytes];
        while (file.Read(buffer) is > 0 and int count)
        {
            _position += count;
            AddLines(buffer.AsSpan(0, count));
        }
        return _lines > before || isNew;
    }

    private void AddLines(ReadOnlySpan<byte> bytes)
    {
        while (bytes.IndexOf((byte)'\n') is >= 0 and int end)
        {
            _rest.Write(bytes[..end]);
            bytes = bytes[(end + 1)..];
            string line = Encoding.UTF8.GetString(_rest.WrittenSpan);
            _rest.Clear();
            Add(line);
        }
        _rest.Write(bytes);
        if (_rest.WrittenCount > MostBytes)
            throw Wrong(_lines + 1, $"it is longer than {MostBytes:N0} bytes");
    }

    private void Add(string line)
    {
        _lines++;
        if (line.Length == 0)
            return;
        try
        {
            _run.Add(line);
        }
        catch (InvalidDataException error)
        {
            throw Wrong(_lines, error.Message, error);
        }
    }

    private InvalidDataException Wrong(long line, string why, Exception? error = null)
    {
        _failed = true;
        return new InvalidDataException($"{_path}, line {line:N0} is damaged: {why}. Remove the line to see the rest.",
            error);
    }
}
