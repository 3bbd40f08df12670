using System.Text;
using System.Text.Unicode;

namespace ConvNet.Serialization;

/// <summary>Opens input files: regular files only, and up to a maximum size.</summary>
internal static class InputFile
{
    /// <summary>The maximum size in bytes of a text file: a graph, a case, a list of shapes, a page.</summary>
    public const int MaxTextBytes = 16 << 20;

    private static readonly UTF8Encoding Strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Opens a file, or the target of a link, for reading.</summary>
    /// <exception cref="IOException">It is not a regular file, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read it.</exception>
    public static FileStream Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckKind(path);
        return File.OpenRead(path);
    }

    /// <summary>Throws if the path refers to something other than a regular file.</summary>
    public static void CheckKind(string path)
    {
        if (FileKind.NotRegular(path) is { } kind)
            throw new IOException($"{path} is {kind}, not a regular file. {Advice(kind)}");
    }

    /// <summary>Reads all bytes of a text file.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="what">The expected content, such as <c>description of a graph</c>.</param>
    /// <param name="most">The maximum number of bytes.</param>
    /// <exception cref="InvalidDataException">The file is too large.</exception>
    /// <exception cref="IOException">It is not a regular file, or cannot be read.</exception>
    public static byte[] Bytes(string path, string what, int most = MaxTextBytes)
    {
        using FileStream file = Open(path);
        if (file.Length > most)
            throw TooLarge($"{file.Length:N0} bytes");
        // System files report a length of 0, and a file that is being written grows. Therefore the end is where a read
        // returns nothing.
        var bytes = new byte[file.Length + 1];
        int length = 0;
        while (file.Read(bytes.AsSpan(length)) is > 0 and int read)
        {
            length += read;
            if (length > most)
                throw TooLarge($"more than {most:N0} bytes");
            if (length == bytes.Length)
                Array.Resize(ref bytes, Math.Min(2 * length + 4096, most + 1));
        }
        return bytes[..length];

        InvalidDataException TooLarge(string size)
            => new($"{path} has {size}, which is too large for a {what}; the limit is {most:N0}.");
    }

    /// <summary>Reads a UTF-8 text file.</summary>
    /// <exception cref="InvalidDataException">The file is too large or is not text.</exception>
    /// <inheritdoc cref="Bytes"/>
    public static string Text(string path, string what)
    {
        byte[] bytes = Bytes(path, what);
        return Encoding.UTF8.GetString(WithoutMark(CheckedUtf8(bytes, path)).Span);
    }

    /// <summary>Returns the bytes if they are valid UTF-8.</summary>
    /// <exception cref="InvalidDataException">They are not; the message names the first invalid byte.</exception>
    public static ReadOnlyMemory<byte> CheckedUtf8(ReadOnlyMemory<byte> bytes, string source)
    {
        if (Utf8.IsValid(bytes.Span))
            return bytes;
        int at = 0;
        while (Rune.DecodeFromUtf8(bytes.Span[at..], out _, out int length) == System.Buffers.OperationStatus.Done)
            at += length;
        throw new InvalidDataException($"{source}: byte {at:N0}, 0x{bytes.Span[at]:X2}, is not valid UTF-8.");
    }

    /// <summary>Encodes a text as UTF-8.</summary>
    /// <exception cref="InvalidDataException">It has an unpaired surrogate; the message names its position.</exception>
    public static byte[] ToUtf8(string text, string source)
    {
        try
        {
            return Strict.GetBytes(text);
        }
        catch (EncoderFallbackException error)
        {
            throw new InvalidDataException(
                $"{source}: character {error.Index:N0} is an unpaired surrogate.", error);
        }
    }

    /// <summary>Returns UTF-8 text without a byte order mark.</summary>
    public static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> utf8)
        => utf8.Span.StartsWith(Encoding.UTF8.Preamble) ? utf8[Encoding.UTF8.Preamble.Length..] : utf8;

    private static string Advice(string kind) => kind.Contains("pipe", StringComparison.Ordinal)
        ? "Write the output of the pipe, such as <(command), to a file first."
        : "Name a file, or a link to one.";
}
