using System.Text;

namespace ConvNet;

/// <summary>
/// Quotes the beginning of an input in an error message, without characters that would control a terminal.
/// </summary>
internal static class Excerpt
{
    /// <summary>The maximum number of characters quoted.</summary>
    public const int Most = 100;

    /// <summary>Returns the text, or its beginning and an ellipsis, with control characters escaped.</summary>
    public static string Of(ReadOnlySpan<char> text)
    {
        var quoted = new StringBuilder();
        int fits = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            quoted.Append(Rune.IsControl(rune) ? $"\\u{rune.Value:X4}" : rune.ToString());
            if (quoted.Length > Most)
                return $"{quoted.ToString(0, fits)}…";
            fits = quoted.Length;
        }
        return quoted.ToString();
    }

    /// <summary>Returns the beginning of a UTF-8 text.</summary>
    public static string OfUtf8(ReadOnlySpan<byte> text)
    {
        // A character takes at most four bytes.
        ReadOnlySpan<byte> beginning = text[..Math.Min(text.Length, 4 * (Most + 1))];
        return Of(Encoding.UTF8.GetString(beginning));
    }

    /// <summary>Formats sizes, such as <c>6×1×5×5</c>.</summary>
    public static string OfSizes(IEnumerable<int> sizes) => Of(string.Join("×", sizes.Take(Most)));
}
