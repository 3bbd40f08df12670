using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.Diagnostics;

namespace ConvNet.Cli.Gradcheck;

/// <summary>What a sweep found, a line of JSON for every case, so that one that was interrupted goes on where it was.</summary>
internal sealed class SweepLog : IDisposable
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    private readonly FileStream _stream;
    private readonly Dictionary<ulong, SweepCase> _cases = [];

    private sealed record Head(string[] Backends);

    private SweepLog(FileStream stream) => _stream = stream;

    /// <summary>Opens a log, or begins one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="backends">The backends of the sweep.</param>
    /// <exception cref="ArgumentException">It is of other backends, or no log.</exception>
    public static SweepLog Open(string file, string[] backends)
    {
        var log = new SweepLog(new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
        try
        {
            log.Read(file, backends);
            return log;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>What is known of a case; null where it is still to be checked.</summary>
    public SweepCase? Find(ulong seed) => _cases.GetValueOrDefault(seed);

    /// <summary>Adds a case.</summary>
    public void Append(SweepCase of)
    {
        _cases[of.Seed] = of;
        Append<SweepCase>(of);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    private void Read(string file, string[] backends)
    {
        using var reader = new StreamReader(_stream, Encoding.UTF8, leaveOpen: true);
        string[] lines = reader.ReadToEnd().Split('\n');
        if (lines is not [""])
            Parse(file, backends, lines.Length > 1 ? lines[..^1] : lines);
        // What is behind the last end of a line was cut off while it was written.
        _stream.SetLength(lines[..^1].Sum(line => Encoding.UTF8.GetByteCount(line) + 1L));
        _stream.Seek(0, SeekOrigin.End);
        if (lines.Length == 1)
            Append(new Head(backends));
    }

    private void Parse(string file, string[] backends, string[] lines)
    {
        try
        {
            string[] known = JsonSerializer.Deserialize<Head>(lines[0], Form)?.Backends
                ?? throw new ArgumentException($"{file} is no log of a sweep: its first line names no backends.");
            if (!known.SequenceEqual(backends))
                throw new ArgumentException($"{file} is the log of a sweep over {string.Join(", ", known)}, not over {string.Join(", ", backends)}; name another file, or those backends.");
            for (int i = 1; i < lines.Length; i++)
            {
                SweepCase of = JsonSerializer.Deserialize<SweepCase>(lines[i], Form) is { } read
                    && IsWhole(read, backends.Length)
                    ? read
                    : throw new ArgumentException($"{file} is no log of a sweep: line {i + 1} is no case of "
                        + $"{backends.Length} backends: \"{NearMisses.Shortened(lines[i])}\".");
                _cases[of.Seed] = of;
            }
        }
        catch (JsonException failure)
        {
            throw new ArgumentException($"{file} is no log of a sweep: {failure.Message}", failure);
        }
    }

    // A document may leave members out, or have null where the types of this program have values.
    private static bool IsWhole(SweepCase of, int backends)
        => of is { Layer: not null, Kind: not null, Outcomes: { } outcomes }
        && outcomes.Count == backends && outcomes.All(outcome => outcome is { Findings: { } findings }
            && findings.All(finding => finding is { Tensor: not null }));

    private void Append<T>(T line)
    {
        _stream.Write([.. JsonSerializer.SerializeToUtf8Bytes(line, Form), (byte)'\n']);
        _stream.Flush();
    }
}
