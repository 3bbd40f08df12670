using OxyPlot;
using OxyPlot.Axes;

namespace ConvNet.Reports.Plots;

/// <summary>A chart drawn for a given width.</summary>
/// <param name="Model">The OxyPlot model.</param>
/// <param name="Width">The width.</param>
/// <param name="Height">The height.</param>
/// <param name="Marks">The tooltips of the marks. Mark numbers start at 1.</param>
internal sealed record Plot(PlotModel Model, double Width, double Height, IReadOnlyList<string> Marks)
{
    private const double Gap = 8, TickToLabel = 8;

    /// <summary>Draws a chart.</summary>
    public static Plot Of(Chart chart, double width, Palette palette) => chart switch
    {
        BarChart bars => BarPlot.Of(bars, width, palette),
        LineChart lines => LinePlot.Of(lines, width, palette),
        RooflineChart roofline => RooflinePlot.Of(roofline, width, palette),
        _ => throw new NotSupportedException($"{chart.GetType().Name} cannot be plotted."),
    };

    /// <summary>Creates a model with the common style: no frame and unobtrusive axes.</summary>
    public static PlotModel NewModel() => new()
    {
        DefaultFont = Lettering.Family,
        DefaultFontSize = Lettering.Size,
        TextColor = Ink.Quiet,
        PlotAreaBorderThickness = new OxyThickness(0),
        PlotAreaBorderColor = OxyColors.Undefined,
        Padding = new OxyThickness(0),
        IsLegendVisible = true,
    };

    /// <summary>Applies the common style to an axis.</summary>
    public static T Styled<T>(T axis, AxisPosition position, string title) where T : Axis
    {
        axis.Position = position;
        axis.Title = title;
        axis.AxisTitleDistance = Gap;
        axis.AxisTickToLabelDistance = position == AxisPosition.Bottom ? TickToLabel : TickToLabel / 2;
        axis.TicklineColor = axis.MinorTicklineColor = axis.AxislineColor = axis.MajorGridlineColor = Ink.Rule;
        axis.MajorGridlineStyle = LineStyle.Solid;
        axis.MajorGridlineThickness = 1;
        axis.TickStyle = TickStyle.None;
        return axis;
    }
}
