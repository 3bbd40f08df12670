using System.Buffers.Binary;
using System.IO.Compression;

namespace ConvNet.Data;

/// <summary>An array of bytes with its dimensions, the outermost first.</summary>
/// <param name="Dimensions">The sizes.</param>
/// <param name="Values">The values, row-major.</param>
public sealed record IdxArray(IReadOnlyList<int> Dimensions, byte[] Values);

/// <summary>Reads IDX files, the format of MNIST, gzipped or not.</summary>
/// <remarks>
/// Layout: 0, 0, the type (8: unsigned byte, the only one read here), the number of dimensions, each size as a big-endian 32-bit number,
/// then the values. Source: LeCun, Cortes and Burges, "The MNIST database". The sizes are checked against the length
/// of the file before anything is allocated, and no more is decompressed than they announce.
/// </remarks>
public static class IdxFile
{
    private const int MaxDimensions = 4;

    // Deflate cannot do better: 258 bytes for a little more than two bits.
    private const long MaxCompression = 1032;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file; whether it is gzipped is seen from its first bytes.</param>
    /// <exception cref="InvalidDataException">The file is damaged or no IDX file of bytes; the message says where.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IdxArray Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[2];
        bool zipped = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1F, 0x8B];
        file.Position = 0;
        if (!zipped)
            return Read(file, path, file.Length, exact: true);
        using var unzipped = new GZipStream(file, CompressionMode.Decompress);
        try
        {
            IdxArray array = Read(unzipped, path, file.Length * MaxCompression, exact: false);
            CheckEnd(file, 4 + 4L * array.Dimensions.Count + array.Values.Length);
            return array;
        }
        catch (InvalidDataException error) when (!error.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw Damaged(path, $"the compressed data is damaged or cut short ({error.Message.TrimEnd('.')})");
        }
    }

    // The last four bytes of a gzip file are the length of its content; GZipStream does not miss them when they are cut off.
    private static void CheckEnd(FileStream file, long length)
    {
        Span<byte> end = stackalloc byte[4];
        file.Position = file.Length - end.Length;
        file.ReadExactly(end);
        uint announced = BinaryPrimitives.ReadUInt32LittleEndian(end);
        if (announced != (uint)length)
            throw new InvalidDataException($"its end announces {announced:N0} bytes, and {length:N0} came out");
    }

    private static IdxArray Read(Stream stream, string path, long available, bool exact)
    {
        Span<byte> header = stackalloc byte[4 + 4 * MaxDimensions];
        Fill(stream, header[..4], path, 0);
        if (header is not [0, 0, _, _, ..])
            throw Damaged(path, $"bytes 0 to 1 are {header[0]:X2} {header[1]:X2}, and an IDX file starts with 00 00");
        if (header[2] != 8)
            throw Damaged(path, $"byte 2 names the type 0x{header[2]:X2}; only 0x08, unsigned bytes, can be read");
        int rank = header[3];
        if (rank is 0 or > MaxDimensions)
            throw Damaged(path, $"byte 3 announces {rank} dimensions; 1 to {MaxDimensions} can be read");
        Fill(stream, header.Slice(4, 4 * rank), path, 4);
        var sizes = new int[rank];
        long length = 1, start = 4 + 4 * rank;
        for (int i = 0; i < rank; i++)
        {
            uint size = BinaryPrimitives.ReadUInt32BigEndian(header[(4 + 4 * i)..]);
            length = size is > 0 and <= int.MaxValue ? Math.Min(length * size, int.MaxValue + 1L) : 0;
            if (length == 0)
                throw Damaged(path, $"bytes {4 + 4 * i} to {7 + 4 * i} give dimension {i} the size {size:N0}; sizes are 1 to {int.MaxValue:N0}");
            sizes[i] = (int)size;
        }
        string text = string.Join("×", sizes);
        if (length > Array.MaxLength)
            throw Damaged(path, $"its header announces {text} values, more than the {Array.MaxLength:N0} that can be read");
        if (start + length > available || (exact && start + length != available))
            throw Damaged(path, exact
                ? $"its header announces {text} values, {start + length:N0} bytes in all, and the file has {available:N0}"
                : $"its header announces {text} values, more than a compressed file of this length can hold");
        var values = new byte[length];
        Fill(stream, values, path, start);
        return stream.ReadByte() < 0
            ? new IdxArray(sizes, values)
            : throw Damaged(path, $"there is more after the {text} values that its header announces");
    }

    private static void Fill(Stream stream, Span<byte> bytes, string path, long start)
    {
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (read < bytes.Length)
            throw Damaged(path, $"it ends at byte {start + read:N0}, where bytes up to {start + bytes.Length:N0} are needed");
    }

    private static InvalidDataException Damaged(string path, string what) => new($"{path}: {what}. Fetch the file again.");
}
