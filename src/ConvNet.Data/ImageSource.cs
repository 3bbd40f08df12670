namespace ConvNet.Data;

/// <summary>The kinds of data that an <see cref="ImageSource"/> opens.</summary>
public enum ImageSourceKind
{
    /// <summary>A data set with a name of its own (<see cref="ImageData.Names"/>).</summary>
    Named,

    /// <summary>IDX files, as those of MNIST (<see cref="ImageData.Folder"/>).</summary>
    Idx,

    /// <summary>The binary files of CIFAR-10: data_batch_1.bin to data_batch_5.bin and test_batch.bin.</summary>
    Cifar10,

    /// <summary>The binary files of CIFAR-100: train.bin and test.bin.</summary>
    Cifar100,

    /// <summary>CSV files of pixels: one file, or a folder with train.csv and test.csv.</summary>
    Csv,

    /// <summary>Image files in a folder for each class.</summary>
    Images,

    /// <summary>Parquet files with an encoded image and a label in each row, as data hubs ship them.</summary>
    Parquet,
}

/// <summary>Images with class labels, opened by name or path: a training and a test set.</summary>
/// <remarks>
/// <para>A path is one of these; what lies there decides:</para>
/// <list type="bullet">
/// <item>a folder of IDX files with the names of the MNIST files;</item>
/// <item>a folder with the binary files of CIFAR-10 or CIFAR-100. Labels of CIFAR-100 are the 100 fine ones. The names
/// of the classes are those in batches.meta.txt or fine_label_names.txt, if it is there;</item>
/// <item>a folder of images: FOLDER/train/CLASS/IMAGE with FOLDER/test/CLASS/IMAGE (or val instead of test), or
/// FOLDER/CLASS/IMAGE. The classes are the names of the folders in ordinal order. Images are files whose names end in
/// .jpg, .jpeg, .jfif, .png, .webp, .bmp or .gif. <see cref="ImageFile"/> says how they are read. Each is decoded once
/// when the folder is opened, so that a file that cannot be read is found before a training begins;</item>
/// <item>a CSV file, or a folder with train.csv and test.csv, each compressed with gzip or not (.csv.gz). A line has
/// the label and the pixels, whole numbers from 0 to 255, channel by channel and row by row. In files with a header,
/// the label is the column <c>label</c>, otherwise the first one;</item>
/// <item>a Parquet file, or a folder of them (also in its folder <c>data</c>). A row has an image in one of the formats
/// above, in a column of bytes or in a struct with one, and a whole number as its label: the columns <c>image</c> or
/// <c>img</c> and <c>label</c> or <c>fine_label</c>, or the only ones of their types. Files whose names, or folders,
/// start with <c>train</c> are for training, and those with <c>test</c>, or else <c>val</c>, for the test. The names of
/// the classes are those in the metadata of the file, if they are there.</item>
/// </list>
/// <para>Test images of a single folder, CSV or Parquet file are selected at random, with the same class
/// proportions.</para>
/// </remarks>
public sealed class ImageSource
{
    internal ImageSource(string name, ImageSourceKind kind, IDataset train, IDataset test)
        => (Name, Kind, Train, Test) = (name, kind, train, test);

    /// <summary>The name or the path.</summary>
    public string Name { get; }

    /// <summary>The kind of the data.</summary>
    public ImageSourceKind Kind { get; }

    /// <summary>The training images: one input of pixels from 0 to <see cref="MaxValue"/>, and one class
    /// label.</summary>
    public IDataset Train { get; }

    /// <summary>The test images.</summary>
    public IDataset Test { get; }

    /// <summary>The shape C, H, W of an image.</summary>
    public Shape Shape => Train.InputShapes[0].Shape;

    /// <summary>The number of classes.</summary>
    public int Classes => Train.Targets[0].Classes;

    /// <summary>The largest pixel value.</summary>
    public byte MaxValue { get; internal init; } = byte.MaxValue;

    /// <summary>The name of each class; empty if the data has none.</summary>
    public IReadOnlyList<string> ClassNames { get; internal init; } = [];

    /// <summary>How the test images were selected; null if the data has test images of its own.</summary>
    public DataSplit? Split { get; internal init; }

    /// <summary>The image files that cannot be read and were left out (<see cref="BadImages.Skip"/>).</summary>
    public IReadOnlyList<SkippedImage> Skipped { get; internal init; } = [];

    /// <summary>The files and folders that are no images by their names and places, and were not read. Names that start
    /// with a dot are not listed.</summary>
    public IReadOnlyList<string> Ignored { get; internal init; } = [];

    /// <summary>Opens data.</summary>
    /// <param name="nameOrPath">One of <see cref="ImageData.Names"/>, or a path.</param>
    /// <param name="options">The options.</param>
    /// <param name="cancellation">Cancels the decoding of images.</param>
    /// <exception cref="ArgumentNullException"><paramref name="nameOrPath"/> is null.</exception>
    /// <exception cref="ArgumentException">A folder of images needs a shape and none is given; an option is out of
    /// range; or the test share leaves no image to train with or none to test.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The test share is not between 0 and 1.</exception>
    /// <exception cref="InvalidDataException">Nothing there has an accepted form; or a file is damaged, or does not
    /// match the others. The message names the file.</exception>
    /// <exception cref="IOException">There is no such data, or a file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read a file or a folder.</exception>
    /// <exception cref="OperationCanceledException">The decoding was cancelled.</exception>
    public static ImageSource Open(string nameOrPath, ImageSourceOptions? options = null,
        CancellationToken cancellation = default)
    {
        options ??= new ImageSourceOptions();
        ImageSourceKind kind = KindOf(nameOrPath);
        if (options.Split.TestShare is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The test share is {options.Split.TestShare}; it must be between 0 and 1.");
        return kind switch
        {
            ImageSourceKind.Named or ImageSourceKind.Idx => Of(ImageData.Open(nameOrPath), kind),
            ImageSourceKind.Cifar10 or ImageSourceKind.Cifar100 => CifarFiles.Open(nameOrPath, kind),
            ImageSourceKind.Csv => CsvPixels.Open(nameOrPath, options),
            ImageSourceKind.Parquet => ParquetImages.List(nameOrPath, cancellation).Open(options, cancellation),
            _ => ImageFolder.List(nameOrPath).Open(options, cancellation),
        };
    }

    /// <summary>Whether data of a kind has encoded images of any size, which need a shape.</summary>
    internal static bool HasEncodedImages(ImageSourceKind kind)
        => kind is ImageSourceKind.Images or ImageSourceKind.Parquet;

    /// <summary>Returns the kind of the data, without reading it.</summary>
    /// <param name="nameOrPath">One of <see cref="ImageData.Names"/>, or a path.</param>
    /// <exception cref="ArgumentNullException"><paramref name="nameOrPath"/> is null.</exception>
    /// <exception cref="InvalidDataException">Nothing there has an accepted form, or several have; the message lists
    /// the forms.</exception>
    /// <exception cref="IOException">There is no such data, or the path is not a file or folder.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the folder.</exception>
    public static ImageSourceKind KindOf(string nameOrPath)
    {
        ArgumentNullException.ThrowIfNull(nameOrPath);
        return SourceForms.KindOf(nameOrPath);
    }

    private static ImageSource Of(ImageData data, ImageSourceKind kind)
        => new(data.Name, kind, data.Train, data.Test) { MaxValue = data.Train.MaxValue };
}
