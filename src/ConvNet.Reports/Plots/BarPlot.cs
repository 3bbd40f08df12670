using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace ConvNet.Reports.Plots;

/// <summary>Draws a <see cref="BarChart"/>: one row per bar with the series on the left and the value on the right;
/// group names stand above their bars.</summary>
internal static class BarPlot
{
    private const double BarHeight = 16, Pitch = 22, HeadHeight = 22, GroupGap = 10, AxisHeight = 44, Gap = 6,
        WidestName = 0.4, WhiskerEnd = 4, MaxOfBars = 1.6;

    public static Plot Of(BarChart chart, double width, Palette palette)
    {
        // If each group has a single bar of the same series, the groups become the rows, provided that their names fit.
        bool plain = chart.Groups.All(group => group.Bars is [var only] && only.Name == chart.Groups[0].Bars[0].Name)
            && chart.Groups.All(group => group.Name.Length > 0 && Lettering.Width(group.Name) <= WidestName * width);
        bool heads = !plain && chart.Groups.Any(group => group.Name.Length > 0);
        string[] series = [.. chart.Groups.SelectMany(group => group.Bars).Select(bar => bar.Name).Distinct()];
        // A series name shared by all bars is not repeated.
        IEnumerable<string> names = plain ? chart.Groups.Select(group => group.Name) : heads && series.Length == 1 ? []
            : series;
        double left = Math.Ceiling(Math.Min(names.Select(Lettering.Width).DefaultIfEmpty().Max(), WidestName * width))
            + Gap;
        double right = chart.Groups.SelectMany(group => group.Bars).Max(bar => Lettering.Width(Number.Text(bar.Value)))
            + 2 * Gap;

        PlotModel model = Plot.NewModel();
        Axis values = ValueAxis(chart);
        var rows = new Rows(model, chart, values, left, width - left - right, palette, named: names.Any());
        foreach (BarGroup group in chart.Groups)
            rows.Add(group, plain ? group.Name : null, heads);
        double height = Math.Ceiling(rows.Height + AxisHeight);
        model.PlotMargins = new OxyThickness(left, 0, right, AxisHeight);
        model.Axes.Add(values);
        model.Axes.Add(new LinearAxis
        {
            Position = AxisPosition.Left,
            Minimum = 0,
            Maximum = rows.Height,
            StartPosition = 1,
            EndPosition = 0,
            IsAxisVisible = false
        });
        return new Plot(model, width, height, rows.Marks);
    }

    private static Axis ValueAxis(BarChart chart)
    {
        Bar[] bars = [.. chart.Groups.SelectMany(group => group.Bars)];
        // A very wide interval is clipped rather than making all bars short.
        double least = bars.Min(bar => Math.Min(bar.Value, bar.Low ?? bar.Value)), longest = bars.Max(bar => bar.Value);
        double most = Math.Min(bars.Max(bar => Math.Max(bar.Value, bar.High ?? bar.Value)), chart.AreRatios
            ? double.PositiveInfinity : MaxOfBars * longest);
        Axis axis = chart.AreRatios
            ? Plot.Styled(new LogarithmicAxis
            {
                Base = 2,
                Minimum = Math.Min(least, 1) / 1.1,
                Maximum = Math.Max(most, 2)
            }, AxisPosition.Bottom, chart.Unit)
            : Plot.Styled(new LinearAxis { Minimum = 0, Maximum = most > 0 ? most : 1 }, AxisPosition.Bottom,
                chart.Unit);
        axis.LabelFormatter = Number.Tick;
        return axis;
    }

    /// <summary>The rows of the plot.</summary>
    private sealed class Rows(PlotModel model, BarChart chart, Axis values, double left, double span, Palette palette,
        bool named)
    {
        private readonly double _base = chart.AreRatios ? 1 : 0;

        public List<string> Marks { get; } = [];

        public double Height { get; private set; }

        public void Add(BarGroup group, string? name, bool head)
        {
            if (head)
            {
                Write(Lettering.Fit(group.Name, left + span), Height + HeadHeight / 2, Ink.Text);
                Height += HeadHeight;
            }
            foreach (Bar bar in group.Bars)
                Add(bar, name ?? bar.Name, group.Name);
            Height += chart.Groups.Count > 1 && name is null ? GroupGap : 0;
        }

        private void Add(Bar bar, string name, string group)
        {
            double y = Height + Pitch / 2,
                end = Math.Min(Math.Max(Math.Max(bar.Value, _base), bar.High ?? bar.Value), values.Maximum);
            string interval = bar.Low is null ? "" : $" ({Number.Text(bar.Low)} to {Number.Text(bar.High)})";
            string of = group.Length > 0 ? $"{group}, " : "";
            Marks.Add($"{of}{bar.Name}: {Number.Text(bar.Value)}{interval} {chart.Unit}");
            var box = new RectangleBarSeries { StrokeColor = OxyColors.Undefined };
            box.Items.Add(new RectangleBarItem(
                Math.Min(_base, bar.Value), y - BarHeight / 2, Math.Max(_base, bar.Value), y + BarHeight / 2)
            {
                Color = Ink.Series(palette[bar.Series], Marks.Count),
            });
            model.Series.Add(box);
            if (bar is { Low: { } low, High: { } high })
                model.Series.Add(Whisker(low, high, values.Maximum, y));
            if (named)
                Write(Lettering.Fit(name, left - Gap), y, Ink.Quiet);
            model.Annotations.Add(Text(Number.Text(bar.Value), new DataPoint(end, y), Gap, Ink.Text));
            Height += Pitch;
        }

        private void Write(string text, double y, OxyColor colour)
            => model.Annotations.Add(Text(text, new DataPoint(values.Minimum, y), -left, colour));

        private static TextAnnotation Text(string text, DataPoint position, double offset, OxyColor colour) => new()
        {
            Text = text,
            TextPosition = position,
            Offset = new ScreenVector(offset, 0),
            TextHorizontalAlignment = HorizontalAlignment.Left,
            TextVerticalAlignment = VerticalAlignment.Middle,
            TextColor = colour,
            StrokeThickness = 0,
            Padding = new OxyThickness(0),
            ClipByXAxis = false,
            ClipByYAxis = false,
        };

        private static LineSeries Whisker(double low, double high, double most, double y)
        {
            var line = new LineSeries { Color = Ink.Text, StrokeThickness = 1, LineStyle = LineStyle.Solid };
            foreach (double end in ((double[])[low, high]).Where(end => end <= most))
                line.Points.AddRange([new(end, y - WhiskerEnd), new(end, y + WhiskerEnd), DataPoint.Undefined]);
            line.Points.AddRange([new(low, y), new(Math.Min(high, most), y)]);
            return line;
        }
    }
}
