using System.Globalization;
using System.Text;
using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet.GradientChecking;

/// <summary>Reads and writes a <see cref="Baseline"/> as JSON.</summary>
/// <remarks>
/// <code>{ "format": "convnet-gradient-baseline", "version": 1, "deviations": [
///   { "backend": "torchsharp", "layer": "conv1", "mode": "real", "tensor": "dw", "accepted": 2.5,
///     "reason": "reported as issue 123", "expires": "2027-06-30" } ] }</code>
/// <c>backend</c>, <c>accepted</c>, <c>reason</c> and <c>expires</c> are required, and one of <c>layer</c> and
/// <c>kind</c>. <c>accepted</c> is the largest error as a multiple of its bound, or <c>"any"</c>; <c>elements</c>
/// limits the number of deviating elements.
/// </remarks>
public static class BaselineFile
{
    private const string Format = "convnet-gradient-baseline";
    private const int Version = 1;
    private const string Any = "any";
    private const string DateFormat = "yyyy-MM-dd";

    private static readonly CheckModes[] Modes = [.. Enum.GetValues<CheckModes>()
        .Where(mode => int.PopCount((int)mode) == 1 && mode != CheckModes.ForwardMode)];

    /// <summary>Writes a baseline as JSON.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="baseline"/> is null.</exception>
    public static string Write(Baseline baseline)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        return JsonText.Of(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("format", Format);
            writer.WriteNumber("version", Version);
            writer.WriteStartArray("deviations");
            foreach (AcceptedDeviation deviation in baseline.Deviations)
                WriteDeviation(writer, deviation);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }, JsonText.ForPeople) + "\n";
    }

    /// <summary>Reads a baseline from JSON.</summary>
    /// <param name="json">The JSON text.</param>
    /// <param name="source">The origin of the text, for error messages.</param>
    /// <exception cref="ArgumentNullException"><paramref name="json"/> is null.</exception>
    /// <exception cref="InvalidDataException">The text does not describe a baseline. The message gives the place and
    /// the reason.</exception>
    public static Baseline Read(string json, string source = "baseline")
    {
        ArgumentNullException.ThrowIfNull(json);
        return Read(InputFile.ToUtf8(json, source), source);
    }

    /// <summary>Reads a baseline from a file.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file does not describe a baseline. The message gives the place and
    /// the reason.</exception>
    /// <exception cref="IOException">The file cannot be read or is not a regular file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static Baseline Load(string path) => Read(InputFile.Bytes(path, "baseline of accepted deviations"), path);

    /// <summary>Writes a baseline to a file atomically: the file is either complete or not written.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> or <paramref name="baseline"/> is
    /// null.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    public static void Save(string path, Baseline baseline)
    {
        byte[] text = Encoding.UTF8.GetBytes(Write(baseline));
        AtomicFile.Write(path, "the baseline", stream => stream.Write(text), text.Length);
    }

    private static Baseline Read(ReadOnlyMemory<byte> utf8, string source)
    {
        using JsonDocument document = JsonReader.Parse(utf8, source);
        var root = new JsonReader(document.RootElement, source);
        root.CheckFormat(Format, Version, "a baseline of accepted deviations");
        var deviations = new List<AcceptedDeviation>();
        if (root.Optional("deviations") is null)
            throw root.Error("\"deviations\" is missing; a baseline without any has an empty list.");
        foreach (JsonElement element in root.List("deviations"))
            deviations.Add(ReadDeviation(new JsonReader(element, $"{source}, deviation {deviations.Count + 1}")));
        root.RejectOthers();
        return new Baseline(deviations);
    }

    private static AcceptedDeviation ReadDeviation(JsonReader entry)
    {
        string backend = Required(entry, "backend"), reason = Required(entry, "reason");
        string? layer = entry.Text("layer"), kind = entry.Text("kind"), tensor = entry.Text("tensor");
        CheckModes? mode = entry.Text("mode") is { } word ? ReadMode(entry, word) : null;
        double mostInBounds = ReadAccepted(entry);
        int mostElements = entry.Int("elements", int.MaxValue);
        DateOnly expires = ReadDate(entry, Required(entry, "expires"));
        entry.RejectOthers();
        if (layer is null && kind is null)
            throw entry.Error("\"layer\" and \"kind\" are missing; name at least one of them, such as \"layer\": "
                + "\"conv1\".");
        return entry.Checked(() => new AcceptedDeviation(backend, reason, expires)
        {
            Layer = layer ?? "*",
            Kind = kind ?? "*",
            Tensor = tensor ?? "*",
            Mode = mode,
            MostInBounds = mostInBounds,
            MostElements = mostElements,
        });
    }

    private static string Required(JsonReader entry, string name)
        => entry.Text(name) ?? throw entry.Error($"\"{name}\" is missing.");

    private static CheckModes ReadMode(JsonReader entry, string word)
    {
        int found = Array.FindIndex(Modes, mode => GradientWords.Of(mode) == word);
        return found >= 0 ? Modes[found] : throw entry.Error($"the mode \"{Excerpt.Of(word)}\" is unknown; use one of "
            + $"{string.Join(", ", Modes.Select(GradientWords.Of))}, or leave it out for all.");
    }

    private static double ReadAccepted(JsonReader entry) => entry.Required("accepted") switch
    {
        { ValueKind: JsonValueKind.Number } number when number.TryGetDouble(out double bounds)
            && double.IsFinite(bounds) && bounds > 0 => bounds,
        { ValueKind: JsonValueKind.String } text when text.GetString() == Any => double.PositiveInfinity,
        var other => throw entry.Error($"\"accepted\" is {Excerpt.Of(other.GetRawText())}; it must be the largest "
            + $"error in units of its bound, such as 2.5, or \"{Any}\"."),
    };

    private static DateOnly ReadDate(JsonReader entry, string text)
        => DateOnly.TryParseExact(text, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateOnly date)
            ? date
            : throw entry.Error($"\"expires\" is \"{Excerpt.Of(text)}\"; it must be a date such as 2027-06-30.");

    private static void WriteDeviation(Utf8JsonWriter writer, AcceptedDeviation deviation)
    {
        writer.WriteStartObject();
        writer.WriteString("backend", deviation.Backend);
        writer.WriteString("layer", deviation.Layer);
        if (deviation.Kind != "*")
            writer.WriteString("kind", deviation.Kind);
        if (deviation.Mode is { } mode)
            writer.WriteString("mode", GradientWords.Of(mode));
        if (deviation.Tensor != "*")
            writer.WriteString("tensor", deviation.Tensor);
        if (double.IsFinite(deviation.MostInBounds))
            writer.WriteNumber("accepted", deviation.MostInBounds);
        else
            writer.WriteString("accepted", Any);
        if (deviation.MostElements < int.MaxValue)
            writer.WriteNumber("elements", deviation.MostElements);
        writer.WriteString("reason", deviation.Reason);
        writer.WriteString("expires", deviation.Expires.ToString(DateFormat, CultureInfo.InvariantCulture));
        writer.WriteEndObject();
    }
}
