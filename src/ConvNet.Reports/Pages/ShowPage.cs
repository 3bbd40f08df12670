using ConvNet.Interpretation;
using ConvNet.Reports.Pictures;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>The page of <c>convnet show</c>: what a network computes from an image, in pictures.</summary>
public static class ShowPage
{
    // The maps of the shifted image are shown for the first operations, where a shift can be followed by eye.
    private const int ShownShifted = 4;

    /// <summary>Creates the page.</summary>
    /// <param name="view">What the network computes.</param>
    /// <param name="origin">How it was computed.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="document">The document of <c>--json</c>.</param>
    public static Page Of(NetworkView view, Origin origin, IReadOnlyList<Fact> settings, object document)
    {
        ArgumentNullException.ThrowIfNull(view);
        ArgumentNullException.ThrowIfNull(origin);
        return new Page($"{view.Model} looks at {view.Image}", Lead(view),
        [
            .. Sections(view),
            new Section("Settings, machine and versions", [origin.With(settings)]),
            new RawData(document),
        ]);
    }

    /// <summary>Returns the sections with the pictures.</summary>
    internal static IEnumerable<Section> Sections(NetworkView view) =>
    [
        new Section("Image", [Image(view)]),
        .. view.Scores.Count > 0 ? [new Section("Classes", [Scores(view)])] : (Section[])[],
        new Section("Operations", [Operations(view)]),
        new Section("Filters", [.. view.Filters.Select(Filters)]),
        new Section("Feature maps", [.. view.Maps.Select((maps, i) => Maps(view, maps, i < ShownShifted))]),
    ];

    /// <summary>Returns the pictures of the page, each as a PNG file with its name.</summary>
    /// <param name="page">The page.</param>
    public static IEnumerable<(string Name, byte[] Png)> Pictures(Page page)
    {
        ArgumentNullException.ThrowIfNull(page);
        return page.Blocks.OfType<Section>().SelectMany(section => section.Blocks.OfType<Gallery>())
            .SelectMany(gallery => gallery.Tiles.Select(tile => $"{gallery.Title} {tile.Caption}")
                .Zip(gallery.Tiles, (name, tile) => (name, tile.Picture)))
            .Select((each, i) => (Invariant($"{i + 1:000}-{FileName(each.name)}.png"), each.Picture.ToPng()));
    }

    private static string FileName(string text)
    {
        const int MostLetters = 80;
        string name = string.Concat(text.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' ? letter
            : '-')).Trim('-', '.');
        return name[..Math.Min(name.Length, MostLetters)];
    }

    private static string Lead(NetworkView view) => view.Scores is [var first, ..]
        ? Invariant($"{view.Model} assigns a probability of {first.Probability:0.0%} to {first.Name}.")
        : Invariant($"{view.Model} has {view.Maps.Count} operations and no classes.");

    private static Gallery Image(NetworkView view)
    {
        UnitView unit = view.Unit;
        ReceptiveField field = unit.Field;
        return new Gallery("Image",
            Invariant($"{view.Shape}. The shifted image is {view.Shift} pixels lower and further right. The frame is ")
            + Invariant($"the receptive field of unit ({unit.Y}, {unit.X}) of {unit.Node}: rows {field.Top} to ")
            + Invariant($"{field.Bottom - 1}, columns {field.Left} to {field.Right - 1}. ")
            + (view.Heat is { } heat
                ? Invariant($"The heat map is red where a patch of {heat.Patch} pixels makes the probability of ")
                    + Invariant($"class {heat.Class} fall, by up to {heat.Drops.Max():0.0%}, and blue where it makes ")
                    + "it rise."
                : ""),
        [
            new Tile("image", ImagePicture.Of(view.Pixels, view.Shape)),
            new Tile("shifted image", ImagePicture.Of(view.Shifted, view.Shape)),
            new Tile("receptive field", ImagePicture.With(field, view.Pixels, view.Shape)),
            .. view.Heat is null ? [] : (Tile[])[new Tile("occlusion",
                ImagePicture.With(view.Heat, view.Pixels, view.Shape))],
        ]);
    }

    private static BarChart Scores(NetworkView view) => new("Probabilities of the classes",
        "The classes with the highest probabilities.", "%",
        [.. view.Scores.Select(score => new BarGroup(score.Name, [new Bar("probability", 100 * score.Probability)]))]);

    private static DataTable Operations(NetworkView view) => new("Values of each operation",
        [new("operation"), new("shape"), new("smallest", true), new("mean", true), new("largest", true),
            new("above 0, %", true), new("dead maps", true), new($"after a shift by {view.Shift}, %", true)],
        [.. view.Maps.Select(each => (string[])[$"{each.Maps.Operation}", $"{each.Maps.Shape}",
            Number.Text(each.Maps.Values.Min()), Number.Text(each.Maps.Values.Average()),
            Number.Text(each.Maps.Values.Max()), Number.Text(100 * each.Maps.Active), $"{each.Maps.Dead}",
            each.Response is { } response ? Number.Text(100 * response) : Number.None])]);

    private static Gallery Filters(Filters filters)
    {
        (int k, int c, int h, int w)
            = (filters.Dimensions[0], filters.Dimensions[1], filters.Dimensions[2], filters.Dimensions[3]);
        string size = $"{k} {(k == 1 ? "filter" : "filters")} of {c}×{h}×{w}. ";
        if (filters.ReadColours)
            return new Gallery(filters.Name, size + "Grey is 0.",
                [new Tile("red, green and blue", filters.Picture())]);
        if (h * w == 1)
            return new Gallery(filters.Name, size + "A row for each filter; blue is below 0, red is above.",
                [new Tile("rows: filters, columns: channels", filters.Picture())]);
        string shown = k * c > MapSheet.MostMaps ? Invariant($" The first {MapSheet.MostMaps:N0} are shown.") : "";
        return new Gallery(filters.Name, size + "Blue is below 0, red is above. The channels of a filter follow one "
            + $"another.{shown}", [new Tile("filters", filters.Picture())]);
    }

    private static Gallery Maps(NetworkView view, MapsView each, bool withShifted)
    {
        FeatureMaps maps = each.Maps;
        Shape shape = maps.Shape;
        string shown = shape.C > MapSheet.MostMaps ? Invariant($" The first {MapSheet.MostMaps:N0} are shown.") : "";
        string title = $"{maps.Operation}";
        return new Gallery(title, $"{shape.C} maps of {shape.H}×{shape.W}. Bright is large.{shown}",
        [
            new Tile("maps of the image", Sheet(maps)),
            .. withShifted ? [new Tile($"maps of the image shifted by {view.Shift}", Sheet(each.Shifted))]
                : (Tile[])[],
        ]);
    }

    private static Raster Sheet(FeatureMaps maps) => MapSheet.Of(maps.Values, maps.Shape.C, maps.Shape.H,
        maps.Shape.W, ColourScale.Sequential(maps.Values));
}
