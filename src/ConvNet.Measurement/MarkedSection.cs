using System.Text;
using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>A generated section of a text file: the text between <c>&lt;!-- bench NAME --&gt;</c> and <c>&lt;!-- end
/// --&gt;</c>.</summary>
public static class MarkedSection
{
    private const string End = "<!-- end -->";

    /// <summary>Throws unless the file has the section, so that errors are reported before anything is
    /// measured.</summary>
    /// <exception cref="ArgumentException">The file does not contain the section exactly once.</exception>
    /// <exception cref="InvalidDataException">The file is too large or not a text file.</exception>
    /// <exception cref="IOException">The file cannot be read or is not a regular file.</exception>
    public static void Check(string file, string name) => Find(file, InputFile.Text(file, "page"), name);

    /// <summary>Replaces the section. The rest of the file is unchanged.</summary>
    /// <inheritdoc cref="Check" path="/exception"/>
    public static void Replace(string file, string name, string content)
    {
        string text = InputFile.Text(file, "page");
        (int start, int end) = Find(file, text, name);
        AtomicFile.Write(
            file, "the section", stream
            => stream.Write(Encoding.UTF8.GetBytes($"{text[..start]}\n{content.Trim()}\n{text[end..]}")));
    }

    internal static (int Start, int End) Find(string file, string text, string name)
    {
        string begin = $"<!-- bench {name} -->";
        int start = text.IndexOf(begin, StringComparison.Ordinal);
        int end = start < 0 ? -1 : text.IndexOf(End, start, StringComparison.Ordinal);
        if (end < 0)
            throw new ArgumentException($"{file} has no section \"{name}\". Add the lines {begin} and {End}.");
        if (text.IndexOf(begin, start + 1, StringComparison.Ordinal) >= 0)
            throw new ArgumentException($"{file} has more than one section \"{name}\". Remove one of the "
                + $"lines {begin}.");
        return (start + begin.Length, end);
    }
}
