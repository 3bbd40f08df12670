using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Encoded images of a place that have not been decoded yet.</summary>
/// <param name="Path">The path that was opened.</param>
/// <param name="Kind">The kind of the data.</param>
/// <param name="Classes">The number of classes.</param>
/// <param name="Train">The images to train with.</param>
/// <param name="Test">The images to test with; null if they are selected from the others.</param>
internal sealed record ImageListing(string Path, ImageSourceKind Kind, int Classes, LabelledImage[] Train,
    LabelledImage[]? Test)
{
    /// <summary>The name of each class; empty if they have none.</summary>
    public string[] ClassNames { get; init; } = [];

    /// <summary>What was not read.</summary>
    public string[] Ignored { get; init; } = [];

    /// <summary>The folder of each class, which must have images to train with; empty if classes have none.</summary>
    public string[] Folders { get; init; } = [];

    /// <summary>Decodes every image once, and opens the data.</summary>
    /// <inheritdoc cref="ImageSource.Open"/>
    public ImageSource Open(ImageSourceOptions options, CancellationToken cancellation)
    {
        Shape shape = options.Shape ?? throw new ArgumentException($"{Path} has encoded images, which may have any "
            + "size. Say which shape they are converted to.", nameof(options));
        ImageFile.CheckShape(shape, nameof(options));
        CheckFolders(Train, "no images");
        SkippedImage[] skipped = Decode([.. Train, .. Test ?? []], shape, options, cancellation);
        var bad = skipped.Select(image => image.File).ToHashSet(StringComparer.Ordinal);
        LabelledImage[] train = [.. Train.Where(image => !bad.Contains(image.Name))],
            test = [.. (Test ?? []).Where(image => !bad.Contains(image.Name))];
        CheckFolders(train, "no image that can be read");
        if (Test is null)
            (train, test) = Split(train, options.Split);
        else if (train.Length == 0 || test.Length == 0)
            throw new InvalidDataException(
                $"{Path} has no {(train.Length == 0 ? "training" : "test")} image that can be read.");
        return new ImageSource(Path, Kind, new LabelledImages(train, shape, Classes),
            new LabelledImages(test, shape, Classes))
        {
            ClassNames = ClassNames,
            Split = Test is null ? options.Split : null,
            Skipped = skipped,
            Ignored = Ignored,
        };
    }

    // Decodes every image once, and keeps the first ones.
    private static SkippedImage[] Decode(LabelledImage[] images, Shape shape, ImageSourceOptions options,
        CancellationToken cancellation)
    {
        long kept = options.CacheBytes / shape.Length;
        var failures = new string?[images.Length];
        ImageFile.LoadDecoder();
        Parallel.For(0, images.Length, new ParallelOptions
        {
            CancellationToken = cancellation,
            MaxDegreeOfParallelism = Environment.ProcessorCount,
        },
        (i, loop) =>
        {
            try
            {
                byte[] pixels = images[i].Read(shape);
                if (i < kept)
                    images[i].Keep(pixels);
            }
            catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
            {
                failures[i] = error.Message;
                // All images before this one are still read, so that the first failure is always the same.
                if (options.BadImages == BadImages.Stop)
                    loop.Break();
            }
        });
        SkippedImage[] bad = [.. images.Zip(failures).Where(each => each.Second is not null)
            .Select(each => new SkippedImage(each.First.Name, each.Second!))];
        return bad.Length == 0 || options.BadImages == BadImages.Skip ? bad : throw new InvalidDataException(
            $"{bad[0].Reason} Replace or remove the image, or leave out such images "
            + "(--on-bad-image skip, BadImages.Skip).");
    }

    private (LabelledImage[] Train, LabelledImage[] Test) Split(LabelledImage[] all, DataSplit split)
    {
        (int[] first, int[] second) = StratifiedSplit.Of(Array.ConvertAll(all, image => image.Label),
            split.TestShare, split.Seed);
        LabelledImage[] train = [.. first.Select(i => all[i])], test = [.. second.Select(i => all[i])];
        if (test.Length == 0)
            throw new ArgumentException(
                Invariant($"A test share of {split.TestShare} of the {all.Length:N0} images in {Path} leaves none to ")
                + "test. Use a larger share or more images.");
        CheckFolders(train, Invariant($"no image left to train with a test share of {split.TestShare}"));
        return (train, test);
    }

    private void CheckFolders(LabelledImage[] images, string lacks)
    {
        var present = images.Select(image => image.Label).ToHashSet();
        for (int label = 0; label < Folders.Length; label++)
        {
            if (!present.Contains(label))
                throw new InvalidDataException($"{Folders[label]} has {lacks}. Add images or remove the folder.");
        }
    }
}
