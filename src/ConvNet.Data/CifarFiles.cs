using ConvNet.Serialization;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Reads the binary files of CIFAR-10 and CIFAR-100: 3×32×32 pixels with one or two labels before
/// them.</summary>
/// <remarks>
/// A record is one label byte (CIFAR-10), or the coarse and the fine label (CIFAR-100), and 3,072 bytes of pixels: red,
/// green and blue, each row by row. A file is a whole number of records. Source: Krizhevsky, "Learning Multiple Layers
/// of Features from Tiny Images", 2009.
/// </remarks>
internal static class CifarFiles
{
    public const string Test10 = "test_batch.bin", Train100 = "train.bin", Test100 = "test.bin";

    private const string Classes10 = "batches.meta.txt", Classes100 = "fine_label_names.txt";
    private const int CoarseClasses = 20;

    private static readonly string[] s_train10 = [.. Enumerable.Range(1, 5).Select(i => $"data_batch_{i}.bin")];
    private static readonly Shape s_shape = new(3, 32, 32);

    /// <summary>Whether a file lists the names of the classes.</summary>
    public static bool IsListOfClasses(string file) => Path.GetFileName(file) is Classes10 or Classes100;

    /// <summary>Opens the files of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">CIFAR-10 or CIFAR-100.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file has a wrong size, a label out of range, or too few
    /// names.</exception>
    public static ImageSource Open(string folder, ImageSourceKind kind)
    {
        bool fine = kind == ImageSourceKind.Cifar100;
        int classes = fine ? 100 : 10;
        string[] train = fine ? [Train100] : s_train10, test = [fine ? Test100 : Test10];
        if (train.Concat(test).FirstOrDefault(file => !File.Exists(Path.Combine(folder, file))) is { } missing)
            throw new FileNotFoundException($"{folder} has no {missing}. The binary version of CIFAR-{classes} "
                + $"consists of {string.Join(", ", train.Concat(test))}.");
        string[] names = ClassNames(Path.Combine(folder, fine ? Classes100 : Classes10), classes);
        long[] trainSizes = Sizes(folder, train, fine), testSizes = Sizes(folder, test, fine);
        return new ImageSource(folder, kind, Read(folder, train, trainSizes, classes),
            Read(folder, test, testSizes, classes))
        {
            ClassNames = names,
        };
    }

    // Checked for all files before any is read.
    private static long[] Sizes(string folder, string[] files, bool fine)
    {
        int record = (fine ? 2 : 1) + s_shape.Length;
        long[] sizes = [.. files.Select(file =>
        {
            string path = Path.Combine(folder, file);
            InputFile.CheckKind(path);
            long size = new FileInfo(path).Length;
            return size > 0 && size % record == 0 ? size : throw new InvalidDataException(
                Invariant($"{path} has {size:N0} bytes, which are not a whole number of records of {record:N0} bytes. ")
                + "Download the binary version of the data set again.");
        })];
        long images = sizes.Sum() / record;
        return images * s_shape.Length <= Array.MaxLength ? sizes : throw new InvalidDataException(
            Invariant($"{folder}: {string.Join(", ", files)} have {images:N0} images; the limit is ")
            + Invariant($"{Array.MaxLength / s_shape.Length:N0}."));
    }

    private static PixelSet Read(string folder, string[] files, long[] sizes, int classes)
    {
        int labels = classes == 100 ? 2 : 1, record = labels + s_shape.Length;
        int count = (int)(sizes.Sum() / record), n = 0;
        var pixels = new byte[count * s_shape.Length];
        var targets = new int[count];
        Span<byte> label = stackalloc byte[labels];
        foreach ((string name, long size) in files.Zip(sizes))
        {
            string path = Path.Combine(folder, name);
            using FileStream file = InputFile.Open(path);
            for (long read = 0; read < size; read += record, n++)
            {
                if (file.ReadAtLeast(label, labels, throwOnEndOfStream: false) < labels
                    || file.ReadAtLeast(pixels.AsSpan(n * s_shape.Length, s_shape.Length), s_shape.Length,
                        throwOnEndOfStream: false) < s_shape.Length)
                    throw new InvalidDataException(Invariant($"{path} ends within record {read / record:N0}."));
                if (label[^1] >= classes || (labels == 2 && label[0] >= CoarseClasses))
                    throw new InvalidDataException(Invariant($"{path}: record {read / record:N0} has the label ")
                        + $"{string.Join(", ", label.ToArray())}, which is not one of CIFAR-{classes}. Download the "
                        + "binary version of the data set again.");
                targets[n] = label[^1];
            }
        }
        return new PixelSet(s_shape, byte.MaxValue, classes, pixels, targets);
    }

    private static string[] ClassNames(string path, int classes)
    {
        if (!File.Exists(path))
            return [];
        string[] names = InputFile.Text(path, "list of class names")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return names.Length == classes ? names : throw new InvalidDataException(
            $"{path} has {names.Length:N0} names, but there are {classes} classes. Correct or remove the file.");
    }
}
