using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class NormalizationTests
{
    // Two images of two channels with one row of two pixels each.
    private static readonly PixelSet TwoChannels = new(new Shape(2, 1, 2), 10, 2, [0, 10, 5, 5, 10, 0, 5, 5], [0, 1]);

    [Test]
    public void EveryChannelGetsItsOwnMeanAndDeviation()
    {
        var normalization = Normalization.Of(TwoChannels);
        Assert.That(normalization.Mean, Is.EqualTo((float[])[0.5f, 0.5f]));
        Assert.That(normalization.StandardDeviation, Is.EqualTo((float[])[0.5f, 1f]),
            "a constant channel keeps its scale");
        Assert.That(Inputs(TwoChannels, normalization),
            Is.EqualTo((float[])[-1, 1, 0, 0, 1, -1, 0, 0]));
    }

    [Test]
    public void TheTrainingImagesGetMeanZeroAndDeviationOne()
    {
        var digits = ImageData.Digits();
        float[] images = Inputs(digits.Train, Normalization.Of(digits.Train));
        double mean = images.Average(x => (double)x);
        Assert.That(mean, Is.Zero.Within(1e-6));
        Assert.That(images.Average(x => (x - mean) * (x - mean)), Is.EqualTo(1).Within(1e-5));
    }

    [Test]
    public void PublishedMeansAreThoseOfTheData()
    {
        if (!Directory.Exists(ImageData.FashionMnistFolder))
            Assert.Ignore("Fashion-MNIST is not installed.");
        Normalization computed = Normalization.Of(ImageData.FashionMnist().Train),
            published = Normalization.Published("fashion-mnist");
        Assert.That(published.Mean[0], Is.EqualTo(computed.Mean[0]).Within(1e-4f));
        Assert.That(published.StandardDeviation[0], Is.EqualTo(computed.StandardDeviation[0]).Within(1e-4f));
    }

    [Test]
    public void PublishedNormalisationsHaveNames()
    {
        Assert.That(Normalization.PublishedNames.Select(name => Normalization.Published(name, 16).MaxValue),
            Has.All.EqualTo(16));
        Assert.That(Normalization.Published("imagenet").Mean, Is.EqualTo((float[])[0.485f, 0.456f, 0.406f]));
        Assert.That(() => Normalization.Published("imagenets"), Throws.ArgumentException
            .With.Message.Contains("\"imagenets\". Use one of imagenet, cifar10"));
    }

    [Test]
    public void ImagesOfAnotherKindAreRefused()
    {
        var other = new PixelSet(new Shape(1, 1, 2), 255, 1, [1, 2], [0]);
        var normalization = Normalization.Of(TwoChannels);
        Assert.That(() => new DataLoader(other, 1, new DataLoaderOptions { Transforms = [normalization] }),
            Throws.ArgumentException.With.Message.Contains("2 channels").And.Message.Contains("1×1×2"));
        Assert.That(() => normalization.CheckFor(other),
            Throws.ArgumentException.With.Message.Contains("2 channels with values from 0 to 10")
                .And.Message.Contains("1×1×2 with values from 0 to 255"));
        Assert.That(() => new Normalization(255, [0f], [0f]),
            Throws.ArgumentException.With.Message.Contains("positive"));
        Assert.That(() => new Normalization(255, [float.NaN], [1f]),
            Throws.ArgumentException.With.Message.Contains("finite"));
        Assert.That(() => new Normalization(255, [0f, 0f], [1f]),
            Throws.ArgumentException.With.Message.Contains("2 means and 1 standard deviations"));
    }

    [Test]
    public void EqualNormalizationsAreEqual()
    {
        Normalization one = Normalization.Of(TwoChannels), same = Normalization.Of(TwoChannels);
        Assert.That(same, Is.EqualTo(one));
        Assert.That(same.GetHashCode(), Is.EqualTo(one.GetHashCode()));
        Assert.That(new Normalization(10, one.Mean, [0.5f, 2f]), Is.Not.EqualTo(one));
        Assert.That($"{one}", Is.EqualTo(
            "Normalization { MaxValue = 10, Mean = [0.5, 0.5], StandardDeviation = [0.5, 1] }"));
    }

    private static float[] Inputs(PixelSet images, Normalization normalization)
    {
        var loader = new DataLoader(images, images.Count, new DataLoaderOptions { Transforms = [normalization] });
        using Batch all = loader.Epoch(1).Single();
        return all.Input.ToArray();
    }
}
