using System.Globalization;
using ConvNet.Data;
using NUnit.Framework;
using Parquet;
using Parquet.Schema;
using SkiaSharp;

namespace ConvNet.Tests.Data;

/// <summary>Parquet files of images as data hubs ship them, damaged ones, and others.</summary>
public sealed class ParquetImagesTests
{
    private const string Names =
        """{"info": {"features": {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}}}""";

    private static readonly ImageSourceOptions s_options = new() { Shape = new Shape(3, 6, 6) };

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [TestCase("", "train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")]
    [TestCase("data", "train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001")]
    [TestCase("", "train/0000", "train/0001", "test/0000")]
    public void TrainingAndTestImagesAreThoseOfTheirFiles(string folder, params string[] files)
    {
        Write(Path.Combine(folder, files[0]), [0, 1, 1], groups: 2);
        Write(Path.Combine(folder, files[1]), [1, 0]);
        Write(Path.Combine(folder, files[2]), [1, 1]);
        var source = ImageSource.Open(_folder.Path, s_options);
        Assert.Multiple(() =>
        {
            Assert.That((source.Kind, source.Classes, source.Split, source.Shape),
                Is.EqualTo((ImageSourceKind.Parquet, 3, (DataSplit?)null, new Shape(3, 6, 6))));
            Assert.That(source.ClassNames, Is.EqualTo((string[])["cat", "dog", "owl"]));
            Assert.That(Labels(source.Train), Is.EqualTo((int[])[0, 1, 1, 1, 0]));
            Assert.That(Labels(source.Test), Is.EqualTo((int[])[1, 1]));
            Assert.That(source.Train.FileOf(2), Does.EndWith(".parquet, row 2"));
        });
    }

    [Test]
    public void PixelsAreThoseOfTheImagesWhateverIsKeptInMemory([Values(0, 1 << 20)] long cache)
    {
        Write("photos", [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
        var source = ImageSource.Open(_folder.File("photos.parquet"),
            s_options with { CacheBytes = cache, Split = new DataSplit(0.3, 5) });
        Assert.That((source.Train.Count, source.Test.Count), Is.EqualTo((7, 3)));
        foreach (IDataset set in (IDataset[])[source.Train, source.Test])
        {
            float[] pixels = new DataLoader(set, set.Count).Epoch(1).First().Input.ToArray();
            float[] expected = [.. Enumerable.Range(0, set.Count).SelectMany(i =>
            {
                int row = int.Parse(set.FileOf(i)!.Split("row ")[1], CultureInfo.InvariantCulture);
                File.WriteAllBytes(_folder.File("image"), Image(row));
                return ImageFile.Read(_folder.File("image"), source.Shape);
            }).Select(pixel => (float)pixel)];
            Assert.That(pixels, Is.EqualTo(expected));
        }
    }

    [Test]
    public void ColumnsMayHaveOtherNamesAndTypes()
    {
        foreach (DataField label in (DataField[])[new DataField<int>("class"), new DataField<byte>("fine_label"),
            new DataField<short?>("y")])
        {
            var weight = new DataField<double>("weight");
            var content = new DataField("png", typeof(byte[]));
            Write("other", new ParquetSchema(weight, content, label), async (rows, _) =>
            {
                await rows.WriteAsync<double>(weight, new double[] { 1, 2, 3, 4 });
                await rows.WriteAsync(content, [.. Enumerable.Range(0, 4).Select(Image)]);
                await (label.ClrType == typeof(int) ? rows.WriteAsync<int>(label, new[] { 0, 1, 0, 1 })
                    : label.ClrType == typeof(byte) ? rows.WriteAsync<byte>(label, new byte[] { 0, 1, 0, 1 })
                    : rows.WriteAsync<short>(label, new short?[] { 0, 1, 0, 1 }));
            });
            var source = ImageSource.Open(_folder.File("other.parquet"),
                s_options with { Split = new DataSplit(0.5, 1) });
            Assert.That((source.Classes, source.ClassNames.Count), Is.EqualTo((2, 0)));
            Assert.That(Labels(source.Train).Concat(Labels(source.Test)), Is.EquivalentTo((int[])[0, 0, 1, 1]));
        }
    }

    [Test]
    public void WhatIsNoDataSetIsRefusedByName()
    {
        Write("a", [0, -1]);
        Refused("a.parquet, row 1 has the label -1 in the column label");
        Write("a", [0, null]);
        Refused("a.parquet, row 1 has the label null");
        Write("a", [0, 1, 7]);
        Refused("names 3 classes, but has the label 7");
        Write("a", [0, 1], image: row => row == 1 ? null : Image(row));
        Refused("a.parquet, row 1 is empty");
        Write("a", [0, 1], image: row => row == 1 ? [1, 2, 3] : Image(row));
        Refused("a.parquet, row 1 is not an image", "leave out such images");
        Write("a", []);
        Refused("a.parquet has no rows");
        Write("test", [1]);
        File.Delete(_folder.File("a.parquet"));
        Refused("none to train with");
        Write("train", [1], names: Names.Replace("owl", "cow", StringComparison.Ordinal));
        Refused("names other classes");
        var label = new DataField<long>("label");
        Write("train", new ParquetSchema(label), (rows, _) => rows.WriteAsync<long>(label, new long[] { 1 }));
        Refused("has no column of images (bytes)", "Its columns are label");
        File.WriteAllText(_folder.File("train.parquet"), "text");
        Refused("train.parquet is not a Parquet file, or is damaged");
        Write("train", [1]);
        Assert.That(() => ImageSource.Open(_folder.Path),
            Throws.ArgumentException.With.Message.Contains("which shape"));
    }

    [Test]
    public void BadImagesAreSkippedByRow()
    {
        Write("train", [0, 1, 1], image: row => row == 1 ? [] : Image(row));
        Write("test", [1]);
        var source = ImageSource.Open(_folder.Path, s_options with { BadImages = BadImages.Skip });
        Assert.That(Labels(source.Train), Is.EqualTo((int[])[0, 1]));
        Assert.That(source.Skipped.Select(image => image.File),
            Is.EqualTo((string[])[$"{_folder.File("train.parquet")}, row 1"]));
    }

    [Test]
    public void ADamagedFileIsReadOrRefused()
    {
        Write("whole", [0, 1, 2, 0, 1, 2, 0, 1], groups: 2);
        byte[] whole = File.ReadAllBytes(_folder.File("whole.parquet"));
        File.Delete(_folder.File("whole.parquet"));
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 400; i++)
        {
            byte[] changed = i % 4 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            // The description of the columns is at the end.
            for (int change = random.Next(4); change > 0; change--)
                changed[^(1 + random.Next(Math.Min(changed.Length, i % 2 == 0 ? 900 : whole.Length)))]
                    = (byte)random.Next(256);
            File.WriteAllBytes(_folder.File("whole.parquet"), changed);
            try
            {
                ImageSource.Open(_folder.Path, s_options with { BadImages = BadImages.Skip });
            }
            catch (Exception error) when (error is InvalidDataException or ArgumentException)
            {
                refused++;
                Assert.That(error.Message, Does.Contain(_folder.Path));
            }
        }
        Assert.That(refused, Is.InRange(100, 399));
    }

    private void Refused(params string[] words)
    {
        string message = Assert.Throws<InvalidDataException>(() => ImageSource.Open(_folder.Path, s_options))!.Message;
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }

    private static int[] Labels(IDataset images)
        => [.. new DataLoader(images, images.Count).Epoch(1).SelectMany(batch => batch.Classes.ToArray())];

    private static byte[] Image(int row) => MadeImages.Encode(row % 2 == 0 ? SKEncodedImageFormat.Png
        : SKEncodedImageFormat.Jpeg, 8 + row, 7, (x, y) => MadeImages.Ramp((x + row) % 32, y));

    // As a data hub writes it: a struct of bytes and a path, and a label.
    private void Write(string name, long?[] labels, int groups = 1, string names = Names,
        Func<int, byte[]?>? image = null)
    {
        DataField bytes = new("bytes", typeof(byte[])), path = new("path", typeof(string));
        var label = new DataField<long?>("label");
        int each = (labels.Length + groups - 1) / groups;
        Write(name, new ParquetSchema(new StructField("image", bytes, path), label), async (rows, group) =>
        {
            int first = group * each, count = Math.Min(each, labels.Length - first);
            int[] indices = [.. Enumerable.Range(first, count)];
            await rows.WriteAsync(bytes, indices.Select(image ?? Image).ToArray()!);
            await rows.WriteAsync(path, indices.Select(row => $"{row}.png").ToArray());
            await rows.WriteAsync<long>(label, labels.AsMemory(first, count));
        }, groups, names);
    }

    private void Write(string name, ParquetSchema schema, Func<ParquetRowGroupWriter, int, Task> fill, int groups = 1,
        string? names = null)
    {
        string path = _folder.File($"{name}.parquet");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        WriteAsync().GetAwaiter().GetResult();

        async Task WriteAsync()
        {
            await using FileStream stream = File.Create(path);
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream);
            if (names is not null)
                writer.CustomMetadata = new Dictionary<string, string> { ["huggingface"] = names };
            for (int group = 0; group < groups; group++)
            {
                using ParquetRowGroupWriter rows = writer.CreateRowGroup();
                await fill(rows, group);
            }
        }
    }
}
