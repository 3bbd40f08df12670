using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class ImageDataTests
{
    // The first image of the set, a zero, as scikit-learn's documentation prints it.
    private static readonly byte[] FirstDigit =
    [
        0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0,
        0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0,
    ];

    [Test]
    public void TheDigitsAreAllThereAndSplitByClass()
    {
        var digits = ImageData.Digits();
        Assert.Multiple(() =>
        {
            Assert.That(digits.Train.Count + digits.Test.Count, Is.EqualTo(1797));
            Assert.That(digits.Classes, Is.EqualTo(10));
            Assert.That(digits.Train.Shape, Is.EqualTo(new Shape(1, 8, 8)));
            Assert.That(digits.Train.MaxValue, Is.EqualTo(16));
            Assert.That(digits.Train.Pixels.ToArray().Max(), Is.EqualTo(16));
            for (int digit = 0; digit < 10; digit++)
            {
                int train = digits.Train.Labels.ToArray().Count(label => label == digit),
                    test = digits.Test.Labels.ToArray().Count(label => label == digit);
                Assert.That(test, Is.EqualTo((train + test) / 5.0).Within(0.5), $"digit {digit}");
            }
        });
    }

    [Test]
    public void NoImageIsInBothPartsOrLost()
    {
        var digits = ImageData.Digits();
        List<string> train = Texts(digits.Train), test = Texts(digits.Test);
        Assert.That(train.Intersect(test), Is.Empty);
        Assert.That(train.Concat(test), Does.Contain(Convert.ToHexString(FirstDigit) + "=0"));
    }

    [Test]
    public void TheSplitDependsOnItsSeedAlone()
    {
        List<string> test = Texts(ImageData.Digits(3).Test), again = Texts(ImageData.Digits(3).Test);
        Assert.That(again, Is.EqualTo(test));
        Assert.That(Texts(ImageData.Digits(4).Test), Is.Not.EqualTo(test));
    }

    [Test]
    public void AFolderOfIdxFilesIsRead()
    {
        using var folder = new TinyData();
        var data = ImageData.Open(folder.Folder);
        Assert.Multiple(() =>
        {
            Assert.That(data.Train.Pixels.ToArray(),
                Is.EqualTo(TinyData.Images(TinyData.TrainCount, 1).Pixels.ToArray()));
            Assert.That(data.Test.Labels.ToArray(),
                Is.EqualTo(TinyData.Images(TinyData.TestCount, 2).Labels.ToArray()));
            Assert.That(data.Train.Shape, Is.EqualTo(TinyData.Shape));
            Assert.That(data.Classes, Is.EqualTo(TinyData.Classes));
        });
    }

    [Test]
    public void NamesWithADotAreFoundAndAMissingFileIsNamedWithAllThatWasLookedFor()
    {
        using var folder = new TinyData();
        foreach (string part in (string[])["train", "t10k"])
        {
            File.Move(folder.File($"{part}-images-idx3-ubyte"), folder.File($"{part}-images.idx3-ubyte"));
            File.Move(folder.File($"{part}-labels-idx1-ubyte.gz"), folder.File($"{part}-labels.idx1-ubyte.gz"));
        }
        Assert.That(
            ImageData.Folder(folder.Folder).Train.Pixels.ToArray(),
            Is.EqualTo(TinyData.Images(TinyData.TrainCount, 1).Pixels.ToArray()));
        File.Delete(folder.File("train-labels.idx1-ubyte.gz"));
        Assert.That(() => ImageData.Folder(folder.Folder), Throws.TypeOf<FileNotFoundException>()
            .With.Message.Contains(
                "train-labels-idx1-ubyte, train-labels-idx1-ubyte.gz, train-labels.idx1-ubyte, "
                + "train-labels.idx1-ubyte.gz"));
    }

    [Test]
    public void HeadersThatDoNotFitTogetherAreRefusedBeforeAnyValuesAreRead()
    {
        using var folder = new TinyData();
        // A file of 100 million pixels, all of which are there: 100 KB.
        byte[] images = TinyData.Zip(TinyData.Idx(new byte[100_000_000], 100_000, 10, 100));
        File.Delete(folder.File("train-images-idx3-ubyte"));
        File.WriteAllBytes(folder.File("train-images-idx3-ubyte.gz"), images);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(
            () => ImageData.Folder(folder.Folder),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("100,000 images")
            .And.Message.Contains("90 labels"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(2 << 20));
    }

    [Test]
    public void ImagesWithChannelsAreReadFromIdx4()
    {
        using var folder = new TinyData();
        foreach (string part in (string[])["train", "t10k"])
        {
            File.Delete(folder.File($"{part}-images-idx3-ubyte"));
            File.WriteAllBytes(folder.File($"{part}-images-idx4-ubyte"),
                TinyData.Idx(new byte[2 * 3 * 4 * 5], 2, 3, 4, 5));
            File.Delete(folder.File($"{part}-labels-idx1-ubyte.gz"));
            File.WriteAllBytes(folder.File($"{part}-labels-idx1-ubyte"), TinyData.Idx([0, 1], 2));
        }
        Assert.That(ImageData.Folder(folder.Folder).Train.Shape, Is.EqualTo(new Shape(3, 4, 5)));
    }

    [Test]
    public void FilesThatDoNotFitTogetherAreRefused()
    {
        using var folder = new TinyData();
        File.WriteAllBytes(folder.File("train-labels-idx1-ubyte"), TinyData.Idx(new byte[4], 4));
        Assert.That(() => ImageData.Folder(folder.Folder), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("90 images").And.Message.Contains("4 labels"));
        File.WriteAllBytes(folder.File("train-labels-idx1-ubyte"), TinyData.Idx(new byte[90], 9, 10));
        Assert.That(() => ImageData.Folder(folder.Folder), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("labels must have one"));
        File.Delete(folder.File("train-labels-idx1-ubyte"));
        File.WriteAllBytes(folder.File("t10k-images-idx3-ubyte"), TinyData.Idx(new byte[31 * 4], 31, 2, 2));
        Assert.That(() => ImageData.Folder(folder.Folder), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("1×6×6").And.Message.Contains("1×2×2"));
        File.Delete(folder.File("t10k-images-idx3-ubyte"));
        Assert.That(() => ImageData.Folder(folder.Folder), Throws.TypeOf<FileNotFoundException>()
            .With.Message.Contains("t10k-images-idx3-ubyte.gz"));
    }

    [Test]
    public void FashionMnistHasItsOwnSplitOrNamesTheCommandThatBringsIt()
    {
        if (Directory.Exists(ImageData.FashionMnistFolder))
        {
            var data = ImageData.Open("fashion-mnist");
            Assert.That((data.Train.Count, data.Test.Count, data.Classes, data.Train.Shape),
                Is.EqualTo((60_000, 10_000, 10, new Shape(1, 28, 28))));
        }
        else
        {
            Assert.That(() => ImageData.Open("fashion-mnist"), Throws.TypeOf<DirectoryNotFoundException>()
                .With.Message.Contains("apt-get install dataset-fashion-mnist"));
        }
    }

    [Test]
    public void UnknownDataIsRefusedByName()
        => Assert.That(() => ImageData.Open("cats"), Throws.TypeOf<DirectoryNotFoundException>()
            .With.Message.Contains("\"cats\""));

    private static List<string> Texts(PixelSet images)
        => [.. Enumerable.Range(0, images.Count)
            .Select(n => Convert.ToHexString(images.Pixels.Span.Slice(n * images.Shape.Length, images.Shape.Length))
            + "=" + images.Labels.Span[n])];
}
