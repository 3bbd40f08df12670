using System.Buffers;
using System.Globalization;
using ConvNet.Serialization;
using nietras.SeparatedValues;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Reads CSV files of pixels, one image on each line.</summary>
internal static class CsvPixels
{
    private const string LabelName = "label";
    private const int MostLabels = 1 << 16, MostPixels = 1 << 30;

    // Without e, which is in numbers such as 1e5.
    private static readonly SearchValues<char> s_letters
        = SearchValues.Create("abcdfghijklmnopqrstuvwxyzABCDFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Opens a file, or a folder with a training and a test file.</summary>
    /// <inheritdoc cref="ImageSource.Open" path="/param"/>
    /// <exception cref="InvalidDataException">A line is not a label and pixels, or the files do not match.</exception>
    /// <exception cref="ArgumentException">The test share leaves no image to train with or none to test.</exception>
    public static ImageSource Open(string path, ImageSourceOptions options)
    {
        if (File.Exists(path))
        {
            Table table = Table.Read(path);
            PixelSet all = table.ToSet(options.Shape, table.Classes);
            (PixelSet train, PixelSet test) = Split(path, all, options.Split);
            return new ImageSource(path, ImageSourceKind.Csv, train, test) { Split = options.Split };
        }
        Table first = Table.Read(Find(path, SourceForms.TrainCsv)),
            second = Table.Read(Find(path, SourceForms.TestCsv));
        if (first.Width != second.Width)
            throw new InvalidDataException(Invariant($"{first.Path} has {first.Width:N0} pixels on each line, and ")
                + Invariant($"{second.Path} {second.Width:N0}; they must have the same number."));
        int classes = Math.Max(first.Classes, second.Classes);
        return new ImageSource(path, ImageSourceKind.Csv, first.ToSet(options.Shape, classes),
            second.ToSet(options.Shape, classes));
    }

    private static string Find(string folder, string name) => SourceForms.Find(folder, name)
        ?? throw new FileNotFoundException($"{folder} has neither {name} nor {name}.gz. A folder of CSV files has "
            + $"{SourceForms.TrainCsv} and {SourceForms.TestCsv}; a single file can be named itself.");

    private static (PixelSet Train, PixelSet Test) Split(string path, PixelSet all, DataSplit split)
    {
        (int[] train, int[] test) = StratifiedSplit.Of(all.Labels.Span, split.TestShare, split.Seed);
        if (train.Length == 0 || test.Length == 0)
            throw new ArgumentException(
                Invariant($"A test share of {split.TestShare} of the {all.Count:N0} images in {path} leaves none to ")
                + $"{(test.Length == 0 ? "test" : "train with")}. Use another share or more images.");
        return (all.Select(train), all.Select(test));
    }

    /// <summary>The labels and pixels of a file.</summary>
    private sealed record Table(string Path, int Width, byte[] Pixels, int[] Labels)
    {
        public int Classes => 1 + Labels.Max();

        public PixelSet ToSet(Shape? wanted, int classes)
            => new(wanted is { } shape && shape.Length == Width ? shape : Square(), byte.MaxValue, classes, Pixels,
                Labels);

        public static Table Read(string path)
        {
            using FileStream file = InputFile.Open(path);
            using Stream content = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GzipMembers(file)
                : file;
            using var text = new StreamReader(content);
            try
            {
                // Lines of a wrong length are reported with the number of columns they should have.
                using SepReader lines = Sep.Reader(o => o with
                {
                    HasHeader = false,
                    DisableColCountCheck = true,
                    Unescape = true,
                }).From(text);
                return Read(path, lines);
            }
            catch (Exception error) when (error is NotSupportedException or InvalidDataException
                && !error.Message.StartsWith(path, StringComparison.Ordinal))
            {
                throw new InvalidDataException($"{path} is damaged or not CSV: {error.Message}", error);
            }
        }

        private static Table Read(string path, SepReader lines)
        {
            int columns = 0, labelColumn = 0, line = 0;
            var pixels = new List<byte>();
            var labels = new List<int>();
            foreach (SepReader.Row row in lines)
            {
                line++;
                if (row.ColCount == 1 && row[0].Span.IsWhiteSpace())
                    continue;
                if (columns == 0)
                {
                    columns = row.ColCount;
                    if (columns < 2)
                        throw Wrong(path, line, "has one column. Each has a label and pixels, separated by commas");
                    if (HeaderLabel(path, line, row) is { } named)
                    {
                        labelColumn = named;
                        continue;
                    }
                }
                if ((long)pixels.Count + columns > MostPixels)
                    throw Wrong(path, line, Invariant($"exceeds the limit of {MostPixels:N0} pixels in a file. Save ")
                        + "the images as files in a folder for each class, which are decoded as they are needed");
                if (row.ColCount != columns)
                    throw Wrong(path, line, Invariant($"has {row.ColCount:N0} columns, but the first line has ")
                        + Invariant($"{columns:N0}"));
                for (int i = 0; i < columns; i++)
                {
                    bool isLabel = i == labelColumn;
                    if (!int.TryParse(row[i].Span, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                            CultureInfo.InvariantCulture, out int value)
                        || value >= (isLabel ? MostLabels : byte.MaxValue + 1))
                        throw Wrong(path, line, $"has \"{Excerpt.Of(row[i].Span)}\" in column {i + 1:N0}; "
                            + (isLabel ? Invariant($"labels are whole numbers from 0 to {MostLabels - 1:N0}")
                                : "pixels are whole numbers from 0 to 255"));
                    if (isLabel)
                        labels.Add(value);
                    else
                        pixels.Add((byte)value);
                }
            }
            return labels.Count > 0 ? new Table(path, columns - 1, [.. pixels], [.. labels])
                : throw new InvalidDataException($"{path} has no images.");
        }

        // Returns the column of the labels if the line is a header.
        private static int? HeaderLabel(string path, int line, SepReader.Row row)
        {
            bool hasWords = false;
            for (int i = 0; i < row.ColCount; i++)
            {
                if (row[i].Span.Trim().Equals(LabelName, StringComparison.OrdinalIgnoreCase))
                    return i;
                hasWords |= row[i].Span.ContainsAny(s_letters);
            }
            return hasWords ? throw Wrong(path, line, $"is a header without a column \"{LabelName}\"") : null;
        }

        private Shape Square()
        {
            foreach (int channels in (int[])[1, 3])
            {
                int side = (int)Math.Round(Math.Sqrt((double)Width / channels));
                if (channels * side * side == Width)
                    return new Shape(channels, side, side);
            }
            throw new InvalidDataException(Invariant($"{Path} has {Width:N0} pixels on each line, neither one ")
                + "nor three squares. Name a network whose input has this number of values.");
        }

        private static InvalidDataException Wrong(string path, int line, string what)
            => new(Invariant($"{path}: line {line:N0} {what}."));
    }
}
