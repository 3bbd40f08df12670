using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace ConvNet.Reports.Plots;

/// <summary>Draws <see cref="LineChart"/>: every line with a colour and a dash of its own, its points marked where
/// there are few.</summary>
internal static class LinePlot
{
    private const double HeightOfWidth = 0.42, LeastHeight = 240, MarkerSize = 3.5, RoomAboveLegend = 6;
    private const int MostMarkers = 40;

    // The least value is so near to 0, as a share of the greatest, that the axis may as well begin there.
    private const double NearZero = 0.15, MarginOfRange = 0.06;

    private static readonly LineStyle[] Dashes = [LineStyle.Solid, LineStyle.Dash, LineStyle.Dot, LineStyle.DashDot];

    public static Plot Of(LineChart chart, double width, Palette palette)
    {
        PlotModel model = Plot.NewModel();
        model.Axes.Add(XAxis(chart));
        model.Axes.Add(YAxis(chart));
        if (chart.Lines.Count > 1)
            AddLegend(model);
        var marks = new List<string>();
        foreach ((int i, Line line) in chart.Lines.Index())
        {
            var drawn = new LineSeries
            {
                Title = line.Name,
                Color = Ink.Series(palette[line.Name]),
                StrokeThickness = 2,
                LineStyle = Dashes[i % Dashes.Length],
                LineJoin = LineJoin.Round
            };
            drawn.Points.AddRange(line.Points.Select(point => new DataPoint(point.X, point.Y)));
            model.Series.Add(drawn);
            if (line.Points.Count <= MostMarkers)
                AddMarkers(model, chart, line, i, palette[line.Name], marks);
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
    public static ScatterSeries Marker(int series, int colour, int mark, double x, double y, double size)
    {
        var point = new ScatterSeries
        {
            RenderInLegend = false,
            MarkerType = ShapeOf(series),
            MarkerFill = Ink.Series(colour, mark),
            MarkerStrokeThickness = 0,
            MarkerSize = size
        };
        point.Points.Add(new ScatterPoint(x, y));
        return point;
    }

    /// <summary>The shape of a series' points.</summary>
    public static MarkerType ShapeOf(int series) => (series % 4)
        switch
    { 0 => MarkerType.Circle, 1 => MarkerType.Triangle, 2 => MarkerType.Square, _ => MarkerType.Diamond };

    private static void AddMarkers(PlotModel model, LineChart chart, Line line, int series, int colour,
        List<string> marks)
    {
        foreach ((double x, double y) in line.Points.Where(point => double.IsFinite(point.Y)))
        {
            marks.Add($"{line.Name}, {chart.X} {Number.Text(x)}: {Number.Text(y)} {chart.Y}");
            model.Series.Add(Marker(series, colour, marks.Count, x, y, MarkerSize));
        }
    }

    // What the values span with a margin, and 0 where that is near; not more than there can be.
    private static LinearAxis YAxis(LineChart chart)
    {
        IEnumerable<double> values = chart.Lines.SelectMany(line => line.Points).Select(point => point.Y);
        double[] y = [.. values.Where(double.IsFinite).DefaultIfEmpty()];
        double least = y.Min(), most = y.Max();
        double margin = least < most ? MarginOfRange * (most - least) : least == 0 ? 1
            : MarginOfRange * Math.Abs(least);
        return Plot.Styled(new LinearAxis
        {
            Minimum = least >= 0 && least <= NearZero * most ? 0 : least - margin,
            Maximum = Math.Max(Math.Min(most + margin, chart.Most), most),
            LabelFormatter = Number.Tick,
        }, AxisPosition.Left, chart.Y);
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
