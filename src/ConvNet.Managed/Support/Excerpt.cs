using System.Text;

namespace ConvNet;

/// <summary>
/// What an error quotes of its input: the beginning of it, without anything that a terminal would act on.
/// </summary>
public static class Excerpt
{
    /// <summary>The most characters that are quoted.</summary>
    public const int Most = 100;

    /// <summary>A text, or its beginning and an ellipsis; control characters as escapes.</summary>
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

    /// <summary>The beginning of a text in UTF-8.</summary>
    public static string OfUtf8(ReadOnlySpan<byte> text)
    {
        // Four bytes are the most that a character takes.
        ReadOnlySpan<byte> beginning = text[..Math.Min(text.Length, 4 * (Most + 1))];
        return Of(Encoding.UTF8.GetString(beginning));
    }

    /// <summary>Sizes, as <c>6×1×5×5</c>.</summary>
    public static string OfSizes(IEnumerable<int> sizes) => Of(string.Join("×", sizes.Take(Most)));
}
