namespace ConvNet.Reports.Plots;

/// <summary>Assigns colours to the series of a page. A name has the same colour in all charts of the same kind,
/// independent of the other series and their order.</summary>
/// <remarks>
/// Each name has a preferred colour, which is the same on every page. If two names prefer the same colour, one gets the
/// next free one. With more than <see cref="Ink.SeriesColours"/> names, colours repeat.
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

    /// <summary>Returns the colour of a series.</summary>
    public int this[string name] => _colours[name];

    /// <summary>Creates the palette of a single chart.</summary>
    public static Palette Of(Chart chart) => new(NamesOf(chart));

    /// <summary>Creates the palettes of a page, one for each kind of chart: backends, curves and passes are
    /// unrelated.</summary>
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
        _ => throw new NotSupportedException($"{chart.GetType().Name} cannot be plotted."),
    };

    // FNV-1a, which unlike string.GetHashCode is the same in every process.
    private static int PreferredOf(string name) => (int)(name.Aggregate(2166136261u,
        (hash, c) => unchecked((hash ^ c) * 16777619u)) % Ink.SeriesColours);
}
