using System.Security.Cryptography;
using System.Text;

namespace ConvNet.Serialization;

/// <summary>The checksum of a safetensors file in its own metadata.</summary>
/// <remarks>The entry <c>checksum</c> is <c>sha256:</c> and 64 hexadecimal digits: the SHA-256 of the whole file in
/// which these digits are zeros.</remarks>
internal static class ContentChecksum
{
    /// <summary>The name of the entry in the metadata.</summary>
    public const string Key = "checksum";

    /// <summary>The value of the entry before the checksum is known.</summary>
    public const string Placeholder = Kind + "0000000000000000000000000000000000000000000000000000000000000000";

    private const string Kind = "sha256:";
    private const int Digits = 2 * SHA256.HashSizeInBytes, PieceBytes = 1 << 20;

    // A text in JSON cannot contain these characters, because its quotation marks are escaped.
    private static ReadOnlySpan<byte> Before => "\"checksum\":\"sha256:"u8;

    /// <summary>Returns where the digits are in a header; null if it has no checksum.</summary>
    public static int? PlaceIn(ReadOnlySpan<byte> header)
    {
        int place = header.IndexOf(Before);
        return place < 0 || place + Before.Length + Digits > header.Length ? null : place + Before.Length;
    }

    /// <summary>Writes a file with its checksum.</summary>
    /// <param name="file">The file, at its beginning, which can be searched.</param>
    /// <param name="place">Where the digits are in the file.</param>
    /// <param name="write">Writes the content, with zeros in place of the digits.</param>
    public static void Write(Stream file, long place, Action<Stream> write)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var hashed = new HashedStream(file, hash))
            write(hashed);
        long end = file.Position;
        file.Position = place;
        file.Write(DigitsOf(hash));
        file.Position = end;
    }

    /// <summary>Compares the content of a file with its checksum. The position in the file stays.</summary>
    /// <param name="file">The file.</param>
    /// <param name="place">Where the digits are in the file; null if it has none in this form.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The content has another checksum.</exception>
    public static void Check(Stream file, long? place, string path)
    {
        long position = file.Position;
        file.Position = 0;
        bool matches = place is { } at && Matches(file, at);
        file.Position = position;
        if (!matches)
            throw new InvalidDataException($"{path}: the content does not match its checksum, so the file is damaged. "
                + "Use another copy. If a program has changed it on purpose, remove \"checksum\" from its metadata and "
                + "set \"format\" to \"convnet\".");
    }

    private static bool Matches(Stream file, long place)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var stored = new byte[Digits];
        var piece = new byte[PieceBytes];
        long begin = 0;
        while (file.Read(piece) is > 0 and int length)
        {
            for (long i = Math.Max(place, begin); i < Math.Min(place + Digits, begin + length); i++)
            {
                stored[i - place] = piece[i - begin];
                piece[i - begin] = (byte)'0';
            }
            hash.AppendData(piece.AsSpan(0, length));
            begin += length;
        }
        return DigitsOf(hash).AsSpan().SequenceEqual(stored);
    }

    private static byte[] DigitsOf(IncrementalHash hash)
        => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset()));
}
