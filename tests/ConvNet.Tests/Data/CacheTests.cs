using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

/// <summary>Samples in memory and in a mapped file are those of their data set.</summary>
public sealed class CacheTests
{
    private TemporaryFolder _folder = null!;

    [OneTimeSetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [OneTimeTearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void EverySampleIsReadOnceAndStaysTheSame([Values] bool areBytes, [Values(0, 2)] int workers)
    {
        var source = new Counting(Data(areBytes));
        var cached = new CachedDataset(source);
        string[] expected = Texts(Data(areBytes), 0);
        for (int epoch = 0; epoch < 3; epoch++)
            Assert.That(Texts(cached, workers), Is.EqualTo(expected));
        Assert.That(source.Reads, Is.EqualTo(23));
        // Two inputs of 6 values and 1 value, a class, two classes of pixels and three values. Every second sample has
        // halves.
        Assert.That(cached.KeptBytes, Is.EqualTo(areBytes ? 23 * (7 + 4 * 6) : 23 * (7 + 4 * 6) + 11 * 3 * 7));
        Assert.That((cached.ClassOf(3), cached.FileOf(3)), Is.EqualTo(((int?)3, "file 3")));
    }

    [Test]
    public void WhatDoesNotFitIsReadAgain()
    {
        var source = new Counting(Data(areBytes: true));
        var cached = new CachedDataset(source, maxBytes: 10 * 31 + 5);
        string[] first = Texts(cached, 0), second = Texts(cached, 0);
        Assert.That(first, Is.EqualTo(Texts(Data(areBytes: true), 0)));
        Assert.That(second, Is.EqualTo(first));
        Assert.That(source.Reads, Is.EqualTo(23 + 13));
        Assert.That(cached.KeptBytes, Is.EqualTo(10 * 31));
        Assert.That(() => new CachedDataset(source, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void AFileHasTheSamplesAndIsWrittenOnce([Values] bool areBytes, [Values(0, 2)] int workers)
    {
        string path = _folder.File($"samples-{areBytes}-{workers}");
        var source = new Counting(Data(areBytes));
        string[] expected = Texts(Data(areBytes), 0);
        using (var first = MappedDataset.Open(path, source))
            Assert.That(Texts(first, workers), Is.EqualTo(expected));
        int reads = source.Reads;
        using var second = MappedDataset.Open(path, source);
        Assert.That(Texts(second, workers), Is.EqualTo(expected));
        Assert.That(source.Reads, Is.EqualTo(reads));
        Assert.That((new FileInfo(path).Length - 23 * ((areBytes ? 1 : 4) * 7 + 4 * 6)) % 64, Is.Zero);
        Assert.That((second.ClassOf(3), second.FileOf(3)), Is.EqualTo(((int?)3, "file 3")));
        Assert.That(Directory.GetFiles(Path.GetDirectoryName(path)!, "*.unfinished*"), Is.Empty);
    }

    [Test]
    public void AFileOfOtherSamplesIsRefused()
    {
        string path = _folder.File("other"), damaged = _folder.File("damaged"), text = _folder.File("text");
        ArrayDataset data = Data(areBytes: true);
        MappedDataset.Open(path, data, "monday").Dispose();
        Refused(path, data, "tuesday", "has the samples of other data", "version monday", "version tuesday");
        Refused(path, new SubsetDataset(data, [0, 1]), "monday", "23 samples", "2 samples");
        File.WriteAllBytes(damaged, File.ReadAllBytes(path)[..^1]);
        Refused(damaged, data, "monday", "is damaged", "Delete it");
        File.WriteAllText(text, "some text\n");
        Refused(text, data, "", "is not a file of samples");
        Assert.That(File.ReadAllText(text), Is.EqualTo("some text\n"));

        static void Refused(string path, IDataset data, string version, params string[] says)
        {
            string message = Assert.Throws<InvalidDataException>(
                () => MappedDataset.Open(path, data, version).Dispose())!.Message;
            foreach (string each in says)
                Assert.That(message, Does.Contain(each));
        }
    }

    [Test]
    public void ADisposedFileCannotBeRead()
    {
        var mapped = MappedDataset.Open(_folder.File("disposed"), Data(areBytes: true));
        mapped.Dispose();
        mapped.Dispose();
        Assert.That(() => Texts(mapped, 0), Throws.TypeOf<DatasetException>()
            .With.InnerException.TypeOf<ObjectDisposedException>());
    }

    private static ArrayDataset Data(bool areBytes)
    {
        float[] Values(int each, float scale) => [.. Enumerable.Range(0, 23 * each).Select(i => i * 7 % 256 * scale)];
        return new ArrayDataset([("image", new Shape(1, 2, 3), Values(6, 1)),
                ("at", Shape.Vector(1), Values(1, areBytes ? 1 : 0.5f))],
            [("class", 23, [.. Enumerable.Range(0, 23)]), ("mask", 5, [.. Enumerable.Range(0, 46).Select(i => i % 5)]),
                ("box", Values(3, -0.25f))]);
    }

    private static string[] Texts(IDataset data, int workers)
    {
        var texts = new List<string>();
        foreach (Batch batch in new DataLoader(data, 5, new DataLoaderOptions { Workers = workers }).Epoch(1))
        {
            using (batch)
                texts.Add(string.Join(' ', [.. batch.InputOf("image"), .. batch.InputOf("at"), .. batch.ValuesOf("box"),
                    .. (float[])[.. batch.ClassesOf("class").ToArray(), .. batch.ClassesOf("mask").ToArray()]]));
        }
        return [.. texts];
    }

    private sealed class Counting(IDataset data) : IDataset
    {
        private int _reads;

        public int Reads => _reads;

        public int Count => data.Count;

        public IReadOnlyList<InputShape> InputShapes => data.InputShapes;

        public IReadOnlyList<TargetDescription> Targets => data.Targets;

        public void Read(int index, Sample sample)
        {
            Interlocked.Increment(ref _reads);
            data.Read(index, sample);
        }

        public int? ClassOf(int index) => data.ClassOf(index);

        public string? FileOf(int index) => $"file {index}";
    }
}
