using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class TransformTests
{
    private static readonly Shape s_shape = new(2, 2, 3);

    private static readonly float[] s_image = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    [Test]
    public void AFlipMirrorsEveryRowOrNone()
    {
        Assert.That(Apply(new RandomHorizontalFlip(1), 0),
            Is.EqualTo((float[])[3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]));
        Assert.That(Apply(new RandomHorizontalFlip(0), 0), Is.EqualTo(s_image));
        int flipped = Enumerable.Range(0, 1_000).Count(item => Apply(new RandomHorizontalFlip(0.25), item)[0] == 3);
        // Five standard deviations of a binomial distribution with n = 1,000 and p = 1/4.
        Assert.That(flipped, Is.EqualTo(250).Within(69));
    }

    [Test]
    public void ACropHasEveryPlaceOfThePaddedImageAboutAsOften()
    {
        var crop = new RandomCrop((2, 2), (1, 2));
        Assert.That(crop.Infer(s_shape), Is.EqualTo(new Shape(2, 2, 2)));
        var places = new Dictionary<string, int>();
        for (int item = 0; item < 9_000; item++)
        {
            string text = string.Join(' ', Apply(crop, item));
            places[text] = places.GetValueOrDefault(text) + 1;
        }
        // Three places in rows, six in columns. Those that see nothing of the image, or its border alone, look alike.
        var expected = new Dictionary<string, int>();
        for (int place = 0; place < 18; place++)
        {
            (int top, int left) = (place / 6 - 1, place % 6 - 2);
            float At(int i)
            {
                (int row, int column) = (top + (i / 2 % 2), left + (i % 2));
                return row is >= 0 and < 2 && column is >= 0 and < 3 ? s_image[((i / 4 * 2) + row) * 3 + column] : 0;
            }

            string text = string.Join(' ', Enumerable.Range(0, 8).Select(At));
            expected[text] = expected.GetValueOrDefault(text) + 500;
        }
        Assert.That(places.Keys, Is.EquivalentTo(expected.Keys));
        // Five standard deviations of a binomial distribution with n = 9,000 and p = 1/18, or a few times that.
        foreach ((string text, int count) in expected)
            Assert.That(places[text], Is.EqualTo(count).Within(5 * Math.Sqrt(count)), text);
    }

    [Test]
    public void ChoicesDependOnSeedEpochAndSample()
    {
        string[] all = [.. from seed in (ulong[])[1, 2] from epoch in (long[])[1, 2] from item in (int[])[0, 1]
            select Words(seed, epoch, item)];
        Assert.That(all, Is.Unique);
        Assert.That(Words(1, 1, 0), Is.EqualTo(all[0]));

        static string Words(ulong seed, long epoch, int item)
        {
            var random = new RandomSequence(seed, -5, epoch, item);
            return string.Join(' ', Enumerable.Range(0, 8).Select(_ => random.Below(1000)));
        }
    }

    [Test]
    public void WhatIsNoTransformIsRefused()
    {
        Assert.That(() => new RandomHorizontalFlip(1.5), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("1.5"));
        Assert.That(() => new RandomHorizontalFlip(double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new RandomCrop(0), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("0×0"));
        Assert.That(() => new RandomCrop(1, -1), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("-1×-1"));
        Assert.That(() => new RandomCrop((5, 3), 1).Infer(s_shape), Throws.ArgumentException
            .With.Message.Contains("5×3 is larger than images of 2×2×3 with a padding of 1×1"));
    }

    private static float[] Apply(Transform transform, int item)
    {
        var y = new float[transform.Infer(s_shape).Length];
        transform.Apply(s_shape, s_image, y, new RandomSequence(3, 0, 1, item));
        return y;
    }
}
