using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace ConvNet.Reports.Plots;

/// <summary>Draws <see cref="LineChart"/>: every line with a colour and a dash of its own, its points marked where there are few.</summary>
internal static class LinePlot
{
    private const double HeightOfWidth = 0.42, LeastHeight = 240, MarkerSize = 3.5, RoomAboveLegend = 6;
    private const int MostMarkers = 40;

    private static readonly LineStyle[] Dashes = [LineStyle.Solid, LineStyle.Dash, LineStyle.Dot, LineStyle.DashDot];

    public static Plot Of(LineChart chart, double width)
    {
        PlotModel model = Plot.NewModel();
        model.Axes.Add(XAxis(chart));
        Axis vertical = Plot.Styled(new LinearAxis { MaximumPadding = 0.04, MinimumPadding = 0.04, LabelFormatter = Number.Tick }, AxisPosition.Left, chart.Y);
        if (chart.Lines.SelectMany(line => line.Points).All(point => point.Y >= 0))
            vertical.Minimum = 0;
        model.Axes.Add(vertical);
        if (chart.Lines.Count > 1)
            AddLegend(model);
        var marks = new List<string>();
        foreach ((int i, Line line) in chart.Lines.Index())
        {
            var drawn = new LineSeries { Title = line.Name, Color = Ink.Series(i), StrokeThickness = 2, LineStyle = Dashes[i % Dashes.Length], LineJoin = LineJoin.Round };
            drawn.Points.AddRange(line.Points.Select(point => new DataPoint(point.X, point.Y)));
            model.Series.Add(drawn);
            if (line.Points.Count <= MostMarkers)
                AddMarkers(model, chart, line, i, marks);
        }
        return new Plot(model, width, Math.Max(LeastHeight, Math.Round(width * HeightOfWidth)), marks);
    }

    /// <summary>Puts a legend above the plot, which breaks its line where it must.</summary>
    public static void AddLegend(PlotModel model)
    {
        model.Padding = new OxyThickness(0, RoomAboveLegend, 0, 0);
        model.Legends.Add(NewLegend());
    }

    private static Legend NewLegend() => new()
    {
        LegendPlacement = LegendPlacement.Outside,
        LegendPosition = LegendPosition.TopLeft,
        LegendOrientation = LegendOrientation.Horizontal,
        LegendMargin = 0,
        LegendPadding = 0,
        LegendItemSpacing = 18,
        LegendFontSize = Lettering.Size,
        LegendTextColor = Ink.Text,
        LegendBorderThickness = 0,
    };

    /// <summary>A point of a series, with its number among the plot's marks.</summary>
    public static ScatterSeries Marker(int series, int mark, double x, double y, double size)
    {
        var point = new ScatterSeries { RenderInLegend = false, MarkerType = ShapeOf(series), MarkerFill = Ink.Series(series, mark), MarkerStrokeThickness = 0, MarkerSize = size };
        point.Points.Add(new ScatterPoint(x, y));
        return point;
    }

    /// <summary>The shape of a series' points.</summary>
    public static MarkerType ShapeOf(int series) => (series % 4) switch { 0 => MarkerType.Circle, 1 => MarkerType.Triangle, 2 => MarkerType.Square, _ => MarkerType.Diamond };

    private static void AddMarkers(PlotModel model, LineChart chart, Line line, int series, List<string> marks)
    {
        foreach ((double x, double y) in line.Points.Where(point => double.IsFinite(point.Y)))
        {
            marks.Add($"{line.Name}, {chart.X} {Number.Text(x)}: {Number.Text(y)} {chart.Y}");
            model.Series.Add(Marker(series, marks.Count, x, y, MarkerSize));
        }
    }

    // Half a step to both sides of a single point, so that there is an axis.
    private static LinearAxis XAxis(LineChart chart)
    {
        double[] x = [.. chart.Lines.SelectMany(line => line.Points).Select(point => point.X)];
        double least = x.Min(), most = x.Max(), margin = least == most ? 0.5 : 0;
        return Plot.Styled(new LinearAxis
        {
            Minimum = least - margin,
            Maximum = most + margin,
            MinimumMajorStep = 1,
            LabelFormatter = Number.Tick,
        }, AxisPosition.Bottom, chart.X);
    }
}
