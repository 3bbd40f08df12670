using ConvNet.Serialization;

namespace ConvNet.Data;

/// <summary>Recognises the form of data by the names of its files.</summary>
internal static class SourceForms
{
    /// <summary>The training and the test file of a folder of CSV files, each compressed with gzip or not.</summary>
    public const string TrainCsv = "train.csv", TestCsv = "test.csv";

    private const string GzipExtension = ".gz";

    private static string Accepted => $"Use {string.Join(", ", ImageData.Names)}, or the path of one of these: a "
        + "folder of IDX files with the names of the MNIST files; a folder with the binary files of CIFAR-10 "
        + "(data_batch_1.bin to data_batch_5.bin, test_batch.bin) or CIFAR-100 (train.bin, test.bin); a folder of "
        + "images as FOLDER/train/CLASS/IMAGE and FOLDER/test/CLASS/IMAGE, or as FOLDER/CLASS/IMAGE; a .parquet file "
        + "with an image and a label in each row, or a folder of them; a .csv or .csv.gz file with a label and pixels "
        + "on each line, or a folder with train.csv and test.csv.";

    /// <inheritdoc cref="ImageSource.KindOf"/>
    public static ImageSourceKind KindOf(string nameOrPath)
    {
        if (ImageData.Names.Contains(nameOrPath))
            return ImageSourceKind.Named;
        if (Directory.Exists(nameOrPath))
            return KindOfFolder(nameOrPath);
        if (FileKind.NotRegular(nameOrPath) is { } kind)
            throw new IOException($"{nameOrPath} is {kind}. {Accepted}");
        if (!File.Exists(nameOrPath))
            throw new DirectoryNotFoundException($"There is no data set \"{Excerpt.Of(nameOrPath)}\"."
                + $"{NearMisses.Question(nameOrPath, ImageData.Names)} {Accepted}");
        return IsCsv(nameOrPath) ? ImageSourceKind.Csv
            : ParquetImages.HasParquetName(nameOrPath) ? ImageSourceKind.Parquet
            : throw new InvalidDataException(
                $"{nameOrPath} is a file, but neither a .csv nor a .parquet file. {Accepted}");
    }

    /// <summary>Returns a file of a folder, compressed with gzip or not; null if it is not there.</summary>
    public static string? Find(string folder, string name)
        => new[] { name, name + GzipExtension }.Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists);

    /// <summary>Returns the files that data may be read from.</summary>
    public static IEnumerable<string> FilesOf(string nameOrPath)
    {
        if (ImageData.Names.Contains(nameOrPath))
            return [];
        if (!Directory.Exists(nameOrPath))
            return File.Exists(nameOrPath) ? [nameOrPath] : [];
        return Directory.EnumerateFiles(nameOrPath, "*", new EnumerationOptions
        {
            RecurseSubdirectories = true,
            MaxRecursionDepth = 2,
            IgnoreInaccessible = true,
        }).Where(file => IsIdx(file) || IsCifar10(file) || IsCifar100(file) || IsCsv(file)
            || ParquetImages.HasParquetName(file) || ImageFile.HasImageName(file) || CifarFiles.IsListOfClasses(file));
    }

    private static ImageSourceKind KindOfFolder(string folder)
    {
        string[] files = Directory.GetFiles(folder);
        var kinds = new List<ImageSourceKind>();
        if (files.Any(IsIdx))
            kinds.Add(ImageSourceKind.Idx);
        if (files.Any(IsCifar10))
            kinds.Add(ImageSourceKind.Cifar10);
        if (files.Any(IsCifar100))
            kinds.Add(ImageSourceKind.Cifar100);
        if (Find(folder, TrainCsv) is not null || Find(folder, TestCsv) is not null)
            kinds.Add(ImageSourceKind.Csv);
        if (ParquetImages.FilesOf(folder).Length > 0)
            kinds.Add(ImageSourceKind.Parquet);
        if (kinds.Count == 0 && ImageFolder.ClassFolders(folder).Length > 0)
            kinds.Add(ImageSourceKind.Images);
        return kinds.Count switch
        {
            1 => kinds[0],
            0 => throw new InvalidDataException($"{folder} contains no data of an accepted form"
                + (files.Any(ImageFile.HasImageName) ? ": its images are not in a folder for each class. " : ". ")
                + Accepted),
            _ => throw new InvalidDataException($"{folder} contains data of several forms: {string.Join(", ", kinds)}. "
                + "Move each to a folder of its own."),
        };
    }

    private static bool IsIdx(string file) => Path.GetFileName(file).Contains("ubyte", StringComparison.Ordinal);

    private static bool IsCifar10(string file) => Path.GetFileName(file) is CifarFiles.Test10
        || (Path.GetFileName(file).StartsWith("data_batch_", StringComparison.Ordinal)
            && file.EndsWith(".bin", StringComparison.Ordinal));

    private static bool IsCifar100(string file) => Path.GetFileName(file) is CifarFiles.Train100 or CifarFiles.Test100;

    private static bool IsCsv(string file) => file.EndsWith(".csv", StringComparison.OrdinalIgnoreCase)
        || file.EndsWith(".csv" + GzipExtension, StringComparison.OrdinalIgnoreCase);
}
