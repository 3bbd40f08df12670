using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.GradientChecking.Research;
using ConvNet.Serialization;

namespace ConvNet.Cli.Gradcheck;

/// <summary>What a sweep found, a line of JSON for every case, so that one that was interrupted goes on where it
/// was.</summary>
internal sealed class SweepLog : IDisposable
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    // A case takes some three hundred bytes.
    private const long MostBytes = 1L << 30;
    private const int UsualLineBytes = 1 << 14, MostLineBytes = 1 << 20;

    private readonly Stream _stream;
    private readonly Dictionary<ulong, SweepCase> _cases = [];

    private sealed record Head(string[] Backends);

    private SweepLog(Stream stream) => _stream = stream;

    /// <summary>Opens a log, or begins one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="backends">The backends of the sweep.</param>
    /// <exception cref="ArgumentException">It is of other backends, or no log.</exception>
    public static SweepLog Open(string file, string[] backends)
    {
        InputFile.CheckKind(file);
        var log = new SweepLog(new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
        try
        {
            if (log._stream.Length > MostBytes)
                throw new ArgumentException(
                    $"{file} is no log of a sweep: it has {log._stream.Length:N0} bytes, and at most {MostBytes:N0} "
                    + "are read.");
            long whole = log.Read(log._stream, file, backends);
            // What is behind the last end of a line was cut off while it was written.
            log._stream.SetLength(whole);
            log._stream.Seek(0, SeekOrigin.End);
            if (whole == 0)
                log.Append(new Head(backends));
            return log;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Reads a log that is not written to.</summary>
    internal static void Check(Stream stream, string file, string[] backends)
    {
        using var log = new SweepLog(stream);
        log.Read(stream, file, backends);
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

    // The bytes of all whole lines.
    private long Read(Stream stream, string file, string[] backends)
    {
        var buffer = new byte[UsualLineBytes];
        int start = 0, filled = 0, number = 0;
        long whole = 0;
        while (true)
        {
            int length = buffer.AsSpan(start, filled - start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                Parse(buffer.AsMemory(start, length), file, ++number, backends);
                start += length + 1;
                whole += length + 1;
                continue;
            }
            buffer.AsSpan(start, filled - start).CopyTo(buffer);
            (start, filled) = (0, filled - start);
            if (filled == MostLineBytes)
                throw new ArgumentException(
                    $"{file} is no log of a sweep: line {number + 1} has more than {MostLineBytes:N0} bytes.");
            if (filled == buffer.Length)
                Array.Resize(ref buffer, 2 * filled);
            int read = stream.Read(buffer.AsSpan(filled));
            if (read == 0)
                break;
            filled += read;
        }
        // A file of one line without an end is no log whose writer was interrupted, unless it begins like one.
        if (number == 0 && filled > 0)
            Parse(buffer.AsMemory(0, filled), file, 1, backends);
        return whole;
    }

    private void Parse(ReadOnlyMemory<byte> line, string file, int number, string[] backends)
    {
        try
        {
            JsonReader.Check(line, $"line {number}");
            if (number == 1)
                CheckHead(JsonSerializer.Deserialize<Head>(line.Span, Form)?.Backends, file, backends);
            else if (JsonSerializer.Deserialize<SweepCase>(line.Span, Form) is { } of && IsWhole(of, backends.Length))
                _cases[of.Seed] = of;
            else
                throw new ArgumentException(
                    $"{file} is no log of a sweep: line {number} is no case of {backends.Length} backends: "
                    + $"\"{Excerpt.OfUtf8(line.Span)}\".");
        }
        catch (Exception failure) when (failure is JsonException or InvalidDataException)
        {
            throw new ArgumentException(
                $"{file} is no log of a sweep: line {number}: {Excerpt.Of(failure.Message)}", failure);
        }
    }

    private static void CheckHead(string[]? known, string file, string[] backends)
    {
        if (known is null)
            throw new ArgumentException($"{file} is no log of a sweep: its first line names no backends.");
        if (!known.SequenceEqual(backends))
            throw new ArgumentException(
                $"{file} is the log of a sweep over {Excerpt.Of(string.Join(", ", known))}, not over "
                + $"{string.Join(", ", backends)}; name another file, or those backends.");
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
