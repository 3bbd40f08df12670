using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace ConvNet.Reports.Plots;

/// <summary>Draws a <see cref="RooflineChart"/>: the roof, a point for each layer with an area proportional to its
/// share of the time, and the names of the layers that take the most time.</summary>
internal sealed class RooflinePlot
{
    private const double HeightOfWidth = 0.55, MinHeight = 320, MinMarker = 3, MaxMarker = 9, WidthOfAName = 70,
        LongestName = 140, SlopeInView = 20, Gap = 4;

    private readonly RooflineChart _chart;
    private readonly Palette _palette;
    private readonly RooflinePoint[] _points;
    private readonly Axis _x, _y;
    private readonly DataPoint[] _roof;
    private readonly Plot _plot;

    private RooflinePlot(RooflineChart chart, double width, Palette palette)
    {
        (_chart, _palette) = (chart, palette);
        _points = [.. chart.Points.OrderByDescending(point => point.Share)];
        double ridge = chart.Roofline.PeakGflops / chart.Roofline.MemoryGBs;
        _x = LogarithmicAxis(AxisPosition.Bottom, "operations per byte",
            Math.Min(ridge / SlopeInView, _points.Min(point => point.Intensity) / 2),
            4 * Math.Max(ridge, _points.Max(point => point.Intensity)));
        _y = LogarithmicAxis(AxisPosition.Left, "GFLOP/s",
            Math.Min(chart.Roofline.PeakGflops / SlopeInView, _points.Min(point => point.Gflops) / 2),
            1.8 * Math.Max(chart.Roofline.PeakGflops, _points.Max(point => point.Gflops)));
        // The slope enters the plot at the left or bottom edge.
        double foot = Math.Max(_x.Minimum, _y.Minimum / chart.Roofline.MemoryGBs);
        _roof = [new(foot, chart.RoofAt(foot)), new(ridge, chart.Roofline.PeakGflops),
            new(_x.Maximum, chart.Roofline.PeakGflops)];
        _plot = new Plot(Plot.NewModel(), width, Math.Max(MinHeight, Math.Round(width * HeightOfWidth)),
            [.. _points.Select(TextOf)]);
    }

    public static Plot Of(RooflineChart chart, double width, Palette palette)
    {
        var roofline = new RooflinePlot(chart, width, palette);
        roofline.AddRoofAndPoints();
        // Free space for names is known only after the layout.
        SvgDrawing.Layout(roofline._plot);
        roofline.AddNames((int)(width / WidthOfAName));
        return roofline._plot;
    }

    private static LogarithmicAxis LogarithmicAxis(AxisPosition position, string title, double least, double most)
        => Plot.Styled(new LogarithmicAxis { LabelFormatter = Number.Tick, Minimum = least, Maximum = most }, position,
            title);

    private void AddRoofAndPoints()
    {
        PlotModel model = _plot.Model;
        model.Axes.Add(_x);
        model.Axes.Add(_y);
        var roof = new LineSeries
        {
            Color = Ink.Text,
            StrokeThickness = 1.5,
            LineStyle = LineStyle.Solid,
            RenderInLegend = false
        };
        roof.Points.AddRange(_roof);
        model.Series.Add(roof);
        string[] series = [.. _chart.Points.Select(point => point.Series).Distinct()];
        LinePlot.AddLegend(model);
        for (int i = 0; i < series.Length; i++)
            model.Series.Add(new ScatterSeries
            {
                Title = series[i],
                MarkerType = LinePlot.ShapeOf(i),
                MarkerFill = Ink.Series(_palette[series[i]]),
                MarkerStrokeThickness = 0,
                MarkerSize = MaxMarker / 2
            });
        for (int i = 0; i < _points.Length; i++)
            model.Series.Add(LinePlot.Marker(Array.IndexOf(series, _points[i].Series), _palette[_points[i].Series],
                i + 1, _points[i].Intensity, _points[i].Gflops, SizeOf(_points[i])));
    }

    private static double SizeOf(RooflinePoint point)
        => Math.Clamp(2 * MaxMarker * Math.Sqrt(point.Share), MinMarker, MaxMarker);

    private string TextOf(RooflinePoint point)
        => $"{point.Name}, {point.Series}: {Number.Text(point.Gflops)} GFLOP/s at {Number.Text(point.Intensity)} "
            + "operations per byte, "
            + $"{Number.Percent(point.Gflops / _chart.RoofAt(point.Intensity))}% of the roof, "
            + $"{Number.Percent(point.Share)}% of the time";

    // A name must not cover another name, the roof or a point. A name that does not fit appears only in the table.
    private void AddNames(int most)
    {
        var space = new FreeSpace(_plot.Model.PlotArea);
        ScreenPoint[] roof = [.. _roof.Select(PositionOf)];
        space.Take(roof[0], roof[1]);
        space.Take(roof[1], roof[2]);
        AddNamesOfRoof(space, roof);
        foreach (RooflinePoint point in _points)
            space.Take(PositionOf(new DataPoint(point.Intensity, point.Gflops)), SizeOf(point));
        foreach (TextAnnotation label in _points.Select(point => NameOf(point, space)).OfType<TextAnnotation>()
            .Take(most))
            _plot.Model.Annotations.Add(label);
    }

    private void AddNamesOfRoof(FreeSpace space, ScreenPoint[] roof)
    {
        TextAnnotation peak = Label($"FMA peak {Number.Text(_chart.Roofline.PeakGflops)} GFLOP/s", _roof[2],
            new ScreenVector(-Gap, -1.5 * Gap), HorizontalAlignment.Right, VerticalAlignment.Bottom);
        space.TryTake(BoxOf(peak));
        _plot.Model.Annotations.Add(peak);

        // Above the slope and parallel to it.
        ScreenVector slope = roof[1] - roof[0], up = new(slope.Y / slope.Length, -slope.X / slope.Length);
        var middle = new DataPoint(Math.Sqrt(_roof[0].X * _roof[1].X), Math.Sqrt(_roof[0].Y * _roof[1].Y));
        TextAnnotation memory = Label($"memory {Number.Text(_chart.Roofline.MemoryGBs)} GB/s", middle, up * Gap,
            HorizontalAlignment.Center, VerticalAlignment.Bottom);
        memory.TextRotation = Math.Atan2(slope.Y, slope.X) * 180 / Math.PI;
        space.Take(roof[0] + up * Lettering.LineHeight, roof[1] + up * Lettering.LineHeight);
        _plot.Model.Annotations.Add(memory);
    }

    private TextAnnotation? NameOf(RooflinePoint point, FreeSpace space)
    {
        var position = new DataPoint(point.Intensity, point.Gflops);
        string name = Lettering.Fit(point.Name, LongestName);
        double away = SizeOf(point) + Gap;
        TextAnnotation[] candidates =
        [
            Label(name, position, new ScreenVector(away, 0), HorizontalAlignment.Left, VerticalAlignment.Middle),
            Label(name, position, new ScreenVector(-away, 0), HorizontalAlignment.Right, VerticalAlignment.Middle),
            Label(name, position, new ScreenVector(0, -away), HorizontalAlignment.Center, VerticalAlignment.Bottom),
            Label(name, position, new ScreenVector(0, away), HorizontalAlignment.Center, VerticalAlignment.Top),
        ];
        return candidates.FirstOrDefault(label => space.TryTake(BoxOf(label)));
    }

    private static TextAnnotation Label(string text, DataPoint position, ScreenVector offset,
        HorizontalAlignment horizontal, VerticalAlignment vertical) => new()
        {
            Text = text,
            TextPosition = position,
            Offset = offset,
            TextHorizontalAlignment = horizontal,
            TextVerticalAlignment = vertical,
            TextColor = Ink.Text,
            // Below the series, the halo of the text does not dim the points.
            Layer = AnnotationLayer.BelowSeries,
            StrokeThickness = 0,
            Padding = new OxyThickness(0),
        };

    private ScreenPoint PositionOf(DataPoint point) => new(_x.Transform(point.X), _y.Transform(point.Y));

    // OxyPlot numbers alignments −1, 0, 1: left or top, centre, right or bottom.
    private OxyRect BoxOf(TextAnnotation label)
    {
        double width = Lettering.Width(label.Text!), height = Lettering.LineHeight;
        ScreenPoint position = PositionOf(label.TextPosition) + label.Offset;
        return new OxyRect(position.X - width * ((int)label.TextHorizontalAlignment + 1) / 2,
            position.Y - height * ((int)label.TextVerticalAlignment + 1) / 2, width, height);
    }
}
