using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>The font of plots. Text widths are those of Arial, which Helvetica and Liberation Sans share.</summary>
internal static class Lettering
{
    /// <summary>The font family.</summary>
    public const string Family = "Arial";

    /// <summary>The font size.</summary>
    public const double Size = 12;

    private const double Regular = 400;
    private const string Ellipsis = "...";

    /// <summary>The context that measures texts.</summary>
    public static IRenderContext Measurer { get; } = new Metrics();

    /// <summary>Returns the width of a text.</summary>
    public static double Width(string text) => Measurer.MeasureText(text, Family, Size, Regular).Width;

    /// <summary>The height of a line, including spacing.</summary>
    public const double LineHeight = 16;

    /// <summary>Shortens a text with an ellipsis to fit a width.</summary>
    public static string Fit(string text, double width)
    {
        if (Width(text) <= width)
            return text;
        int length = text.Length;
        while (length > 0 && Width(text[..length] + Ellipsis) > width)
            length--;
        // Do not split a surrogate pair.
        if (length > 0 && char.IsHighSurrogate(text[length - 1]))
            length--;
        return text[..length].TrimEnd() + Ellipsis;
    }

    /// <summary>The metrics of Arial in PDF, converted from points to pixels. They cover Latin-1; any other character
    /// counts as a square.</summary>
    private sealed class Metrics() : PdfRenderContext(1, 1, OxyColors.Undefined)
    {
        private const double PixelsOfAPoint = 4 / 3.0;
        private const char LastOfLatin1 = '\u00FF';

        public override OxySize MeasureText(string text, string fontFamily, double fontSize, double fontWeight)
        {
            int others = text?.Count(letter => letter > LastOfLatin1) ?? 0;
            OxySize size = base.MeasureText(others == 0 ? text
                : string.Concat(text!.Where(letter => letter <= LastOfLatin1)), fontFamily, fontSize, fontWeight);
            return new OxySize(PixelsOfAPoint * size.Width + fontSize * others, PixelsOfAPoint * size.Height);
        }
    }
}
