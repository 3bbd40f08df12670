using System.Text;
using System.Text.Unicode;

namespace ConvNet.Serialization;

/// <summary>Opens what is to be read: regular files alone, and no more of them than a reader has use for.</summary>
public static class InputFile
{
    /// <summary>The most bytes of a file of text: a graph, a case, a list of shapes, a page.</summary>
    public const int MaxTextBytes = 16 << 20;

    private static readonly UTF8Encoding Strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Opens a file to read, or a link to one.</summary>
    /// <exception cref="IOException">It is no regular file, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static FileStream Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckKind(path);
        return File.OpenRead(path);
    }

    /// <summary>Throws when something stands under the name that is no regular file.</summary>
    public static void CheckKind(string path)
    {
        if (FileKind.NotRegular(path) is { } kind)
            throw new IOException($"{path} is {kind}, not a regular file. {Advice(kind)}");
    }

    /// <summary>All bytes of a file of text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it should be, as <c>description of a graph</c>.</param>
    /// <param name="most">The most bytes that are read.</param>
    /// <exception cref="InvalidDataException">The file is too large.</exception>
    /// <exception cref="IOException">It is no regular file, or cannot be read.</exception>
    public static byte[] Bytes(string path, string what, int most = MaxTextBytes)
    {
        using FileStream file = Open(path);
        if (file.Length > most)
            throw TooLarge($"{file.Length:N0} bytes are");
        // Files of the system say that they are empty, and one that is written to grows: the end is where no more
        // comes.
        var bytes = new byte[file.Length + 1];
        int length = 0;
        while (file.Read(bytes.AsSpan(length)) is > 0 and int read)
        {
            length += read;
            if (length > most)
                throw TooLarge($"more than {most:N0} bytes are");
            if (length == bytes.Length)
                Array.Resize(ref bytes, Math.Min(2 * length + 4096, most + 1));
        }
        return bytes[..length];

        InvalidDataException TooLarge(string size) => new($"{path}: {size} no {what}; at most {most:N0} are read.");
    }

    /// <summary>A file of text in UTF-8.</summary>
    /// <exception cref="InvalidDataException">The file is too large, or no text.</exception>
    /// <inheritdoc cref="Bytes"/>
    public static string Text(string path, string what)
    {
        byte[] bytes = Bytes(path, what);
        return Encoding.UTF8.GetString(WithoutMark(CheckedUtf8(bytes, path)).Span);
    }

    /// <summary>The bytes, which are text in UTF-8.</summary>
    /// <exception cref="InvalidDataException">They are not; the message has the first one that is wrong.</exception>
    public static ReadOnlyMemory<byte> CheckedUtf8(ReadOnlyMemory<byte> bytes, string source)
    {
        if (Utf8.IsValid(bytes.Span))
            return bytes;
        int at = 0;
        while (Rune.DecodeFromUtf8(bytes.Span[at..], out _, out int length) == System.Buffers.OperationStatus.Done)
            at += length;
        throw new InvalidDataException($"{source}: byte {at:N0}, 0x{bytes.Span[at]:X2}, is no text in UTF-8.");
    }

    /// <summary>A text as UTF-8.</summary>
    /// <exception cref="InvalidDataException">It has half of a surrogate pair; the message has its place.</exception>
    public static byte[] ToUtf8(string text, string source)
    {
        try
        {
            return Strict.GetBytes(text);
        }
        catch (EncoderFallbackException error)
        {
            throw new InvalidDataException(
                $"{source}: character {error.Index:N0} is half of a surrogate pair, which is no text.", error);
        }
    }

    /// <summary>A text in UTF-8 without the mark that some editors put before it.</summary>
    public static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> utf8)
        => utf8.Span.StartsWith(Encoding.UTF8.Preamble) ? utf8[Encoding.UTF8.Preamble.Length..] : utf8;

    private static string Advice(string kind) => kind.Contains("pipe", StringComparison.Ordinal)
        ? "What comes out of a pipe, as of <(command), has to be written to a file first."
        : "Name a file, or a link to one.";
}
