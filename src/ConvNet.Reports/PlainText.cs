namespace ConvNet.Reports;

/// <summary>Texts from elsewhere (names of models, files, layers) made fit for a page.</summary>
internal static class PlainText
{
    private const char Replacement = '\uFFFD';

    /// <summary>The text with a sign in place of every control character and half surrogate: XML has none of them, and
    /// people see none.</summary>
    public static string Of(string text) => string.Concat(text.EnumerateRunes()
        .Select(rune => System.Text.Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF
        ? rune.Value is '\n' or '\t' ? " " : Replacement.ToString()
        : rune.ToString()));
}
