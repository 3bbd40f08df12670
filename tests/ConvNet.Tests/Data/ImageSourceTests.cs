using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class ImageSourceTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void NamesAndIdxFilesAreOpenedAsBefore()
    {
        var digits = ImageSource.Open("digits");
        Assert.That((digits.Kind, digits.Shape, digits.Classes, digits.MaxValue, digits.Train.Count),
            Is.EqualTo((ImageSourceKind.Named, new Shape(1, 8, 8), 10, (byte)16, ImageData.Digits().Train.Count)));
        File.WriteAllBytes(_folder.File("train-images-idx3-ubyte"), []);
        Assert.That(ImageSource.KindOf(_folder.Path), Is.EqualTo(ImageSourceKind.Idx));
    }

    [Test]
    public void WhatHasNoAcceptedFormIsRefusedWithAListOfThem()
    {
        string[] forms = ["digits", "IDX", "data_batch_1.bin", "train.bin", "train/CLASS/IMAGE", ".csv"];
        Refused<InvalidDataException>(_folder.Path, [.. forms, "no data of an accepted form"]);
        File.WriteAllBytes(_folder.File("cat.jpg"), []);
        Refused<InvalidDataException>(_folder.Path, [.. forms, "not in a folder for each class"]);
        Refused<InvalidDataException>(_folder.File("cat.jpg"), [.. forms, "neither a .csv nor a .parquet file"]);
        Refused<DirectoryNotFoundException>("digit", [.. forms, "\"digit\"", "Did you mean \"digits\"?"]);
        File.WriteAllBytes(_folder.File("test.bin"), []);
        File.WriteAllBytes(_folder.File("train.csv"), []);
        Refused<InvalidDataException>(_folder.Path, "several forms: Cifar100, Csv");
    }

    [Test]
    public void Cifar10IsReadWithTheNamesOfItsClasses()
    {
        for (int i = 1; i <= 5; i++)
            Write($"data_batch_{i}.bin", Records(2, [(byte)i]));
        Write("test_batch.bin", Records(1, [9]));
        File.WriteAllText(_folder.File("batches.meta.txt"),
            string.Concat(Enumerable.Range(0, 10).Select(i => $"c{i}\n")) + "\n");
        ImageSource source = Open();
        using Batch batch = new DataLoader(source.Train, 10).Epoch(1).Single();
        Assert.Multiple(() =>
        {
            Assert.That((source.Kind, source.Shape, source.Classes, source.Train.Count, source.Test.Count),
                Is.EqualTo((ImageSourceKind.Cifar10, new Shape(3, 32, 32), 10, 10, 1)));
            Assert.That(source.ClassNames[9], Is.EqualTo("c9"));
            Assert.That(batch.Classes.ToArray(), Is.EqualTo((int[])[1, 1, 2, 2, 3, 3, 4, 4, 5, 5]));
            Assert.That(batch.Input.Slice(3 * 3072, 3072).ToArray(),
                Is.EqualTo(Records(2, [0])[(1 + 3072 + 1)..].Select(value => (float)value)));
        });
    }

    [Test]
    public void Cifar100IsReadWithItsFineLabels()
    {
        Write("train.bin", Records(3, [19, 99]));
        Write("test.bin", Records(2, [0, 7]));
        ImageSource source = Open();
        using Batch batch = new DataLoader(source.Train, 3).Epoch(1).Single();
        Assert.That((source.Kind, source.Classes, source.Train.Count, source.Test.Count),
            Is.EqualTo((ImageSourceKind.Cifar100, 100, 3, 2)));
        Assert.That(batch.Classes.ToArray(), Is.EqualTo((int[])[99, 99, 99]));
        Assert.That(source.ClassNames, Is.Empty);
    }

    [Test]
    public void CifarFilesOfAWrongSizeOrLabelAreRefusedByName()
    {
        Write("train.bin", Records(2, [0, 5]));
        Refused<FileNotFoundException>(_folder.Path, "has no test.bin", "train.bin, test.bin");
        Write("test.bin", Records(2, [0, 5])[1..]);
        Refused<InvalidDataException>(_folder.Path, _folder.File("test.bin"), "6,147 bytes", "3,074");
        Write("test.bin", []);
        Refused<InvalidDataException>(_folder.Path, _folder.File("test.bin"), "0 bytes");
        Write("test.bin", [.. Records(1, [0, 5]), .. Records(1, [0, 100])]);
        Refused<InvalidDataException>(_folder.Path, _folder.File("test.bin"), "record 1 has the label 0, 100");
        Write("test.bin", Records(1, [20, 5]));
        Refused<InvalidDataException>(_folder.Path, "label 20, 5");
        Write("test.bin", Records(1, [0, 5]));
        File.WriteAllText(_folder.File("fine_label_names.txt"), "apple\n");
        Refused<InvalidDataException>(_folder.Path, _folder.File("fine_label_names.txt"), "1 names", "100 classes");
    }

    [Test]
    public void ACsvFileIsReadWithAndWithoutAHeader([Values] bool header, [Values] bool zipped)
    {
        string[] lines = [.. Enumerable.Range(0, 10).Select(i => header ? $"{i},{i + 1},2,{i % 2},255"
            : $"{i % 2},{i},{i + 1},2,255")];
        byte[] text = [.. System.Text.Encoding.UTF8.GetBytes((header ? "p0,p1,p2, Label,p3\r\n" : "")
            + string.Join("\r\n", lines) + "\r\n\r\n")];
        string file = zipped ? "a.csv.gz" : "a.csv";
        Write(file, zipped ? TinyData.Zip(text) : text);
        var source = ImageSource.Open(_folder.File(file));
        float[] pixels = [.. new DataLoader(source.Train, 8).Epoch(1).Single().Input];
        Assert.Multiple(() =>
        {
            Assert.That((source.Kind, source.Shape, source.Classes, source.Train.Count, source.Test.Count),
                Is.EqualTo((ImageSourceKind.Csv, new Shape(1, 2, 2), 2, 8, 2)));
            Assert.That(source.Split, Is.EqualTo(new DataSplit(0.2, 1)));
            for (int i = 0; i < pixels.Length; i += 4)
                Assert.That(pixels[i..(i + 4)], Is.EqualTo((float[])[pixels[i], pixels[i] + 1, 2, 255]));
        });
    }

    [Test]
    public void AFolderOfCsvFilesHasItsOwnTestImages()
    {
        File.WriteAllText(_folder.File("train.csv"), "1,1,2,3,4,5,6\n0,9,8,7,6,5,4\n");
        File.WriteAllText(_folder.File("test.csv"), "2,0,0,0,0,0,0\n");
        var source = ImageSource.Open(_folder.Path, new ImageSourceOptions { Shape = new Shape(1, 2, 3) });
        Assert.That((source.Shape, source.Classes, source.Train.Count, source.Test.Count, source.Split),
            Is.EqualTo((new Shape(1, 2, 3), 3, 2, 1, (DataSplit?)null)));
        Refused<InvalidDataException>(_folder.Path, _folder.File("train.csv"), "6 pixels",
            "neither one nor three squares");
        File.WriteAllText(_folder.File("test.csv"), "2,0,0\n");
        Refused<InvalidDataException>(_folder.Path, "6 pixels", "and", "2; they must");
        File.Delete(_folder.File("test.csv"));
        Refused<FileNotFoundException>(_folder.Path, "neither test.csv nor test.csv.gz");
    }

    [TestCase("", "has no images")]
    [TestCase("label,a,b\n", "has no images")]
    [TestCase("7\n", "line 1 has one column")]
    [TestCase("a,b,c\n1,2,3\n", "line 1 is a header without a column \"label\"")]
    [TestCase("1,2,3,4,5\n1,2,3\n", "line 2 has 3 columns, but the first line has 5")]
    [TestCase("1,2,3,4,5\n\n1,2,3\n", "line 3 has 3 columns")]
    [TestCase("1,2,3,4,5\n1,2,256,4,5\n", "line 2 has \"256\" in column 3; pixels are whole numbers from 0 to 255")]
    [TestCase("1,2,3,4,5\n1,2,3.5,4,5\n", "line 2 has \"3.5\" in column 3")]
    [TestCase("1,2,3,4,5\n1,2,,4,5\n", "line 2 has \"\" in column 3")]
    [TestCase("-1,2,3,4,5\n", "line 1 has \"-1\" in column 1; labels are whole numbers from 0 to 65,535")]
    [TestCase("65536,2,3,4,5\n", "line 1 has \"65536\" in column 1")]
    [TestCase("1,2,3,4,5\n", "leaves none to test")]
    public void AWrongCsvFileIsRefusedByLineAndColumn(string text, string words)
    {
        File.WriteAllText(_folder.File("a.csv"), text);
        Assert.That(() => ImageSource.Open(_folder.File("a.csv")), Throws.InstanceOf<SystemException>()
            .With.Message.Contains(words).And.Message.Contains(_folder.File("a.csv")));
    }

    [Test]
    public void ACsvFileThatIsNotTextOrDamagedIsRefused()
    {
        Write("a.csv.gz", TinyData.Zip([.. "1,2,3,4,5\n"u8])[..^6]);
        Refused<InvalidDataException>(_folder.File("a.csv.gz"), _folder.File("a.csv.gz"), "is damaged or not CSV");
        var noise = new byte[2000];
        new Random(1).NextBytes(noise);
        Write("a.csv", noise);
        Refused<InvalidDataException>(_folder.File("a.csv"), _folder.File("a.csv"));
    }

    // Records with the same labels and other pixels each.
    private static byte[] Records(int count, byte[] labels)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).SelectMany(_ =>
        {
            var pixels = new byte[3072];
            random.NextBytes(pixels);
            return labels.Concat(pixels);
        })];
    }

    private void Write(string name, byte[] bytes) => File.WriteAllBytes(_folder.File(name), bytes);

    private ImageSource Open() => ImageSource.Open(_folder.Path);

    private static void Refused<T>(string path, params string[] words) where T : Exception
    {
        T error = Assert.Throws<T>(() => ImageSource.Open(path))!;
        foreach (string word in words)
            Assert.That(error.Message, Does.Contain(word));
    }
}
