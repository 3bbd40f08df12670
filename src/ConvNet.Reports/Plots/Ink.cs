using System.Globalization;
using System.Text.RegularExpressions;
using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>Colours by what they are for. A plot is drawn in numbers that stand for them; the page's style sheet says
/// how they look, in the light and in the dark.</summary>
/// <remarks>A mark's number carries which mark it is, so that the drawing can be given its name afterwards.</remarks>
internal static partial class Ink
{
    /// <summary>The number of colours that series have; then they begin again.</summary>
    public const int SeriesColours = 6;

    private const byte Words = 1, QuietWords = 2, Rules = 3, FirstSeries = 10;

    /// <summary>Texts.</summary>
    public static OxyColor Text { get; } = OxyColor.FromRgb(Words, 0, 0);

    /// <summary>Texts that stand back: numbers and titles of axes, names that repeat.</summary>
    public static OxyColor Quiet { get; } = OxyColor.FromRgb(QuietWords, 0, 0);

    /// <summary>Axes and the lines of a grid.</summary>
    public static OxyColor Rule { get; } = OxyColor.FromRgb(Rules, 0, 0);

    /// <summary>A series, and which of the plot's marks it is; 0 where it is none.</summary>
    public static OxyColor Series(int series, int mark = 0)
        => OxyColor.FromRgb((byte)(FirstSeries + series % SeriesColours), (byte)(mark >> 8), (byte)mark);

    /// <summary>A style of the drawing with the names of the style sheet, and the number of the mark; 0 where it is
    /// none.</summary>
    public static (string Style, int Mark) Resolve(string style)
    {
        int mark = 0;
        string resolved = Colour().Replace(style, match =>
        {
            int[] parts = [.. match.Groups.Values.Skip(1)
                .Select(group => int.Parse(group.Value, CultureInfo.InvariantCulture))];
            if (parts[0] >= FirstSeries)
                mark = parts[1] << 8 | parts[2];
            return parts[0] switch
            {
                Words => "var(--text)",
                QuietWords => "var(--quiet)",
                Rules => "var(--rule)",
                int series => string.Create(CultureInfo.InvariantCulture, $"var(--series{series - FirstSeries})"),
            };
        });
        return (resolved, mark);
    }

    [GeneratedRegex(@"rgb\((\d+),(\d+),(\d+)\)")]
    private static partial Regex Colour();
}
