using System.Globalization;
using System.IO.Compression;
using ConvNet.Serialization;

namespace ConvNet.Data;

/// <summary>An image data set with a training and a test split.</summary>
/// <param name="Name">The source: a name or a folder.</param>
/// <param name="Train">The training images.</param>
/// <param name="Test">The test images.</param>
public sealed record ImageData(string Name, PixelSet Train, PixelSet Test)
{
    /// <summary>The folder of the files of Debian's package dataset-fashion-mnist.</summary>
    internal const string FashionMnistFolder = "/usr/share/datasets/fashion-mnist";

    private const string DigitsName = "digits", FashionMnistName = "fashion-mnist";

    private static readonly Shape DigitShape = new(1, 8, 8);

    /// <summary>The names of the predefined data sets.</summary>
    public static IReadOnlyList<string> Names { get; } = [DigitsName, FashionMnistName];

    /// <summary>The number of classes: one more than the largest label in both splits.</summary>
    public int Classes => Train.Target.Classes;

    /// <summary>Opens a data set by name, or from a folder of IDX files.</summary>
    /// <param name="nameOrFolder"><c>digits</c>, <c>fashion-mnist</c>, or a folder.</param>
    /// <exception cref="ArgumentNullException"><paramref name="nameOrFolder"/> is null.</exception>
    /// <exception cref="IOException">The data set does not exist; the message says how to obtain it.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files do not match.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such data set and no such folder; the message says how
    /// to obtain it.</exception>
    public static ImageData Open(string nameOrFolder) => nameOrFolder switch
    {
        DigitsName => Digits(),
        FashionMnistName => FashionMnist(),
        _ when Directory.Exists(nameOrFolder) => Folder(nameOrFolder),
        _ when FileKind.NotRegular(nameOrFolder) is { } kind
            => throw new IOException($"{nameOrFolder} is {kind}, not a folder of IDX files."),
        _ when File.Exists(nameOrFolder)
            => throw new IOException($"{nameOrFolder} is a file. Name the folder that contains the IDX files."),
        _ => throw new DirectoryNotFoundException($"There is no data set \"{nameOrFolder}\": use digits, "
            + $"fashion-mnist or a folder of IDX files."
            + NearMisses.Question(nameOrFolder, Names)),
    };

    /// <summary>Returns 1,797 handwritten digits of 8×8 pixels with values from 0 to 16, embedded in this library. One
    /// fifth of each class is for testing.</summary>
    /// <remarks>
    /// Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, CC BY
    /// 4.0. The split is stratified and depends only on its own seed. Training that continues with another seed
    /// therefore never uses a test image.
    /// </remarks>
    /// <param name="splitSeed">The seed that selects the test images.</param>
    public static ImageData Digits(ulong splitSeed = 0)
    {
        using Stream file = typeof(ImageData).Assembly.GetManifestResourceStream("digits.csv.gz")!;
        using var lines = new StreamReader(new GZipStream(file, CompressionMode.Decompress));
        List<byte> pixels = [];
        List<int> labels = [];
        while (lines.ReadLine() is { } line)
        {
            string[] values = line.Split(',');
            pixels.AddRange(values.Take(DigitShape.Length)
                .Select(value => byte.Parse(value, CultureInfo.InvariantCulture)));
            labels.Add(int.Parse(values[DigitShape.Length], CultureInfo.InvariantCulture));
        }
        (PixelSet train, PixelSet test) = new PixelSet(DigitShape, 16, 10, [.. pixels], [.. labels])
            .SplitStratified(0.2, splitSeed);
        return new ImageData(DigitsName, train, test);
    }

    /// <summary>Opens Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28×28, in ten classes, from the
    /// Debian package.</summary>
    /// <remarks>Source: Xiao, Rasul and Vollgraf, arXiv:1708.07747.</remarks>
    /// <exception cref="DirectoryNotFoundException">The package is not installed; the message gives the command that
    /// installs it.</exception>
    public static ImageData FashionMnist() => Directory.Exists(FashionMnistFolder)
        ? Folder(FashionMnistFolder) with { Name = FashionMnistName }
        : throw new DirectoryNotFoundException($"Fashion-MNIST is not in {FashionMnistFolder}. Install it with: sudo "
            + "apt-get install dataset-fashion-mnist");

    /// <summary>Opens the IDX files of a folder, named as those of MNIST, compressed with gzip or not.</summary>
    /// <remarks>
    /// The files are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    /// t10k-labels-idx1-ubyte. A dot in the names is also accepted, as in train-images.idx3-ubyte. Images with channels
    /// are N×C×H×W in idx4 files. The headers of all four files are compared before any values are read.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> is null.</exception>
    /// <exception cref="FileNotFoundException">
    /// A file is missing; the message lists all names that were tried.
    /// </exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files do not match.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="IOException">A file cannot be read, or is not a regular file.</exception>
    public static ImageData Folder(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        using Split train = Split.Open(folder, "train"), test = Split.Open(folder, "t10k");
        if (train.Shape != test.Shape)
            throw new InvalidDataException($"{folder}: the training images are {train.Shape} and the test images "
                + $"{test.Shape}; they must have the same shape.");
        int[] trainLabels = train.ReadLabels(), testLabels = test.ReadLabels();
        int classes = 1 + Math.Max(trainLabels.Max(), testLabels.Max());
        return new ImageData(folder, train.Read(trainLabels, classes), test.Read(testLabels, classes));
    }

    private static string Find(string folder, string name, params string[] kinds)
    {
        string[] names =
            [.. kinds.SelectMany(kind => (string[])[$"{name}-{kind}-ubyte", $"{name}.{kind}-ubyte"])
            .SelectMany(plain => (string[])[plain, $"{plain}.gz"])];
        return names.Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException(
                $"{folder} contains none of the files {string.Join(", ", names)}. Name the files as MNIST does.");
    }

    /// <summary>Images and labels whose headers have been read and match.</summary>
    private sealed record Split(IdxReader Images, IdxReader Labels, Shape Shape) : IDisposable
    {
        public static Split Open(string folder, string name)
        {
            string imagePath = Find(folder, $"{name}-images", "idx3", "idx4"),
                labelPath = Find(folder, $"{name}-labels", "idx1");
            IdxReader? images = null, labels = null;
            try
            {
                images = IdxReader.Open(imagePath);
                labels = IdxReader.Open(labelPath);
                return new Split(images, labels, ShapeOf(images.Dimensions, imagePath, labels.Dimensions, labelPath));
            }
            catch
            {
                images?.Dispose();
                labels?.Dispose();
                throw;
            }
        }

        public int[] ReadLabels() => Array.ConvertAll(Labels.ReadArray().Values, label => (int)label);

        public PixelSet Read(int[] labels, int classes)
            => new(Shape, byte.MaxValue, classes, Images.ReadArray().Values, labels);

        public void Dispose()
        {
            Images.Dispose();
            Labels.Dispose();
        }

        private static Shape ShapeOf(int[] images, string imagePath, int[] labels, string labelPath)
        {
            if (images.Length is not (3 or 4))
                throw new InvalidDataException(
                    $"{imagePath} has {images.Length} dimensions; images must have three (N, H, W) or four (N, C, H, "
                        + "W).");
            if (labels.Length != 1)
                throw new InvalidDataException($"{labelPath} has {labels.Length} dimensions; labels must have one.");
            if (images[0] != labels[0])
                throw new InvalidDataException(
                    $"{imagePath} contains {images[0]:N0} images, but {labelPath} {labels[0]:N0} labels. Use files of "
                    + "the same data set.");
            return images is [_, int h, int w] ? new Shape(1, h, w) : new Shape(images[1], images[2], images[3]);
        }
    }
}
