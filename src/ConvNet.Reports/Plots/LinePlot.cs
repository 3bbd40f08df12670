using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace ConvNet.Reports.Plots;

/// <summary>Draws a <see cref="LineChart"/>. Each line has its own colour and dash pattern. Points are marked if there
/// are few.</summary>
internal static class LinePlot
{
    private const double HeightOfWidth = 0.42, MinHeight = 240, MarkerSize = 3.5, RoomAboveLegend = 6;
    private const int MaxMarkers = 40;

    // If the minimum is below this share of the maximum, the axis starts at 0.
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
            if (line.Points.Count <= MaxMarkers)
                AddMarkers(model, chart, line, i, palette[line.Name], marks);
        }
        return new Plot(model, width, Math.Max(MinHeight, Math.Round(width * HeightOfWidth)), marks);
    }

    /// <summary>Adds a legend above the plot. It wraps if necessary.</summary>
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

    /// <summary>Creates a marker for a point of a series, with its number among the marks of the plot.</summary>
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

    /// <summary>Returns the marker shape of a series.</summary>
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

    // Spans the values with a margin, includes 0 if it is near, and does not exceed the maximum of the chart.
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

    // A single point gets a margin, because an axis cannot be empty.
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
