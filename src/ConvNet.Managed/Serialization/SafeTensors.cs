using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>A tensor with its name.</summary>
/// <param name="Name">The name, unique in its file.</param>
/// <param name="Dimensions">The sizes, the outermost first.</param>
/// <param name="Values">The values, row-major.</param>
public sealed record NamedTensor(string Name, IReadOnlyList<int> Dimensions, float[] Values);

/// <summary>Tensors of float32 in a safetensors file, with text beside them.</summary>
/// <remarks>
/// Layout: the length of the header as a little-endian 64-bit number, the header as JSON
/// (<c>{"__metadata__": {…}, "conv1.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}, …}</c>), then the values,
/// little-endian, without gaps. Source: the safetensors format of Hugging Face.
/// A file is checked whole before anything of it is used.
/// </remarks>
/// <param name="Metadata">Text by name.</param>
/// <param name="Tensors">The tensors, in the order of their values.</param>
public sealed record SafeTensors(IReadOnlyDictionary<string, string> Metadata, IReadOnlyList<NamedTensor> Tensors)
{
    private const string MetadataName = "__metadata__";
    private const int LengthBytes = 8;
    private const long MaxHeaderBytes = 100_000_000;

    /// <summary>Writes the file: first whole under a temporary name in the same folder, then renamed. A failure leaves no file behind.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <exception cref="IOException">The file cannot be written; the one that was there is untouched.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <exception cref="ArgumentException">A tensor has more or fewer values than its dimensions say.</exception>
    public void Write(string path)
    {
        foreach (NamedTensor tensor in Tensors)
        {
            if (tensor.Dimensions.Aggregate(1L, (product, size) => product * size) != tensor.Values.Length)
                throw new ArgumentException($"Tensor \"{tensor.Name}\" is {string.Join("×", tensor.Dimensions)} and has {tensor.Values.Length:N0} values.");
        }
        AtomicFile.Write(path, stream =>
        {
            byte[] header = Header();
            Span<byte> length = stackalloc byte[LengthBytes];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (NamedTensor tensor in Tensors)
            {
                float[] values = BitConverter.IsLittleEndian ? tensor.Values : Swapped(tensor.Values);
                stream.Write(MemoryMarshal.AsBytes(values.AsSpan()));
            }
        });
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; the message says what and where.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SafeTensors Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using FileStream file = File.OpenRead(path);
        InvalidDataException Damaged(string what) => new($"{path}: {what} It is damaged, or no safetensors file.");
        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        if (file.Length < LengthBytes)
            throw Damaged($"the file has {file.Length} bytes, and its header's length alone takes {LengthBytes}.");
        file.ReadExactly(lengthBytes);
        long length = BinaryPrimitives.ReadInt64LittleEndian(lengthBytes);
        if (length is < 2 or > MaxHeaderBytes || length > file.Length - LengthBytes)
            throw Damaged($"bytes 0 to 7 announce a header of {(ulong)length:N0} bytes in a file of {file.Length:N0}.");
        var header = new byte[length];
        file.ReadExactly(header);
        using JsonDocument document = JsonReader.Parse(header, $"{path}, header");
        var root = new JsonReader(document.RootElement, $"{path}, header");
        Dictionary<string, string> metadata = ReadMetadata(root, path);
        long available = file.Length - LengthBytes - length;
        List<Entry> entries = [.. root.Names.Where(name => name != MetadataName)
            .Select(name => Entry.Read(name, new JsonReader(root.Required(name), $"{path}, tensor \"{name}\"")))
            .OrderBy(entry => entry.Begin).ThenBy(entry => entry.End)];
        long end = 0;
        foreach (Entry entry in entries)
        {
            if (entry.Begin != end)
                throw Damaged($"Tensor \"{entry.Name}\" begins at offset {entry.Begin:N0}, where {end:N0} is next: tensors neither overlap nor leave gaps.");
            end = entry.End;
        }
        if (end != available)
            throw Damaged($"The header announces {end:N0} bytes of values, and {available:N0} are there.");
        return new SafeTensors(metadata, [.. entries.Select(entry => new NamedTensor(entry.Name, entry.Dimensions, ReadValues(file, entry)))]);
    }

    private byte[] Header()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject(MetadataName);
            foreach ((string name, string text) in Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                writer.WriteString(name, text);
            writer.WriteEndObject();
            long offset = 0;
            foreach (NamedTensor tensor in Tensors)
            {
                long end = offset + (long)tensor.Values.Length * sizeof(float);
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", "F32");
                WriteNumbers(writer, "shape", tensor.Dimensions.Select(size => (long)size));
                WriteNumbers(writer, "data_offsets", [offset, end]);
                writer.WriteEndObject();
                offset = end;
            }
            writer.WriteEndObject();
        }
        // Spaces up to a multiple of eight, so that a reader may map the values as they lie.
        while (buffer.Length % LengthBytes != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private static Dictionary<string, string> ReadMetadata(JsonReader root, string path)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        if (root.Optional(MetadataName) is not { } element)
            return metadata;
        var json = new JsonReader(element, $"{path}, {MetadataName}");
        foreach (string name in json.Names)
            metadata[name] = json.Text(name)!;
        return metadata;
    }

    private static float[] ReadValues(FileStream file, Entry entry)
    {
        var values = new float[(entry.End - entry.Begin) / sizeof(float)];
        file.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return BitConverter.IsLittleEndian ? values : Swapped(values);
    }

    private static float[] Swapped(float[] values)
    {
        var swapped = new float[values.Length];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(values.AsSpan()), MemoryMarshal.Cast<float, int>(swapped.AsSpan()));
        return swapped;
    }

    /// <summary>What the header says of one tensor: dtype F32, and as many bytes as its shape takes.</summary>
    private readonly record struct Entry(string Name, int[] Dimensions, long Begin, long End)
    {
        public static Entry Read(string name, JsonReader json)
        {
            string? type = json.Text("dtype");
            int[] dimensions = json.Ints("shape");
            IReadOnlyList<JsonElement> offsets = json.List("data_offsets");
            json.Required("shape");
            json.RejectOthers();
            if (type != "F32")
                throw json.Error($"\"dtype\" is {type ?? "missing"}; only F32 is read.");
            if (offsets.Count != 2 || !offsets.All(IsOffset))
                throw json.Error("\"data_offsets\" must be [begin, end] in bytes.");
            long begin = offsets[0].GetInt64(), end = offsets[1].GetInt64(), count = 1;
            foreach (int size in dimensions)
                count = size >= 0 ? Math.Min(count * size, int.MaxValue) : throw json.Error($"\"shape\" has a size of {size}.");
            return count <= Array.MaxLength && end - begin == count * sizeof(float)
                ? new Entry(name, dimensions, begin, end)
                : throw json.Error($"{end - begin:N0} bytes from {begin:N0} to {end:N0} are not {string.Join("×", dimensions)} values of four bytes.");
        }

        private static bool IsOffset(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long offset) && offset >= 0;
    }
}
