using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.GradientChecking.Research;
using ConvNet.Serialization;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The log of a sweep: one line of JSON per case. An interrupted sweep resumes where it stopped.</summary>
internal sealed class SweepLog : IDisposable
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    // A case takes about 300 bytes.
    private const long MaxBytes = 1L << 30;
    private const int InitialLineBytes = 1 << 14, MaxLineBytes = 1 << 20;

    private readonly Stream _stream;
    private readonly Dictionary<ulong, SweepCase> _cases = [];

    private sealed record Head(string[] Backends);

    private SweepLog(Stream stream) => _stream = stream;

    /// <summary>Opens a log, or creates one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="backends">The backends of the sweep.</param>
    /// <exception cref="ArgumentException">The file is not a log, or is the log of other backends.</exception>
    public static SweepLog Open(string file, string[] backends)
    {
        InputFile.CheckKind(file);
        var log = new SweepLog(new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
        try
        {
            if (log._stream.Length > MaxBytes)
                throw new ArgumentException(
                    $"{file} is not a sweep log: it has {log._stream.Length:N0} bytes, more than the limit of "
                    + $"{MaxBytes:N0}.");
            long whole = log.Read(log._stream, file, backends);
            // An incomplete last line was interrupted while it was written, and is removed.
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

    /// <summary>Validates a log without opening it for writing.</summary>
    internal static void Check(Stream stream, string file, string[] backends)
    {
        using var log = new SweepLog(stream);
        log.Read(stream, file, backends);
    }

    /// <summary>Returns the result of a case, or null if it has not been checked.</summary>
    public SweepCase? Find(ulong seed) => _cases.GetValueOrDefault(seed);

    /// <summary>Appends the result of a case.</summary>
    public void Append(SweepCase of)
    {
        _cases[of.Seed] = of;
        Append<SweepCase>(of);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    // Returns the number of bytes of all complete lines.
    private long Read(Stream stream, string file, string[] backends)
    {
        var buffer = new byte[InitialLineBytes];
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
            if (filled == MaxLineBytes)
                throw new ArgumentException(
                    $"{file} is not a sweep log: line {number + 1} has more than {MaxLineBytes:N0} bytes.");
            if (filled == buffer.Length)
                Array.Resize(ref buffer, 2 * filled);
            int read = stream.Read(buffer.AsSpan(filled));
            if (read == 0)
                break;
            filled += read;
        }
        // A single incomplete line may be an interrupted log, but only if it starts like one.
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
                    $"{file} is not a sweep log: line {number} is not a case of {backends.Length} backends: "
                    + $"\"{Excerpt.OfUtf8(line.Span)}\".");
        }
        catch (Exception failure) when (failure is JsonException or InvalidDataException)
        {
            throw new ArgumentException(
                $"{file} is not a sweep log: line {number}: {Excerpt.Of(failure.Message)}", failure);
        }
    }

    private static void CheckHead(string[]? known, string file, string[] backends)
    {
        if (known is null)
            throw new ArgumentException($"{file} is not a sweep log: its first line contains no backends.");
        if (!known.SequenceEqual(backends))
            throw new ArgumentException(
                $"{file} is the log of a sweep over {Excerpt.Of(string.Join(", ", known))}, not over "
                + $"{string.Join(", ", backends)}. Use another file or those backends.");
    }

    // The JSON may omit members or contain null where this program never writes null.
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
