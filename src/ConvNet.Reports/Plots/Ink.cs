using System.Globalization;
using System.Text.RegularExpressions;
using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>Colours by purpose. Plots are drawn in placeholder colours, which are replaced by variables of the style
/// sheet, so that they adapt to light and dark mode.</summary>
/// <remarks>The placeholder colour of a mark encodes its number, so that the drawing can add its tooltip.</remarks>
internal static partial class Ink
{
    /// <summary>The number of series colours. After that, colours repeat.</summary>
    public const int SeriesColours = 6;

    private const byte Words = 1, QuietWords = 2, Rules = 3, FirstSeries = 10;

    /// <summary>Text.</summary>
    public static OxyColor Text { get; } = OxyColor.FromRgb(Words, 0, 0);

    /// <summary>Secondary text: axis labels and repeated names.</summary>
    public static OxyColor Quiet { get; } = OxyColor.FromRgb(QuietWords, 0, 0);

    /// <summary>Axes and grid lines.</summary>
    public static OxyColor Rule { get; } = OxyColor.FromRgb(Rules, 0, 0);

    /// <summary>Returns the colour of a series that also encodes the number of a mark, or 0.</summary>
    public static OxyColor Series(int series, int mark = 0)
        => OxyColor.FromRgb((byte)(FirstSeries + series % SeriesColours), (byte)(mark >> 8), (byte)mark);

    /// <summary>Replaces the placeholder colours in a style by variables of the style sheet, and returns the number of
    /// the mark, or 0.</summary>
    public static (string Style, int Mark) Resolve(string style)
    {
        int mark = 0;
        string resolved = Colour().Replace(style, match =>
        {
            int[] channels = [.. match.Groups.Values.Skip(1)
                .Select(group => int.Parse(group.Value, CultureInfo.InvariantCulture))];
            if (channels[0] >= FirstSeries)
                mark = channels[1] << 8 | channels[2];
            return channels[0] switch
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
