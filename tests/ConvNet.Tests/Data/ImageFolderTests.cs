using ConvNet.Data;
using NUnit.Framework;
using SkiaSharp;

namespace ConvNet.Tests.Data;

public sealed class ImageFolderTests
{
    private static readonly ImageSourceOptions s_options = new() { Shape = new Shape(3, 6, 6) };

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void TrainingAndTestImagesAreThoseOfTheirFolders([Values("test", "val")] string test)
    {
        Add("train/cat", 3);
        Add("train/Zebra", 2);
        Add($"{test}/cat", 1);
        File.WriteAllText(_folder.File("train/cat/notes.txt"), "");
        File.WriteAllText(_folder.File("train/cat/.hidden"), "");
        Directory.CreateDirectory(_folder.File("extra"));
        ImageSource source = Open();
        Assert.Multiple(() =>
        {
            // In ordinal order, in which capitals come first.
            Assert.That(source.ClassNames, Is.EqualTo((string[])["Zebra", "cat"]));
            Assert.That(Labels(source.Train), Is.EqualTo((int[])[0, 0, 1, 1, 1]));
            Assert.That(Labels(source.Test), Is.EqualTo((int[])[1]));
            Assert.That((source.Kind, source.Shape, source.Classes, source.MaxValue, source.Split),
                Is.EqualTo((ImageSourceKind.Images, new Shape(3, 6, 6), 2, byte.MaxValue, (DataSplit?)null)));
            Assert.That(source.Ignored, Is.EquivalentTo((string[])[_folder.File("extra"),
                _folder.File("train/cat/notes.txt")]));
            Assert.That(source.Train.FileOf(2), Is.EqualTo(_folder.File("train/cat/0.png")));
        });
    }

    [Test]
    public void TestImagesAreSelectedByTheSeedWithTheSameShareOfEveryClass()
    {
        Add("a", 20);
        Add("b", 10);
        Add("train", 5);            // A class that is called train.
        ImageSource source = Open(), again = Open(), other = Open(s_options with { Split = new DataSplit(0.2, 2) });
        Assert.Multiple(() =>
        {
            Assert.That(Labels(source.Test).CountBy(label => label).Select(each => (each.Key, each.Value)),
                Is.EqualTo(((int, int)[])[(0, 4), (1, 2), (2, 1)]));
            Assert.That(Files(source.Train).Concat(Files(source.Test)).Distinct().Count(), Is.EqualTo(35));
            Assert.That(Files(again.Test), Is.EqualTo(Files(source.Test)));
            Assert.That(Files(other.Test), Is.Not.EqualTo(Files(source.Test)));
            Assert.That(source.Split, Is.EqualTo(new DataSplit(0.2, 1)));
        });
    }

    [Test]
    public void BatchesAreTheSameForEveryNumberOfWorkersAndWhateverIsKeptInMemory()
    {
        Add("a", 9);
        Add("b", 8);
        float[][] expected = Batches(Open(), workers: 0);
        foreach (int workers in (int[])[1, 2, 5])
            Assert.That(Batches(Open(), workers), Is.EqualTo(expected), $"{workers} workers");
        Assert.That(Batches(Open(s_options with { CacheBytes = 0 }), 2), Is.EqualTo(expected), "nothing is kept");
        Assert.That(Batches(Open(s_options with { CacheBytes = 3 * 108 }), 5), Is.EqualTo(expected), "three are kept");
        Assert.That(expected.SelectMany(values => values).Distinct().Count(), Is.GreaterThan(50));
    }

    [Test]
    public void TheFirstBadImageIsAnErrorUnlessSuchImagesAreSkipped()
    {
        Add("a", 30);
        Add("b", 30);
        string[] bad = [_folder.File("a/17.png"), _folder.File("a/3.png"), _folder.File("b/29.png")];
        File.WriteAllBytes(bad[0], []);
        File.WriteAllText(bad[1], "text");
        File.WriteAllBytes(bad[2], File.ReadAllBytes(bad[2])[..^40]);
        for (int repeat = 0; repeat < 5; repeat++)
            Assert.That(() => Open(), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(bad[0]));
        ImageSource source = Open(s_options with { BadImages = BadImages.Skip });
        Assert.Multiple(() =>
        {
            Assert.That(source.Skipped.Select(image => image.File), Is.EqualTo(bad));
            Assert.That(source.Skipped.Select(image => image.Reason), Is.All.Contains(_folder.Path));
            Assert.That(Files(source.Train).Concat(Files(source.Test)).Intersect(bad), Is.Empty);
            Assert.That(source.Train.Count + source.Test.Count, Is.EqualTo(57));
        });
    }

    [Test]
    public void AFileThatIsDamagedLaterIsNamedWhenItIsRead()
    {
        Add("a", 5);
        ImageSource source = Open(s_options with { CacheBytes = 0 });
        File.WriteAllText(source.Train.FileOf(0)!, "text");
        Assert.That(() => new DataLoader(source.Train, 4).Epoch(1).First(),
            Throws.TypeOf<DatasetException>().With.Message.Contains(source.Train.FileOf(0)!));
    }

    [Test]
    public void WhatDoesNotMakeADataSetIsRefusedByName()
    {
        Add("train/a", 2);
        Refused<InvalidDataException>("neither test nor val");
        Add("test/b", 1);
        Refused<InvalidDataException>(_folder.File("test/b"), "is a class that");
        Directory.Delete(_folder.File("test"), recursive: true);
        Directory.CreateDirectory(_folder.File("test/a"));
        Refused<InvalidDataException>(_folder.File("test"), "has no images");
        Add("test/a", 1);
        Directory.CreateDirectory(_folder.File("train/empty"));
        Refused<InvalidDataException>(_folder.File("train/empty"), "no images");
        Directory.Delete(_folder.File("train/empty"));
        Assert.That(() => ImageSource.Open(_folder.Path),
            Throws.ArgumentException.With.Message.Contains("which shape"));
        Assert.That(() => Open(new ImageSourceOptions { Shape = new Shape(2, 6, 6) }),
            Throws.ArgumentException.With.Message.Contains("2×6×6"));
        Assert.That(Open().Train.Count, Is.EqualTo(2));
    }

    [Test]
    public void AShareThatLeavesNothingIsRefused()
    {
        Add("a", 2);
        Add("b", 1);
        Refused<ArgumentException>("leaves none to test");
        Assert.That(() => Open(s_options with { Split = new DataSplit(0.9, 1) }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("no image left to train with"));
        Assert.That(() => Open(s_options with { Split = new DataSplit(1, 1) }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("between 0 and 1"));
    }

    private ImageSource Open(ImageSourceOptions? options = null)
        => ImageSource.Open(_folder.Path, options ?? s_options);

    private void Refused<T>(params string[] words) where T : Exception
    {
        T error = Assert.Throws<T>(() => Open())!;
        foreach (string word in words)
            Assert.That(error.Message, Does.Contain(word));
    }

    private void Add(string folder, int count)
    {
        Directory.CreateDirectory(_folder.File(folder));
        for (int i = 0; i < count; i++)
        {
            int shift = i + folder.Length;
            File.WriteAllBytes(_folder.File($"{folder}/{i}.png"), MadeImages.Encode(SKEncodedImageFormat.Png,
                8 + i % 3, 7, (x, y) => MadeImages.Ramp((x + shift) % 32, y)));
        }
    }

    private static string[] Files(IDataset images) => [.. Enumerable.Range(0, images.Count)
        .Select(i => images.FileOf(i)!)];

    private static int[] Labels(IDataset images) => [.. new DataLoader(images, images.Count).Epoch(1)
        .SelectMany(batch => batch.Classes.ToArray())];

    private static float[][] Batches(ImageSource source, int workers) => [.. new DataLoader(source.Train, 4,
        new DataLoaderOptions { Shuffle = true, Seed = 3, Workers = workers }).Epoch(2)
        .Select(batch => batch.Input.ToArray())];
}
