namespace ConvNet.Reports;

/// <summary>Sanitises texts from outside, such as names of models, files and layers.</summary>
internal static class PlainText
{
    private const char Replacement = '\uFFFD';

    /// <summary>Replaces every control character and unpaired surrogate, which XML does not allow.</summary>
    public static string Of(string text) => string.Concat(text.EnumerateRunes()
        .Select(rune => System.Text.Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF
        ? rune.Value is '\n' or '\t' ? " " : Replacement.ToString()
        : rune.ToString()));
}
