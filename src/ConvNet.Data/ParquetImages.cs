using System.Numerics;
using System.Text.Json;
using ConvNet.Serialization;
using Parquet;
using Parquet.Schema;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Lists the images of Parquet files as data hubs ship them: a row has an encoded image, in a column of bytes
/// or a struct with one, and a class label.</summary>
internal static class ParquetImages
{
    public const string Extension = ".parquet";

    private const string Metadata = "huggingface";
    private const int MostRows = 1 << 24, MostClasses = 1 << 16;
    private const long MostBytes = 1L << 33;

    private static readonly string[] s_imageNames = ["image", "img"], s_labelNames = ["label", "fine_label"];

    /// <summary>Lists the images of a file, or of the files of a folder.</summary>
    /// <exception cref="InvalidDataException">A file is damaged, or has no column of images or of labels.</exception>
    /// <exception cref="OperationCanceledException">The reading was cancelled.</exception>
    public static ImageListing List(string path, CancellationToken cancellation)
    {
        (string[] train, string[]? test, string[] ignored) = File.Exists(path) ? ([path], null, []) : Splits(path);
        string[] names = [];
        LabelledImage[] training = Read(train), testing = test is null ? [] : Read(test);
        int classes = 1 + training.Concat(testing).Max(image => image.Label);
        if (names.Length > 0 && names.Length < classes)
            throw new InvalidDataException(Invariant($"{path} names {names.Length:N0} classes, but has the label ")
                + Invariant($"{classes - 1:N0}."));
        return new ImageListing(path, ImageSourceKind.Parquet, Math.Max(classes, names.Length), training,
            test is null ? null : testing)
        {
            ClassNames = names,
            Ignored = ignored,
        };

        LabelledImage[] Read(string[] files)
        {
            var images = new List<LabelledImage>();
            foreach (string file in files)
            {
                string[] own = ReadFile(file, images, cancellation);
                if (names.Length > 0 && own.Length > 0 && !own.SequenceEqual(names))
                    throw new InvalidDataException($"{file} names other classes than the files before it.");
                names = own.Length > 0 ? own : names;
            }
            return images.Count > 0 ? [.. images] : throw new InvalidDataException($"{files[0]} has no rows.");
        }
    }

    /// <summary>Whether a file is a Parquet file by its name.</summary>
    public static bool HasParquetName(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>Returns the Parquet files of a folder, of its folder <c>data</c> or of those of its splits, in ordinal
    /// order.</summary>
    public static string[] FilesOf(string folder) => [.. ((string[])["", "data", "train", "test", "validation"])
        .Select(name => Path.Combine(folder, name)).Where(Directory.Exists)
        .SelectMany(path => Directory.EnumerateFiles(path)).Where(HasParquetName).Order(StringComparer.Ordinal)];

    // By the first letters of the names, or by the folders.
    private static (string[] Train, string[]? Test, string[] Ignored) Splits(string folder)
    {
        ILookup<string, string> files = FilesOf(folder).ToLookup(file => SplitOf(Path.GetFileName(file))
            ?? SplitOf(Path.GetFileName(Path.GetDirectoryName(file)!)) ?? "");
        if (!files.Contains("train"))
            return files.Contains("") ? ([.. files[""]], null, [.. files["test"], .. files["val"]])
                : throw new InvalidDataException($"{folder} has Parquet files to test with, but none to train with: "
                    + "their names start with train, or they are in a folder train.");
        string? test = ((string[])["test", "val"]).FirstOrDefault(files.Contains);
        return ([.. files["train"]], test is null ? null : [.. files[test]],
            [.. files.Where(split => split.Key != "train" && split.Key != test).SelectMany(split => split)]);
    }

    private static string? SplitOf(string name) => ((string[])["train", "test", "val"])
        .FirstOrDefault(split => name.StartsWith(split, StringComparison.OrdinalIgnoreCase));

    // Adds the images, and returns the names of the classes; none if the file does not say them.
    private static string[] ReadFile(string path, List<LabelledImage> images, CancellationToken cancellation)
    {
        using FileStream stream = InputFile.Open(path);
        return ReadAsync(path, stream, images, cancellation).GetAwaiter().GetResult();
    }

    // The library throws many kinds of exceptions on damaged files.
    private static async Task<T> OrDamaged<T>(string path, Task<T> reading)
    {
        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (Exception error) when (error is not (OperationCanceledException or UnauthorizedAccessException))
        {
            throw new InvalidDataException($"{path} is not a Parquet file, or is damaged: {error.Message}", error);
        }
    }

    private static async Task<string[]> ReadAsync(string path, Stream stream, List<LabelledImage> images,
        CancellationToken cancellation)
    {
        await using ParquetReader reader = await OrDamaged(path,
            ParquetReader.CreateAsync(stream, cancellationToken: cancellation)).ConfigureAwait(false);
        DataField[] fields = reader.Schema.DataFields;
        DataField image = Select(path, fields, field => field.ClrType == typeof(ReadOnlyMemory<byte>), s_imageNames,
                "images (bytes)"),
            label = Select(path, fields, field => NumbersOf(field.ClrType) is not null, s_labelNames,
                "class labels (whole numbers)");
        long bytes = 0;
        for (int group = 0; group < reader.RowGroupCount; group++)
        {
            (long count, long size) = reader.Metadata?.RowGroups[group] is { } about
                ? (about.NumRows, about.TotalByteSize) : (0, 0);
            bytes += size;
            if (count < 0 || size < 0 || images.Count + count > MostRows || bytes > MostBytes)
                throw new InvalidDataException(Invariant($"{path} has more than {MostRows:N0} rows or {MostBytes:N0} ")
                    + "bytes, which would be kept in memory. Store the images as a folder of files.");
            (byte[]?[] contents, long?[] labels) = await OrDamaged(path,
                ReadRows(reader, group, (int)count, image, label, cancellation)).ConfigureAwait(false);
            for (int i = 0; i < count; i++)
            {
                string name = Invariant($"{path}, row {images.Count:N0}");
                if (labels[i] is not (>= 0 and < MostClasses and var value))
                    throw new InvalidDataException(Invariant($"{name} has the label {labels[i]?.ToString() ?? "null"} ")
                        + Invariant($"in the column {label.Path}; labels are from 0 to {MostClasses - 1:N0}."));
                images.Add(new LabelledImage(name, (int)value, contents[i] ?? []));
            }
        }
        return Names(reader.CustomMetadata, label.Path.ToString());
    }

    private static async Task<(byte[]?[], long?[])> ReadRows(ParquetReader reader, int group, int count,
        DataField image, DataField label, CancellationToken cancellation)
    {
        using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
        ReadOnlyMemory<byte>?[] contents = await Read<ReadOnlyMemory<byte>>(rows, image, count, cancellation)
            .ConfigureAwait(false);
        return (Array.ConvertAll(contents, content => content?.ToArray()),
            await NumbersOf(label.ClrType)!(rows, label, count, cancellation).ConfigureAwait(false));
    }

    // The column of the first name that there is, or the only one of its type.
    private static DataField Select(string path, DataField[] fields, Func<DataField, bool> fits, string[] names,
        string what)
    {
        DataField[] candidates = [.. fields.Where(field => !field.IsArray && field.MaxRepetitionLevel == 0
            && fits(field))];
        return names.Select(name => candidates.FirstOrDefault(field => field.Path.FirstPart == name))
            .FirstOrDefault(field => field is not null)
            ?? (candidates.Length == 1 ? candidates[0] : throw new InvalidDataException(
                $"{path} has {(candidates.Length == 0 ? "no column" : "several columns")} of {what}, and none is "
                + $"called {string.Join(" or ", names)}. Its columns are "
                + $"{string.Join(", ", fields.Select(field => $"{field.Path}"))}."));
    }

    // {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    private static string[] Names(Dictionary<string, string> metadata, string label)
    {
        if (!metadata.TryGetValue(Metadata, out string? text))
            return [];
        try
        {
            using var document = JsonDocument.Parse(text);
            JsonElement element = document.RootElement;
            foreach (string key in (string[])["info", "features", label, "names"])
            {
                if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(key, out element))
                    return [];
            }
            return element.ValueKind != JsonValueKind.Array
                || element.EnumerateArray().Any(name => name.ValueKind != JsonValueKind.String) ? []
                : [.. element.EnumerateArray().Select(name => name.GetString()!)];
        }
        // What is not JSON says nothing about the classes.
        catch (JsonException)
        {
            return [];
        }
    }

    // What reads a column of whole numbers; null for any other type.
    private static Func<ParquetRowGroupReader, DataField, int, CancellationToken, Task<long?[]>>? NumbersOf(Type type)
        => type == typeof(long) ? Numbers<long>
            : type == typeof(int) ? Numbers<int>
            : type == typeof(short) ? Numbers<short>
            : type == typeof(sbyte) ? Numbers<sbyte>
            : type == typeof(byte) ? Numbers<byte>
            : type == typeof(ushort) ? Numbers<ushort>
            : type == typeof(uint) ? Numbers<uint>
            : null;

    private static async Task<long?[]> Numbers<T>(ParquetRowGroupReader rows, DataField field, int count,
        CancellationToken cancellation)
        where T : struct, IBinaryInteger<T>
        => Array.ConvertAll(await Read<T>(rows, field, count, cancellation).ConfigureAwait(false),
            value => value is { } there ? (long?)long.CreateChecked(there) : null);

    private static async Task<T?[]> Read<T>(ParquetRowGroupReader rows, DataField field, int count,
        CancellationToken cancellation)
        where T : struct
    {
        if (field.IsNullable)
        {
            var values = new T?[count];
            await rows.ReadAsync<T>(field, values.AsMemory(), null, cancellation).ConfigureAwait(false);
            return values;
        }
        var present = new T[count];
        await rows.ReadAsync<T>(field, present.AsMemory(), null, cancellation).ConfigureAwait(false);
        return Array.ConvertAll(present, value => (T?)value);
    }
}
