using System.Text;
using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>The part of a text file that a program writes: what stands between <c>&lt;!-- bench NAME --&gt;</c> and
/// <c>&lt;!-- end --&gt;</c>.</summary>
public static class MarkedSection
{
    private const string End = "<!-- end -->";

    /// <summary>Makes sure that a file has a section, before there is anything to write into it.</summary>
    /// <exception cref="ArgumentException">It has no such section, or more than one.</exception>
    /// <exception cref="InvalidDataException">The file is too large, or no text.</exception>
    /// <exception cref="IOException">The file cannot be read, or is no regular file.</exception>
    public static void Check(string file, string name) => Find(file, InputFile.Text(file, "page"), name);

    /// <summary>Replaces a section; what is outside stays as it is.</summary>
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
            throw new ArgumentException($"{file} has no section \"{name}\": it stands between the lines {begin} and "
                + $"{End}.");
        if (text.IndexOf(begin, start + 1, StringComparison.Ordinal) >= 0)
            throw new ArgumentException($"{file} has more than one section \"{name}\": {begin} stands in it twice.");
        return (start + begin.Length, end);
    }
}
