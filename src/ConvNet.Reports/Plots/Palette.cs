namespace ConvNet.Reports.Plots;

/// <summary>The colours of a page's series: a name has the same one in all charts of its kind, whatever else they show
/// and in whatever order.</summary>
/// <remarks>
/// Each name has a colour that it prefers on every page; where two prefer the same, one takes the next that is free.
/// Beyond <see cref="Ink.SeriesColours"/> names they share colours.
/// </remarks>
internal sealed class Palette
{
    private readonly Dictionary<string, int> _colours = new(StringComparer.Ordinal);

    private Palette(IEnumerable<string> names)
    {
        var free = Enumerable.Range(0, Ink.SeriesColours).ToList();
        foreach (string name in names.Distinct().Order(StringComparer.Ordinal))
        {
            int preferred = PreferredOf(name);
            int taken = free.Count == 0 ? preferred : free.MinBy(colour
                => (colour - preferred + Ink.SeriesColours) % Ink.SeriesColours);
            free.Remove(taken);
            _colours.Add(name, taken);
        }
    }

    /// <summary>The colour of a series.</summary>
    public int this[string name] => _colours[name];

    /// <summary>The palette of a chart by itself.</summary>
    public static Palette Of(Chart chart) => new(NamesOf(chart));

    /// <summary>The palettes of a page, by the kind of chart: backends, curves and passes are different
    /// things.</summary>
    public static IReadOnlyDictionary<Type, Palette> Of(Page page)
        => ChartsOf(page.Blocks).GroupBy(chart => chart.GetType()).ToDictionary(of => of.Key,
            of => new Palette(of.SelectMany(NamesOf)));

    private static IEnumerable<Chart> ChartsOf(IEnumerable<Block> blocks) => blocks.SelectMany(block => block switch
    {
        Chart chart => [chart],
        Section section => ChartsOf(section.Blocks),
        _ => [],
    });

    private static IEnumerable<string> NamesOf(Chart chart) => chart switch
    {
        BarChart bars => bars.Groups.SelectMany(group => group.Bars).Select(bar => bar.Series),
        LineChart lines => lines.Lines.Select(line => line.Name),
        RooflineChart roofline => roofline.Points.Select(point => point.Series),
        _ => throw new NotSupportedException($"There is no plot of a {chart.GetType().Name}."),
    };

    // FNV-1a: the same in every process.
    private static int PreferredOf(string name) => (int)(name.Aggregate(2166136261u,
        (hash, c) => unchecked((hash ^ c) * 16777619u)) % Ink.SeriesColours);
}
