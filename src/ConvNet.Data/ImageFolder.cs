using System.Numerics.Tensors;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Image files with a class each, decoded when they are read.</summary>
internal sealed class ImageFolder : IDataset
{
    private const string Train = "train", Test = "test", Validation = "val";

    private readonly LabelledFile[] _images;
    private readonly Shape _shape;

    private ImageFolder(LabelledFile[] images, Shape shape, int classes)
    {
        (_images, _shape) = (images, shape);
        (InputShapes, Targets) = ([shape], [TargetDescription.OfClasses(classes)]);
    }

    public int Count => _images.Length;

    public IReadOnlyList<InputShape> InputShapes { get; }

    public IReadOnlyList<TargetDescription> Targets { get; }

    public void Read(int index, Sample sample)
    {
        LabelledFile image = _images[index];
        TensorPrimitives.ConvertTruncating<byte, float>(image.Pixels ?? ImageFile.Read(image.Path, _shape),
            sample.Input);
        sample.Classes[0] = image.Label;
    }

    public int? ClassOf(int index) => _images[index].Label;

    public string? FileOf(int index) => _images[index].Path;

    /// <summary>Opens a folder of images.</summary>
    /// <inheritdoc cref="ImageSource.Open"/>
    public static ImageSource Open(string folder, ImageSourceOptions options, CancellationToken cancellation)
    {
        Shape shape = options.Shape ?? throw new ArgumentException($"{folder} is a folder of images, which may have "
            + "any size. Say which shape they are converted to.", nameof(options));
        ImageFile.CheckShape(shape, nameof(options));
        Listing listing = Listing.Of(folder);
        LabelledFile[] all = [.. listing.Train, .. listing.Test ?? []];
        SkippedImage[] skipped = Decode(all, shape, options, cancellation);
        var bad = skipped.Select(image => image.File).ToHashSet(StringComparer.Ordinal);
        LabelledFile[] train = [.. listing.Train.Where(image => !bad.Contains(image.Path))],
            test = [.. (listing.Test ?? []).Where(image => !bad.Contains(image.Path))];
        int classes = listing.Classes.Length;
        CheckClasses(listing, train, "no image that can be read");
        if (listing.Test is null)
        {
            (int[] first, int[] second) = StratifiedSplit.Of(Array.ConvertAll(train, image => image.Label),
                options.Split.TestShare, options.Split.Seed);
            (train, test) = ([.. first.Select(i => train[i])], [.. second.Select(i => train[i])]);
            CheckShare(folder, listing, train, test, options.Split.TestShare);
        }
        else if (test.Length == 0)
            throw new InvalidDataException($"{folder} has no test image that can be read.");
        return new ImageSource(folder, ImageSourceKind.Images, new ImageFolder(train, shape, classes),
            new ImageFolder(test, shape, classes))
        {
            ClassNames = listing.Classes,
            Split = listing.Test is null ? options.Split : null,
            Skipped = skipped,
            Ignored = listing.Ignored,
        };
    }

    /// <summary>Returns the names of the folders in a folder, in ordinal order, without hidden ones.</summary>
    public static string[] ClassFolders(string folder) => [.. Directory.EnumerateDirectories(folder)
        .Select(path => Path.GetFileName(path)!).Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal)];

    // Decodes every image once, and keeps the first ones.
    private static SkippedImage[] Decode(LabelledFile[] images, Shape shape, ImageSourceOptions options,
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
                byte[] pixels = ImageFile.Read(images[i].Path, shape);
                if (i < kept)
                    images[i].Pixels = pixels;
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
            .Select(each => new SkippedImage(each.First.Path, each.Second!))];
        return bad.Length == 0 || options.BadImages == BadImages.Skip ? bad : throw new InvalidDataException(
            $"{bad[0].Reason} Replace or remove the file, or leave out such files "
            + "(--on-bad-image skip, BadImages.Skip).");
    }

    private static void CheckClasses(Listing listing, LabelledFile[] images, string lacks)
    {
        var present = images.Select(image => image.Label).ToHashSet();
        for (int label = 0; label < listing.Classes.Length; label++)
        {
            if (!present.Contains(label))
                throw new InvalidDataException($"{Path.Combine(listing.Folder, listing.Classes[label])} has {lacks}. "
                    + "Add images or remove the folder.");
        }
    }

    private static void CheckShare(string folder, Listing listing, LabelledFile[] train, LabelledFile[] test,
        double share)
    {
        if (test.Length == 0)
            throw new ArgumentException(
                Invariant($"A test share of {share} of the {train.Length:N0} images in {folder} leaves none to test. ")
                + "Use a larger share or more images.");
        CheckClasses(listing, train, Invariant($"no image left to train with a test share of {share}"));
    }

    /// <summary>An image file, its class, and its pixels while they are kept.</summary>
    private sealed class LabelledFile(string path, int label)
    {
        public string Path { get; } = path;

        public int Label { get; } = label;

        public byte[]? Pixels { get; set; }
    }

    /// <summary>The images of a folder, by their names.</summary>
    /// <param name="Folder">The folder of the class folders to train with.</param>
    /// <param name="Classes">The names of the classes.</param>
    /// <param name="Train">The images to train with, in the order of their classes and names.</param>
    /// <param name="Test">The images to test with; null if they are selected from the others.</param>
    /// <param name="Ignored">What was not read.</param>
    private sealed record Listing(string Folder, string[] Classes, LabelledFile[] Train, LabelledFile[]? Test,
        string[] Ignored)
    {
        public static Listing Of(string folder)
        {
            string[] folders = ClassFolders(folder);
            var ignored = new List<string>();
            // A class may be called train too.
            bool isSplit = folders.Contains(ImageFolder.Train)
                && ClassFolders(Path.Combine(folder, ImageFolder.Train)).Length > 0;
            ignored.AddRange(FilesOf(folder));
            Listing listing;
            if (!isSplit)
            {
                listing = new Listing(folder, folders, Images(folder, folders, ignored), null, []);
            }
            else
            {
                string test = folders.Contains(ImageFolder.Test) ? ImageFolder.Test
                    : folders.Contains(Validation) ? Validation
                    : throw new InvalidDataException($"{folder} has a folder {ImageFolder.Train}, but neither "
                        + $"{ImageFolder.Test} nor {Validation}. Add one, or name "
                        + $"{Path.Combine(folder, ImageFolder.Train)} to select test images from it.");
                ignored.AddRange(folders.Where(name => name != ImageFolder.Train && name != test)
                    .Select(name => Path.Combine(folder, name)));
                string trainFolder = Path.Combine(folder, ImageFolder.Train), testFolder = Path.Combine(folder, test);
                string[] classes = ClassFolders(trainFolder);
                if (ClassFolders(testFolder).Except(classes).FirstOrDefault() is { } unknown)
                    throw new InvalidDataException($"{Path.Combine(testFolder, unknown)} is a class that {trainFolder} "
                        + "does not have. Both must have the same classes.");
                ignored.AddRange(FilesOf(trainFolder).Concat(FilesOf(testFolder)));
                listing = new Listing(trainFolder, classes, Images(trainFolder, classes, ignored),
                    Images(testFolder, classes, ignored), []);
                if (listing.Test!.Length == 0)
                    throw new InvalidDataException($"{testFolder} has no images in folders of the classes.");
            }
            CheckClasses(listing, listing.Train, "no images");
            return listing with { Ignored = [.. ignored] };
        }

        private static LabelledFile[] Images(string folder, string[] classes, List<string> ignored)
        {
            var images = new List<LabelledFile>();
            for (int label = 0; label < classes.Length; label++)
            {
                string of = Path.Combine(folder, classes[label]);
                if (!Directory.Exists(of))
                    continue;
                ILookup<bool, string> files = FilesOf(of).ToLookup(ImageFile.HasImageName);
                images.AddRange(files[true].Select(file => new LabelledFile(file, label)));
                ignored.AddRange(files[false].Concat(ClassFolders(of).Select(name => Path.Combine(of, name))));
            }
            return [.. images];
        }

        private static string[] FilesOf(string folder) => [.. Directory.EnumerateFiles(folder)
            .Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal)];
    }
}
