using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ConvNet.Cli;

/// <summary>A stream of text that may be lost: what a full disk or a closed pipe does not take is dropped, and ends no
/// training.</summary>
/// <param name="inner">Where the text goes.</param>
internal sealed class LossyWriter(TextWriter inner) : TextWriter
{
    // EPIPE, and what Windows says of a pipe without a reader.
    private const int BrokenPipe = 32, NoData = unchecked((int)0x800700E8),
        BrokenPipeOfWindows = unchecked((int)0x8007006D);

    /// <summary>Why something was lost; null while nothing was.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Whether the reader has gone, which is its own affair.</summary>
    public bool ReaderHasGone => Failure is { HResult: BrokenPipe or NoData or BrokenPipeOfWindows };

    /// <summary>Where the text goes.</summary>
    public TextWriter Inner => inner;

    /// <inheritdoc/>
    public override Encoding Encoding => inner.Encoding;

    /// <summary>Standard output. A pipe is written past the console, which keeps it to itself that its reader has
    /// gone.</summary>
    public static TextWriter StandardOutput()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
            return Console.Out;
        var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return stream.CanSeek ? Console.Out
            : TextWriter.Synchronized(new StreamWriter(stream,
            new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
            { AutoFlush = true });
    }

    /// <inheritdoc/>
    public override void Write(char value) => Try(() => inner.Write(value));

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    /// <inheritdoc/>
    public override void Write(string? value) => Try(() => inner.Write(value));

    /// <inheritdoc/>
    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    /// <inheritdoc/>
    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException failure)
        {
            Failure ??= failure;
        }
    }
}
