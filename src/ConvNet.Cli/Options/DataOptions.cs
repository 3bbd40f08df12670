using System.CommandLine;
using System.Globalization;
using ConvNet.Cli.Verbs;
using ConvNet.Data;

namespace ConvNet.Cli;

/// <summary>The options that name the data of a verb and say how it is read.</summary>
/// <param name="Data">The option <c>--data</c>.</param>
/// <param name="TestShare">The option <c>--test-share</c>.</param>
/// <param name="OnBadImage">The option <c>--on-bad-image</c>.</param>
internal sealed record DataOptions(Option<string> Data, Option<double?> TestShare, Option<string> OnBadImage)
{
    /// <summary>The words of <c>--on-bad-image</c>.</summary>
    public const string Stop = "stop", Skip = "skip";

    // Selects test images where no saved training says which they are.
    private const ulong DefaultSeed = 1;

    private const int NamesShown = 5;
    private const double DefaultShare = 0.2;

    /// <summary>Parses the value of <c>--resize</c>.</summary>
    /// <param name="text">A side, as 32; rows and columns, as 32x48; or channels, rows and columns, as 1x32x48.</param>
    /// <param name="channels">The number of channels where the text has none.</param>
    /// <exception cref="FormatException">The text is none of these.</exception>
    public static Shape ParseSize(string text, int channels)
    {
        string[] sizes = text.Split('x', '×');
        return Shape.Parse(sizes.Length switch
        {
            1 => $"{channels}x{text}x{text}",
            2 => $"{channels}x{text}",
            _ => text,
        });
    }

    /// <summary>Whether image files that cannot be read are left out.</summary>
    public bool Skips(ParseResult command) => command.GetValue(OnBadImage) == Skip;

    /// <summary>Opens the data that a command names.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="terminal">Receives warnings about files that are left out, and cancels the opening.</param>
    /// <param name="name">The name or the path of the data.</param>
    /// <param name="shape">The shape that images are converted to; null if the command does not say it.</param>
    /// <param name="split">How a saved training has selected its test images; null if there is none.</param>
    /// <param name="seed">The seed that selects test images if there is no such training.</param>
    public ImageSource Open(ParseResult command, Terminal terminal, string name, Shape? shape, DataSplit? split,
        ulong seed = DefaultSeed)
    {
        ImageSourceKind kind = ImageSource.KindOf(name);
        bool encoded = ImageSource.HasEncodedImages(kind);
        if (encoded && shape is null)
            throw new ArgumentException($"{name} has images in files, which may have any size. Say which size the "
                + "network reads with --resize, as in --resize 32 or --resize 3x48x64, or name a network by --model.");
        if (!encoded && Verb.IsGiven(command, OnBadImage))
            throw new ArgumentException($"{OnBadImage.Name} is for image files, which {name} does not have. Omit it.");
        bool skips = Skips(command);
        double? share = command.GetValue(TestShare);
        var source = ImageSource.Open(name, new ImageSourceOptions
        {
            Shape = shape,
            Split = new DataSplit(share ?? split?.TestShare ?? DefaultShare, split?.Seed ?? seed),
            BadImages = skips ? BadImages.Skip : BadImages.Stop,
        }, terminal.Cancellation);
        if (share is not null && source.Split is null)
            throw new ArgumentException($"{name} has test images of its own. Omit {TestShare.Name}.");
        if (source.Skipped is [var first, ..])
            Warn(terminal, "cannot be read", [.. source.Skipped.Select(image => image.File)], $" {first.Reason}");
        if (source.Ignored.Count > 0)
            Warn(terminal, "not an image by name and place", source.Ignored, "");
        return source;
    }

    /// <summary>Returns what a JSON document says about images that were left out; null if there are none.</summary>
    public static object? SkippedOf(ImageSource source) => source.Skipped.Count == 0 ? null : new
    {
        source.Skipped.Count,
        files = source.Skipped.Select(image => new { image.File, image.Reason }),
    };

    private static void Warn(Terminal terminal, string why, IReadOnlyList<string> files, string more)
        => terminal.Warn($"left out, {why}: {files.Count.ToString("N0", CultureInfo.InvariantCulture)} "
            + $"{(files.Count == 1 ? "file" : "files")}: {string.Join(", ", files.Take(NamesShown))}"
            + $"{(files.Count > NamesShown ? ", …" : ".")}{more}");
}
