using System.Globalization;
using System.IO.Compression;

namespace ConvNet.Data;

/// <summary>A data set as it is found: images to train on, images to test on.</summary>
/// <param name="Name">Where it comes from: a name or a folder.</param>
/// <param name="Train">The images to train on.</param>
/// <param name="Test">The images to test on.</param>
public sealed record ImageData(string Name, PixelSet Train, PixelSet Test)
{
    /// <summary>Where Debian's package dataset-fashion-mnist puts its files.</summary>
    public const string FashionMnistFolder = "/usr/share/datasets/fashion-mnist";

    private static readonly Shape DigitShape = new(1, 8, 8);

    /// <summary>The number of classes: one more than the largest label.</summary>
    public int Classes => 1 + Math.Max(Largest(Train), Largest(Test));

    /// <summary>Opens a data set by name, or a folder of IDX files.</summary>
    /// <param name="nameOrFolder"><c>digits</c>, <c>fashion-mnist</c>, or a folder.</param>
    /// <exception cref="IOException">There is no such data; the message says how to get it.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files do not fit together.</exception>
    public static ImageData Open(string nameOrFolder) => nameOrFolder switch
    {
        "digits" => Digits(),
        "fashion-mnist" => FashionMnist(),
        _ when Directory.Exists(nameOrFolder) => Folder(nameOrFolder),
        _ => throw new DirectoryNotFoundException($"There is no data \"{nameOrFolder}\": it is neither digits nor "
            + $"fashion-mnist nor a folder of IDX files."
            + NearMisses.Question(nameOrFolder, ["digits", "fashion-mnist"])),
    };

    /// <summary>1,797 handwritten digits, 8×8 pixels of 0 to 16, embedded in this library; every fifth of a class is for testing.</summary>
    /// <remarks>
    /// Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, CC BY 4.0. The split is stratified
    /// and depends on its own seed only: training on with another seed never sees a test image.
    /// </remarks>
    /// <param name="splitSeed">The seed that decides which images are for testing.</param>
    public static ImageData Digits(ulong splitSeed = 0)
    {
        using Stream file = typeof(ImageData).Assembly.GetManifestResourceStream("digits.csv.gz")!;
        using var lines = new StreamReader(new GZipStream(file, CompressionMode.Decompress));
        List<byte> pixels = [];
        List<int> labels = [];
        while (lines.ReadLine() is { } line)
        {
            string[] values = line.Split(',');
            pixels.AddRange(values.Take(DigitShape.Length).Select(value => byte.Parse(value, CultureInfo.InvariantCulture)));
            labels.Add(int.Parse(values[DigitShape.Length], CultureInfo.InvariantCulture));
        }
        (PixelSet train, PixelSet test) = new PixelSet(DigitShape, 16, [.. pixels], [.. labels]).SplitStratified(0.2, splitSeed);
        return new ImageData("digits", train, test);
    }

    /// <summary>Fashion-MNIST: 60,000 and 10,000 images of clothes, 28×28, in ten classes, as Debian packages them.</summary>
    /// <remarks>Source: Xiao, Rasul and Vollgraf, arXiv:1708.07747.</remarks>
    /// <exception cref="DirectoryNotFoundException">The package is not installed; the message has the command.</exception>
    public static ImageData FashionMnist() => Directory.Exists(FashionMnistFolder)
        ? Folder(FashionMnistFolder) with { Name = "fashion-mnist" }
        : throw new DirectoryNotFoundException($"Fashion-MNIST is not in {FashionMnistFolder}. Install it with: sudo apt-get install dataset-fashion-mnist");

    /// <summary>The IDX files of a folder, named as those of MNIST, gzipped or not.</summary>
    /// <remarks>
    /// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. Images with channels are
    /// N×C×H×W in idx4 files.
    /// </remarks>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files do not fit together.</exception>
    public static ImageData Folder(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        PixelSet train = ReadPart(folder, "train"), test = ReadPart(folder, "t10k");
        return train.Shape == test.Shape
            ? new ImageData(folder, train, test)
            : throw new InvalidDataException($"{folder}: the training images are {train.Shape} and the test images {test.Shape}; both must have one shape.");
    }

    private static PixelSet ReadPart(string folder, string part)
    {
        string imagePath = Find(folder, $"{part}-images", "idx3", "idx4"), labelPath = Find(folder, $"{part}-labels", "idx1");
        IdxArray images = IdxFile.Read(imagePath), labels = IdxFile.Read(labelPath);
        if (images.Dimensions.Count is not (3 or 4))
            throw new InvalidDataException($"{imagePath}: {images.Dimensions.Count} dimensions; images have three (N, H, W) or four (N, C, H, W).");
        if (labels.Dimensions.Count != 1)
            throw new InvalidDataException($"{labelPath}: {labels.Dimensions.Count} dimensions; labels have one.");
        if (images.Dimensions[0] != labels.Dimensions[0])
            throw new InvalidDataException($"{imagePath} has {images.Dimensions[0]:N0} images and {labelPath} {labels.Dimensions[0]:N0} labels; they must be of one set.");
        int[] sizes = [.. images.Dimensions.Skip(1)];
        Shape shape = sizes is [int h, int w] ? new Shape(1, h, w) : new Shape(sizes[0], sizes[1], sizes[2]);
        return new PixelSet(shape, byte.MaxValue, images.Values, [.. labels.Values.Select(label => (int)label)]);
    }

    private static string Find(string folder, string name, params string[] kinds)
    {
        foreach (string kind in kinds)
        {
            foreach (string ending in (string[])["", ".gz"])
            {
                string path = Path.Combine(folder, $"{name}-{kind}-ubyte{ending}");
                if (File.Exists(path))
                    return path;
            }
        }
        throw new FileNotFoundException($"{folder} has no file {name}-{kinds[0]}-ubyte or {name}-{kinds[0]}-ubyte.gz; the names are those of MNIST.");
    }

    private static int Largest(PixelSet images)
    {
        int largest = 0;
        foreach (int label in images.Labels.Span)
            largest = Math.Max(largest, label);
        return largest;
    }
}
