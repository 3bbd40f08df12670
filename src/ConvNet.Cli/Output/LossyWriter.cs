using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ConvNet.Cli;

/// <summary>A text writer that never throws: text that a full disk or closed pipe rejects is dropped, so that it cannot
/// abort training.</summary>
/// <param name="inner">The underlying writer.</param>
internal sealed class LossyWriter(TextWriter inner) : TextWriter
{
    // EPIPE and its Windows equivalents.
    private const int BrokenPipe = 32, NoData = unchecked((int)0x800700E8),
        BrokenPipeOfWindows = unchecked((int)0x8007006D);

    /// <summary>The first write error. Null if there was none.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Whether the reader has closed the pipe.</summary>
    public bool ReaderHasGone => Failure is { HResult: BrokenPipe or NoData or BrokenPipeOfWindows };

    /// <summary>The underlying writer.</summary>
    public TextWriter Inner => inner;

    /// <inheritdoc/>
    public override Encoding Encoding => inner.Encoding;

    /// <summary>Returns standard output. A pipe is opened directly, because the console hides the error when its reader
    /// closes it.</summary>
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
