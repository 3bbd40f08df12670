using System.Text;

namespace ConvNet.Cli.Ranks;

/// <summary>The messages of a rank. They are held back until the ranks have agreed, so that an error of all is printed
/// once; then rank 0 prints its own.</summary>
/// <param name="target">Receives the messages of rank 0.</param>
internal sealed class RankWriter(TextWriter target) : TextWriter
{
    private const string Prefix = "convnet: ";

    private const int MostKept = 1 << 14;

    private readonly StringBuilder _held = new();
    private bool _prints;

    /// <inheritdoc/>
    public override Encoding Encoding => target.Encoding;

    /// <summary>The last message, without the name of the program.</summary>
    public string Last
    {
        get
        {
            string text = _held.ToString().TrimEnd();
            int at = text.LastIndexOf($"\n{Prefix}", StringComparison.Ordinal) + 1;
            return text[at..].StartsWith(Prefix, StringComparison.Ordinal) ? text[(at + Prefix.Length)..] : text[at..];
        }
    }

    /// <summary>Prints what has been held back, and everything from now on.</summary>
    public void Release()
    {
        target.Write(_held.ToString());
        _prints = true;
    }

    /// <inheritdoc/>
    public override void Write(char value) => Write([value]);

    /// <inheritdoc/>
    public override void Write(string? value) => Write(value.AsSpan());

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<char> buffer)
    {
        if (_prints)
            target.Write(buffer);
        if (_prints && _held.Length > MostKept)
            _held.Clear();
        _held.Append(buffer);
    }

    /// <inheritdoc/>
    public override void WriteLine(string? value) => Write($"{value}{NewLine}");

    /// <inheritdoc/>
    public override void Flush() => target.Flush();
}
