using System.Text.RegularExpressions;
using System.Xml.Linq;
using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>Converts a plot to an SVG element for embedding in a page. The drawing scales, has an accessible name and
/// tooltips, and takes its colours from the page.</summary>
internal static partial class SvgDrawing
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>Draws a chart.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="width">The width.</param>
    /// <param name="id">The prefix of the ids in the drawing. It must be unique in the page.</param>
    /// <param name="palette">The colours of the series.</param>
    public static XElement Of(Chart chart, double width, string id, Palette palette)
    {
        Plot plot = Plot.Of(chart, width, palette);
        XElement drawing = XElement.Parse(Layout(plot));
        // The clipping groups are dropped: only names and figures beside the bars extend beyond the plot, and they must
        // not be clipped.
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

    /// <summary>Lays out a plot. Afterwards its axes can map values to positions.</summary>
    /// <returns>The drawing as SVG text.</returns>
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
