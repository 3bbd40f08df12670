using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>The header entry of one tensor. Its number of bytes matches its shape and type.</summary>
/// <param name="Name">The name.</param>
/// <param name="Dimensions">The dimensions, outermost first.</param>
/// <param name="Begin">The start of its values, in bytes after the header.</param>
/// <param name="End">The end of its values, in bytes after the header.</param>
/// <param name="Type">The type of its values.</param>
internal readonly record struct TensorEntry(string Name, int[] Dimensions, long Begin, long End, TensorType Type)
{
    /// <summary>The number of values.</summary>
    public int Length => (int)((End - Begin) / Type.Bytes());
}

/// <summary>The header of a safetensors file.</summary>
/// <param name="Metadata">The metadata: texts by name.</param>
/// <param name="Tensors">The tensors, in the order of their values.</param>
internal sealed record SafeTensorsHeader(Dictionary<string, string> Metadata, List<TensorEntry> Tensors)
{
    /// <summary>The name of the metadata entry.</summary>
    public const string MetadataName = "__metadata__";

    /// <summary>Reads a header.</summary>
    /// <param name="json">The header.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">
    /// The header is not valid; the message says where and why.
    /// </exception>
    public static SafeTensorsHeader Read(ReadOnlyMemory<byte> json, string path)
    {
        JsonReader.Check(json, $"{path}, header");
        var reader = new SafeTensorsHeaderReader(json.Span, path);
        reader.ReadAll();
        return reader.Header;
    }
}

/// <summary>Reads a header token by token. Time and memory are proportional to its length.</summary>
/// <param name="json">The header, already validated by <see cref="JsonReader.Check"/>.</param>
/// <param name="source">The file, for error messages.</param>
internal ref struct SafeTensorsHeaderReader(ReadOnlySpan<byte> json, string source)
{
    // As many as any program that writes such files supports.
    private const int MostDimensions = 64;

    private Utf8JsonReader _json = new(json);

    /// <summary>The part of the header that has been read.</summary>
    public SafeTensorsHeader Header { get; } = new(new Dictionary<string, string>(StringComparer.Ordinal), []);

    /// <summary>Reads the whole header.</summary>
    public void ReadAll()
    {
        if (!StartObject())
            throw new InvalidDataException($"{source}, header: expected an object, found {Token()}.");
        var names = new HashSet<string>(StringComparer.Ordinal);
        List<TensorEntry> tensors = Header.Tensors;
        bool ordered = true;
        while (NextName() is { } name)
        {
            if (!names.Add(name))
                throw new InvalidDataException($"{source}, header: \"{Excerpt.Of(name)}\" occurs twice.");
            if (name == SafeTensorsHeader.MetadataName)
            {
                ReadMetadata();
                continue;
            }
            TensorEntry entry = ReadTensor(name);
            ordered &= tensors.Count == 0 || Compare(tensors[^1], entry) <= 0;
            tensors.Add(entry);
        }
        if (!ordered)
            tensors.Sort(Compare);
    }

    private static int Compare(TensorEntry x, TensorEntry y)
        => x.Begin != y.Begin ? x.Begin.CompareTo(y.Begin) : x.End.CompareTo(y.End);

    private void ReadMetadata()
    {
        string place = $"{source}, {SafeTensorsHeader.MetadataName}";
        if (!StartObject())
            throw new InvalidDataException($"{place}: expected an object, found {Token()}.");
        while (NextName() is { } name)
        {
            _json.Read();
            if (_json.TokenType != JsonTokenType.String)
                throw new InvalidDataException($"{place}: \"{Excerpt.Of(name)}\" is {Token()}; it must be a string.");
            if (!Header.Metadata.TryAdd(name, _json.GetString()!))
                throw new InvalidDataException($"{place}: \"{Excerpt.Of(name)}\" occurs twice.");
        }
    }

    private TensorEntry ReadTensor(string name)
    {
        int[]? dimensions = null;
        (long Begin, long End)? offsets = null;
        TensorType? type = null;
        if (!StartObject())
            throw Error(name, $"expected an object, found {Token()}.");
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            if (_json.ValueTextEquals("dtype"u8) && type is null)
            {
                _json.Read();
                type = ReadType(name);
            }
            else if (_json.ValueTextEquals("shape"u8) && dimensions is null)
            {
                dimensions = ReadShape(name);
            }
            else if (_json.ValueTextEquals("data_offsets"u8) && offsets is null)
            {
                offsets = ReadOffsets(name);
            }
            else
            {
                throw Error(
                    name, $"\"{Excerpt.Of(_json.GetString())}\" is unknown or occurs twice; the properties are "
                    + "dtype, shape, data_offsets.");
            }
        }
        if (type is not { } known || dimensions is null || offsets is not var (begin, end))
            throw Error(name,
                $"\"{(type is null ? "dtype" : dimensions is null ? "shape" : "data_offsets")}\" is missing.");
        long count = 1;
        foreach (int size in dimensions)
            count = Math.Min(count * size, int.MaxValue);
        return count <= Array.MaxLength && end - begin == count * known.Bytes()
            ? new TensorEntry(name, dimensions, begin, end, known)
            : throw Error(
                name, $"the {end - begin:N0} bytes from {begin:N0} to {end:N0} are not {Excerpt.OfSizes(dimensions)} "
                + $"values of {known.Bytes()} bytes.");
    }

    private readonly TensorType ReadType(string name)
    {
        if (_json.TokenType == JsonTokenType.String)
        {
            foreach (TensorType type in Enum.GetValues<TensorType>())
            {
                if (_json.ValueTextEquals($"{type}"))
                    return type;
            }
        }
        throw Error(name, $"\"dtype\" is {(_json.TokenType == JsonTokenType.String ? Excerpt.Of(_json.GetString())
            : Token())}; only {string.Join(", ", Enum.GetNames<TensorType>())} are supported.");
    }

    private int[] ReadShape(string name)
    {
        Span<int> sizes = stackalloc int[MostDimensions];
        int rank = 0;
        if (!StartList())
            throw Error(name, $"\"shape\" is {Token()}; it must be a list of sizes.");
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt32(out int size) || size < 0)
                throw Error(
                    name, $"\"shape\" has a size of {Token()}; sizes are whole numbers from 0 to {int.MaxValue:N0}.");
            if (rank == MostDimensions)
                throw Error(name, $"\"shape\" has more than {MostDimensions} sizes.");
            sizes[rank++] = size;
        }
        return sizes[..rank].ToArray();
    }

    private (long Begin, long End) ReadOffsets(string name)
    {
        Span<long> offsets = stackalloc long[2];
        int count = 0;
        bool valid = StartList();
        while (valid && _json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            valid = count < 2 && _json.TokenType == JsonTokenType.Number && _json.TryGetInt64(out offsets[count])
                && offsets[count] >= 0;
            count++;
        }
        return valid && count == 2 ? (offsets[0], offsets[1])
            : throw Error(name, "\"data_offsets\" must be [begin, end] in bytes.");
    }

    // Returns the name of the next property; null at the end of the object.
    private string? NextName()
    {
        _json.Read();
        return _json.TokenType == JsonTokenType.PropertyName ? _json.GetString() : null;
    }

    private bool StartObject() => _json.Read() && _json.TokenType == JsonTokenType.StartObject;

    private bool StartList() => _json.Read() && _json.TokenType == JsonTokenType.StartArray;

    private readonly InvalidDataException Error(string name, string what)
        => new($"{source}, tensor \"{Excerpt.Of(name)}\": {what}");

    // Describes the current token, for error messages.
    private readonly string Token() => _json.TokenType switch
    {
        JsonTokenType.StartArray => "a list",
        JsonTokenType.StartObject => "an object",
        JsonTokenType.String => $"\"{Excerpt.OfUtf8(_json.ValueSpan)}\"",
        _ => Excerpt.OfUtf8(_json.ValueSpan),
    };
}
