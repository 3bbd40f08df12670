using System.Text.RegularExpressions;
using System.Xml.Linq;
using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>A plot as an SVG element that may stand in a page: it scales, has a name, takes its colours from the page,
/// and its marks say what they are.</summary>
internal static partial class SvgDrawing
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>Draws a chart.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="width">Its width.</param>
    /// <param name="id">What the names inside begin with: it must be the page's only one.</param>
    /// <param name="palette">The colours of its series.</param>
    public static XElement Of(Chart chart, double width, string id, Palette palette)
    {
        Plot plot = Plot.Of(chart, width, palette);
        XElement drawing = XElement.Parse(Layout(plot));
        // Nothing reaches out of its plot but names and figures beside the bars, which must not be cut off.
        XElement[] drawn = [.. drawing.Elements(Svg + "g").Elements().Where(element => !IsInvisible(element))];
        foreach (XElement element in drawn)
            Finish(element, plot.Marks);
        return new XElement(Svg + "svg",
            new XAttribute("viewBox", FormattableString.Invariant($"0 0 {width} {plot.Height}")),
                new XAttribute("width", width), new XAttribute("height", plot.Height),
            new XAttribute("role", "img"), new XAttribute("aria-labelledby", $"{id}-title {id}-desc"),
            new XElement(Svg + "title", new XAttribute("id", $"{id}-title"), chart.Title),
            new XElement(Svg + "desc", new XAttribute("id", $"{id}-desc"), chart.Description),
            drawn);
    }

    /// <summary>Lays a plot out: its axes know from then on where a value is drawn.</summary>
    /// <returns>The drawing.</returns>
    public static string Layout(Plot plot)
        => SvgExporter.ExportToString(plot.Model, plot.Width, plot.Height, false, Lettering.Measurer);

    private static void Finish(XElement element, IReadOnlyList<string> marks)
    {
        foreach (XAttribute attribute in element.Attributes().ToList())
        {
            if (attribute.Name == "font-family")
                attribute.Remove();
            if (attribute.Name == "fill")
            {
                attribute.Remove();
                element.SetAttributeValue("style", $"fill:{Ink.Resolve(attribute.Value).Style}");
            }
            if (attribute.Name == "style")
            {
                (attribute.Value, int mark) = Ink.Resolve(attribute.Value);
                if (mark > 0)
                    element.Add(new XAttribute("class", "mark"), new XElement(Svg + "title", marks[mark - 1]));
            }
        }
    }

    private static bool IsInvisible(XElement element)
        => element.Attribute("style") is { Value: var style } && style.Contains("fill:none", StringComparison.Ordinal)
            && (style.Contains("stroke:none", StringComparison.Ordinal) || NoStroke().IsMatch(style));

    [GeneratedRegex("stroke-width:0(;|$)")]
    private static partial Regex NoStroke();
}
