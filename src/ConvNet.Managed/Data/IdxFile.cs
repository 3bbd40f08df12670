using System.Buffers.Binary;
using ConvNet.Serialization;

namespace ConvNet.Data;

/// <summary>An array of bytes with its dimensions.</summary>
/// <param name="Dimensions">The dimensions, outermost first.</param>
/// <param name="Values">The values in row-major order.</param>
public sealed record IdxArray(IReadOnlyList<int> Dimensions, byte[] Values)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(IdxArray), (nameof(Dimensions), Dimensions),
        (nameof(Values), Values));
}

/// <summary>Reads IDX files, the format of MNIST, compressed with gzip or not.</summary>
/// <remarks>
/// Layout: 0, 0, the element type (8: unsigned byte, the only supported one), the number of dimensions, each dimension
/// as a big-endian 32-bit number, then the values. Source: LeCun, Cortes and Burges, "The MNIST database". A gzip file
/// may have several members, and zeros after the last, as for zcat. The dimensions are checked against the length of
/// the file before memory is allocated. No more data is decompressed than the header declares, and memory grows with
/// the decompressed data: reading takes at most three times its size, and sixteen times the size of the file.
/// </remarks>
public static class IdxFile
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The path of the file. Compression is detected from its first bytes.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or is not an IDX file of bytes; the message names the
    /// position.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static IdxArray Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using IdxReader reader = IdxReader.Open(path);
        return reader.ReadArray();
    }
}

/// <summary>An IDX file positioned after its header, at the values.</summary>
internal sealed class IdxReader : IDisposable
{
    private const int MaxDimensions = 4;

    // The maximum compression ratio of deflate: 258 bytes for slightly more than two bits.
    private const long MaxCompression = 1032;

    // The initial buffer for compressed values, in bytes and as a multiple of the file size. It grows once it has been
    // filled.
    private const long FirstBytes = 1 << 16, FirstExpansion = 16;

    private readonly Stream _file, _content;
    private readonly string _path;
    private readonly bool _zipped;

    /// <summary>Reads the header of an open file.</summary>
    /// <param name="file">The file at its beginning; this object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The header is damaged or declares impossible dimensions.</exception>
    public IdxReader(Stream file, string path)
    {
        (_file, _path) = (file, path);
        Span<byte> magic = stackalloc byte[2];
        _zipped = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1F, 0x8B];
        file.Position = 0;
        _content = _zipped ? new GzipMembers(file) : file;
        Dimensions = ReadHeader();
    }

    /// <summary>The dimensions, outermost first.</summary>
    public int[] Dimensions { get; }

    /// <summary>Opens a file.</summary>
    /// <inheritdoc cref="IdxFile.Read" path="/exception"/>
    public static IdxReader Open(string path)
    {
        FileStream file = InputFile.Open(path);
        try
        {
            return new IdxReader(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the values. The file must end after them.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message names the position.</exception>
    public IdxArray ReadArray()
    {
        long length = Length(Dimensions);
        var values = new byte[_zipped ? Math.Min(length, Math.Max(FirstBytes, FirstExpansion * _file.Length)) : length];
        int read = 0;
        while (true)
        {
            Fill(values.AsSpan(read), Start + read);
            if (values.Length == length)
                break;
            read = values.Length;
            Array.Resize(ref values, (int)Math.Min(length, 2L * read));
        }
        Span<byte> more = stackalloc byte[1];
        return Take(more) == 0
            ? new IdxArray(Dimensions, values)
            : throw Damaged($"the {string.Join("×", Dimensions)} values that its header declares are followed by more "
                + "data");
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _content.Dispose();
        _file.Dispose();
    }

    private long Start => 4 + 4 * Dimensions.Length;

    private int[] ReadHeader()
    {
        Span<byte> header = stackalloc byte[4 + 4 * MaxDimensions];
        Fill(header[..4], 0);
        if (header is not [0, 0, _, _, ..])
            throw Damaged($"bytes 0 to 1 are {header[0]:X2} {header[1]:X2}, but an IDX file starts with 00 00");
        if (header[2] != 8)
            throw Damaged($"byte 2 is the type 0x{header[2]:X2}; only 0x08 (unsigned bytes) is supported");
        int rank = header[3];
        if (rank is 0 or > MaxDimensions)
            throw Damaged($"byte 3 declares {rank} dimensions; 1 to {MaxDimensions} are supported");
        Fill(header.Slice(4, 4 * rank), 4);
        var sizes = new int[rank];
        for (int i = 0; i < rank; i++)
        {
            uint size = BinaryPrimitives.ReadUInt32BigEndian(header[(4 + 4 * i)..]);
            sizes[i] = size is > 0 and <= int.MaxValue
                ? (int)size
                : throw Damaged(
                    $"bytes {4 + 4 * i} to {7 + 4 * i} give dimension {i} the size {size:N0}; it must be from 1 to "
                    + $"{int.MaxValue:N0}");
        }
        CheckLength(sizes, 4 + 4 * rank + Length(sizes));
        return sizes;
    }

    private void CheckLength(int[] sizes, long bytes)
    {
        string text = string.Join("×", sizes);
        if (Length(sizes) > Array.MaxLength)
            throw Damaged($"its header declares {text} values; the limit is {Array.MaxLength:N0}");
        if (!_zipped && bytes != _file.Length)
            throw Damaged(
                $"its header declares {text} values, {bytes:N0} bytes in total, but the file has {_file.Length:N0}");
        if (_zipped && bytes > _file.Length * MaxCompression)
            throw Damaged($"its header declares {text} values, more than a compressed file of this length can contain");
    }

    private static long Length(int[] sizes)
        => sizes.Aggregate(1L, (length, size) => Math.Min(length * size, int.MaxValue + 1L));

    private void Fill(Span<byte> bytes, long start)
    {
        int read = Take(bytes);
        if (read < bytes.Length)
            throw Damaged($"it ends after {start + read:N0} bytes, but {start + bytes.Length:N0} are needed");
    }

    private int Take(Span<byte> bytes)
    {
        try
        {
            return _content.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException error)
        {
            throw Damaged($"the compressed data is damaged or truncated ({error.Message.TrimEnd('.')})");
        }
    }

    private InvalidDataException Damaged(string what) => new($"{_path}: {what}. Download the file again.");
}
