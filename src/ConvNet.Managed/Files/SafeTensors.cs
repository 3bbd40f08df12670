using System.Buffers.Binary;
using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>A tensor with its name.</summary>
/// <param name="Name">The name, unique in its file.</param>
/// <param name="Dimensions">The dimensions, outermost first.</param>
/// <param name="Values">The values in row-major order.</param>
public sealed record NamedTensor(string Name, IReadOnlyList<int> Dimensions, float[] Values)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(NamedTensor), (nameof(Name), Name),
        (nameof(Dimensions), Dimensions), (nameof(Values), Values));
}

/// <summary>Tensors of float32 in a safetensors file, with text metadata. Tensors of F64, F16 and BF16 become float32
/// when they are read.</summary>
/// <remarks>
/// Layout: the length of the header as a little-endian 64-bit number, the header as JSON
/// (<c>{"__metadata__": {…}, "conv1.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]},
/// …}</c>), then the values, little-endian, without gaps. Source: the safetensors format of Hugging Face.
/// The whole file is validated before any of it is used. A header has at most 100,000,000 bytes, as the format
/// specifies, and a tensor at most <see cref="Array.MaxLength"/> values. In addition to the values, reading allocates
/// at most twenty times the header: about six times for tensors, and the most for metadata of very many short texts.
/// </remarks>
/// <param name="Metadata">The metadata: texts by name.</param>
/// <param name="Tensors">The tensors, in the order of their values.</param>
public sealed record SafeTensors(IReadOnlyDictionary<string, string> Metadata, IReadOnlyList<NamedTensor> Tensors)
{
    /// <summary>The names of tensors that were not read, because their values are whole numbers.</summary>
    public IReadOnlyList<string> Skipped { get; private init; } = [];

    /// <summary>The maximum length of a header in bytes.</summary>
    internal const long MaxHeaderBytes = 100_000_000;

    private const int LengthBytes = 8;

    /// <summary>Writes the file under a temporary name in the same folder and then renames it. A failure leaves no file
    /// behind.</summary>
    /// <param name="path">The path of the file. An existing file is replaced.</param>
    /// <exception cref="IOException">The file cannot be written; an existing file is unchanged.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    /// <exception cref="ArgumentException">
    /// The number of values of a tensor does not match its dimensions, or the header would be too long to be read.
    /// </exception>
    public void Write(string path)
    {
        foreach (NamedTensor tensor in Tensors)
        {
            if (tensor.Dimensions.Aggregate(1L, (product, size) => product * size) != tensor.Values.Length)
                throw new ArgumentException($"The tensor \"{tensor.Name}\" of {string.Join("×", tensor.Dimensions)} "
                    + $"has {tensor.Values.Length:N0} values. Pass as many as its dimensions declare.");
        }
        byte[] header = Header(Metadata, [.. Tensors.Select(tensor => (tensor.Name, tensor.Dimensions))]);
        Write(path, "the tensors", header, Tensors.Sum(tensor => (long)tensor.Values.Length),
            Tensors.Select(tensor => (ReadOnlyMemory<float>)tensor.Values));
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or has other content; the message gives the reason
    /// and the position.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static SafeTensors Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using FileStream file = InputFile.Open(path);
        SafeTensorsHeader header = ReadHeader(file, path);
        var tensors = new List<NamedTensor>();
        foreach (TensorEntry entry in header.Tensors)
        {
            if (entry.Type.IsReal())
                tensors.Add(new NamedTensor(entry.Name, entry.Dimensions, ReadValues(file, entry)));
            else
                file.Seek(entry.End - entry.Begin, SeekOrigin.Current);
        }
        return new SafeTensors(header.Metadata, tensors)
        {
            Skipped = [.. header.Tensors.Where(entry => !entry.Type.IsReal()).Select(entry => entry.Name)],
        };
    }

    /// <summary>
    /// Reads the header and checks it against the length of the file. The stream is then at the values of the first
    /// tensor.
    /// </summary>
    /// <param name="file">The file, at its beginning.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <inheritdoc cref="Read" path="/exception"/>
    internal static SafeTensorsHeader ReadHeader(Stream file, string path)
    {
        InvalidDataException Damaged(string what)
            => new($"{path}: {what} The file is damaged, or not a safetensors file.");
        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        if (file.Length < LengthBytes)
            throw Damaged($"The file has {file.Length} bytes, but the length of its header alone takes {LengthBytes}.");
        file.ReadExactly(lengthBytes);
        long length = BinaryPrimitives.ReadInt64LittleEndian(lengthBytes);
        if (length is < 2 or > MaxHeaderBytes || length > file.Length - LengthBytes)
            throw Damaged($"Bytes 0 to 7 declare a header of {(ulong)length:N0} bytes in a file of {file.Length:N0}.");
        var json = new byte[length];
        file.ReadExactly(json);
        SafeTensorsHeader header = SafeTensorsHeader.Read(json, path);
        long end = 0, available = file.Length - LengthBytes - length;
        foreach (TensorEntry entry in header.Tensors)
        {
            if (entry.Begin != end)
                throw Damaged(
                    $"Tensor \"{Excerpt.Of(entry.Name)}\" begins at offset {entry.Begin:N0}, but the one before it "
                    + $"ends at {end:N0}.");
            end = entry.End;
        }
        if (end != available)
            throw Damaged($"The header declares {end:N0} bytes of values, but the file has {available:N0}.");
        if (header.Metadata.ContainsKey(ContentChecksum.Key))
            ContentChecksum.Check(file, LengthBytes + ContentChecksum.PlaceIn(json), path);
        return header;
    }

    /// <summary>Reads the values of the next tensor.</summary>
    internal static float[] ReadValues(Stream file, TensorEntry entry)
    {
        float[] values = entry.Length == 0 ? [] : new float[entry.Length];
        entry.Type.Read(file, values);
        return values;
    }

    /// <summary>Writes a file whose values are produced one tensor at a time. If the header has a checksum, it is
    /// filled in.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="what">What is written, for error messages.</param>
    /// <param name="header">The header.</param>
    /// <param name="count">The total number of values of all tensors.</param>
    /// <param name="values">The values of each tensor. They are written before the next ones are requested.</param>
    internal static void Write(
        string path, string what, byte[] header, long count, IEnumerable<ReadOnlyMemory<float>> values)
    {
        AtomicFile.Write(path, what, stream =>
        {
            if (ContentChecksum.PlaceIn(header) is { } place)
                ContentChecksum.Write(stream, LengthBytes + place, WriteContent);
            else
                WriteContent(stream);
        }, FileBytes(header, count));

        void WriteContent(Stream stream)
        {
            Span<byte> length = stackalloc byte[LengthBytes];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (ReadOnlyMemory<float> tensor in values)
                Floats.Write(stream, tensor.Span);
        }
    }

    /// <summary>Returns the length of a file in bytes.</summary>
    /// <param name="header">The header.</param>
    /// <param name="count">The total number of values of all tensors.</param>
    internal static long FileBytes(byte[] header, long count) => LengthBytes + header.Length + count * sizeof(float);

    /// <summary>Creates the header of a file.</summary>
    /// <exception cref="ArgumentException">The header would be longer than the format allows.</exception>
    internal static byte[] Header(
        IReadOnlyDictionary<string, string> metadata,
        IReadOnlyList<(string Name, IReadOnlyList<int> Dimensions)> tensors)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject(SafeTensorsHeader.MetadataName);
            foreach ((string name, string text) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                writer.WriteString(name, text);
            writer.WriteEndObject();
            long offset = 0;
            foreach ((string name, IReadOnlyList<int> dimensions) in tensors)
            {
                long end = offset + dimensions.Aggregate(1L, (product, size) => product * size) * sizeof(float);
                writer.WriteStartObject(name);
                writer.WriteString("dtype", "F32");
                WriteNumbers(writer, "shape", dimensions.Select(size => (long)size));
                WriteNumbers(writer, "data_offsets", [offset, end]);
                writer.WriteEndObject();
                offset = end;
            }
            writer.WriteEndObject();
        }
        // Pads the header with spaces to a multiple of eight, so that a reader may memory-map the values.
        while (buffer.Length % LengthBytes != 0)
            buffer.WriteByte((byte)' ');
        return buffer.Length <= MaxHeaderBytes
            ? buffer.ToArray()
            : throw new ArgumentException(
                $"{tensors.Count:N0} tensors with their metadata need a header of {buffer.Length:N0} bytes; the limit "
                + $"of a safetensors file is {MaxHeaderBytes:N0}.");
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SafeTensors), (nameof(Metadata), Metadata),
        (nameof(Tensors), Tensors));
}
