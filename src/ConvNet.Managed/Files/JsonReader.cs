using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>Reads one JSON object strictly. A missing, unknown or wrongly typed property is an error that names its
/// location.</summary>
internal sealed class JsonReader
{
    private readonly JsonElement _object;
    private readonly string _place;
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    /// <summary>Creates a reader of an object.</summary>
    /// <param name="element">The object.</param>
    /// <param name="place">The location of the object, for error messages.</param>
    public JsonReader(JsonElement element, string place)
    {
        (_object, _place) = (element, place);
        if (element.ValueKind != JsonValueKind.Object)
            throw Error($"expected an object, found {Describe(element)}");
    }

    /// <summary>Parses a document whose root is an object.</summary>
    /// <exception cref="InvalidDataException">The text is not valid JSON; the message names the position.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, string source)
    {
        if (utf8.Length > InputFile.MaxTextBytes)
            throw new InvalidDataException(
                $"{source} has {utf8.Length:N0} bytes; the limit is {InputFile.MaxTextBytes:N0}.");
        utf8 = InputFile.WithoutMark(utf8);
        Check(utf8, source);
        try
        {
            return JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException error)
        {
            throw NoJson(source, error);
        }
    }

    /// <summary>
    /// Throws unless a text is valid JSON whose property names and strings can all be decoded. Every reader of external
    /// JSON calls this first.
    /// </summary>
    /// <exception cref="InvalidDataException">The text is not valid; the message names the position.</exception>
    public static void Check(ReadOnlyMemory<byte> utf8, string source)
    {
        InputFile.CheckedUtf8(utf8, source);
        var reader = new Utf8JsonReader(utf8.Span);
        try
        {
            while (reader.Read())
            {
                if (reader.ValueIsEscaped && !CanBeRead(ref reader))
                    throw new InvalidDataException(
                        $"{source}: the string at byte {reader.TokenStartIndex:N0} contains the escape of an unpaired "
                        + "surrogate.");
            }
        }
        catch (JsonException error)
        {
            throw NoJson(source, error);
        }
    }

    private static bool CanBeRead(ref Utf8JsonReader reader)
    {
        char[] buffer = ArrayPool<char>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            reader.CopyString(buffer);
            return true;
        }
        catch (InvalidOperationException)
        {
            // The reader throws this for an invalid escape. Nothing else can be wrong with the text at this point.
            return false;
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    }

    // The parser's message may repeat the rest of a long line before it names the position.
    private static InvalidDataException NoJson(string source, JsonException error)
    {
        int end = error.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        string what = Excerpt.Of(end < 0 ? error.Message : error.Message[..end]);
        return new InvalidDataException(
            $"{source} is not valid JSON, line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}: {what}",
            error);
    }

    /// <summary>Throws unless the document has a given format and version.</summary>
    /// <param name="format">The format.</param>
    /// <param name="version">The version.</param>
    /// <param name="what">What has the format, such as <c>a graph</c>.</param>
    public void CheckFormat(string format, int version, string what)
    {
        string? found = Text("format");
        if (found != format)
            throw Error(
                $"\"format\" is {(found is null ? "missing" : $"\"{Excerpt.Of(found)}\"")}; {what} has \"{format}\".");
        int number = Int("version");
        if (number != version)
            throw Error($"version {number} of the format is not supported; this program reads version {version}.");
    }

    /// <summary>Returns the location of a property of this object, for error messages.</summary>
    public string PlaceOf(string property) => $"{_place}, {property}";

    /// <summary>Creates an error at the location of this object.</summary>
    public InvalidDataException Error(string what, Exception? inner = null) => new($"{_place}: {what}", inner);

    /// <summary>Throws if the object has a property that was not read.</summary>
    public void RejectOthers()
    {
        foreach (JsonProperty property in _object.EnumerateObject())
        {
            if (!_asked.Contains(property.Name))
                throw Error($"\"{Excerpt.Of(property.Name)}\" is unknown; the known properties are "
                    + $"{string.Join(", ", _asked)}.");
        }
    }

    /// <summary>Returns a required property.</summary>
    public JsonElement Required(string name) => Optional(name) ?? throw Error($"\"{name}\" is missing.");

    /// <summary>Returns an optional property; null if it is missing.</summary>
    public JsonElement? Optional(string name)
    {
        _asked.Add(name);
        return _object.TryGetProperty(name, out JsonElement value) ? value : null;
    }

    /// <summary>Reads a string.</summary>
    public string? Text(string name) => Optional(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(name, value, "a string");

    /// <summary>Reads a 32-bit integer.</summary>
    public int Int(string name, int? otherwise = null) => Optional(name) is not { } value
        ? otherwise ?? throw Error($"\"{name}\" is missing.")
        : Whole(name, value);

    /// <summary>Reads a non-negative 64-bit integer.</summary>
    public ulong Long(string name, ulong? otherwise = null) => Optional(name) is not { } value
        ? otherwise ?? throw Error($"\"{name}\" is missing.")
        : value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number)
        ? number
        : throw Wrong(name, value, $"a whole number from 0 to {ulong.MaxValue}");

    /// <summary>Reads a number.</summary>
    public float Number(string name, float otherwise) => Optional(name) is not { } value ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
        : throw Wrong(name, value, "a number");

    /// <summary>Reads a required number in double precision.</summary>
    public double Double(string name) => Required(name) is { ValueKind: JsonValueKind.Number } value
        && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : throw Wrong(name, Required(name), "a number");

    /// <summary>Reads true or false.</summary>
    public bool Flag(string name, bool otherwise) => Optional(name) is not { } value ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(name, value, "true or false");

    /// <summary>Reads one number for rows and columns, or [rows, columns].</summary>
    public Extent? Extent(string name) => Optional(name) is not { } value ? null
        : value.ValueKind != JsonValueKind.Array ? Whole(name, value)
        : value.GetArrayLength() == 2 ? (Whole(name, value[0]), Whole(name, value[1]))
        : throw Wrong(name, value, "a number or [rows, columns]");

    /// <summary>Reads one number for all sides, [rows, columns], or [top, left, bottom, right].</summary>
    public Padding? Padding(string name)
    {
        if (Optional(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            return Whole(name, value);
        int[] sizes = [.. value.EnumerateArray().Select(each => Whole(name, each))];
        return sizes.Length switch
        {
            2 => (sizes[0], sizes[1]),
            4 => (sizes[0], sizes[1], sizes[2], sizes[3]),
            _ => throw Wrong(name, value, "a number, [rows, columns] or [top, left, bottom, right]"),
        };
    }

    /// <summary>Reads a list; empty if it is missing.</summary>
    public IReadOnlyList<JsonElement> List(string name) => Optional(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()]
        : throw Wrong(name, value, "a list");

    /// <summary>Reads a list of numbers.</summary>
    public float[] Numbers(string name) => [.. List(name).Select(value =>
        value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) ? number
            : throw Wrong(name, value, "a list of numbers"))];

    /// <summary>Reads a list of numbers in double precision.</summary>
    public double[] Doubles(string name) => [.. List(name).Select(value =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number : throw Wrong(name, value, "a list of numbers"))];

    /// <summary>Reads a list of integers.</summary>
    public int[] Ints(string name) => [.. List(name).Select(value => Whole(name, value))];

    /// <summary>Reads a list of strings.</summary>
    public string[] Texts(string name) => [.. List(name).Select(value =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, value, "a list of strings"))];

    /// <summary>Creates a value from the object. Errors of a layer or graph about sizes get the location in the
    /// file.</summary>
    public T Checked<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException error)
        {
            throw Error(error.PlainMessage(), error);
        }
    }

    private int Whole(string name, JsonElement value) => value.ValueKind == JsonValueKind.Number
        && value.TryGetInt32(out int number)
        ? number
        : throw Wrong(name, value, "a whole number");

    private InvalidDataException Wrong(string name, JsonElement value, string expected)
        => Error($"\"{name}\" is {Describe(value)}; it must be {expected}.");

    private static string Describe(JsonElement value) => Excerpt.OfUtf8(JsonMarshal.GetRawUtf8Value(value));
}
