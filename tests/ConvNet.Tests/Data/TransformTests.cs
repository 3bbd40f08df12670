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
    public void AnAlternatingFlipShowsEveryImageInBothFormsInTwoEpochs()
    {
        float[] mirrored = Apply(new RandomHorizontalFlip(1), 0);
        int first = 0;
        for (int item = 0; item < 1_000; item++)
        {
            float[] one = Apply(new AlternatingFlip(), item, epoch: 1),
                two = Apply(new AlternatingFlip(), item, epoch: 2);
            Assert.That((float[][])[one, two], Is.EquivalentTo((float[][])[s_image, mirrored]));
            Assert.That(Apply(new AlternatingFlip(), item, epoch: 3), Is.EqualTo(one));
            first += one.SequenceEqual(mirrored) ? 1 : 0;
        }
        // Five standard deviations of a binomial distribution with n = 1,000 and p = 1/2.
        Assert.That(first, Is.EqualTo(500).Within(79));
    }

    [TestCase(PadMode.Zeros, new float[] { 0, 0, 1, 2, 3, 0, 0 })]
    [TestCase(PadMode.Reflect, new float[] { 3, 2, 1, 2, 3, 2, 1 })]
    [TestCase(PadMode.Replicate, new float[] { 1, 1, 1, 2, 3, 3, 3 })]
    public void APaddingAddsWhatItsModeSays(PadMode mode, float[] expected)
    {
        Assert.That(Apply(new RandomCrop((1, 7), (0, 2), mode), new Shape(1, 1, 3), [1, 2, 3]), Is.EqualTo(expected));
        Assert.That(Apply(new RandomCrop((7, 1), (2, 0), mode), new Shape(1, 3, 1), [1, 2, 3]), Is.EqualTo(expected));
    }

    [Test]
    public void AnAffineTransformMovesPixelsAsTorchvisionDoes()
    {
        Shape square = new(1, 2, 2), row = new(1, 1, 4), three = new(1, 3, 3);
        float[] nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        Assert.Multiple(() =>
        {
            Assert.That(Apply(new RandomAffine((90, 90)), square, [1, 2, 3, 4]),
                Is.EqualTo((float[])[3, 1, 4, 2]).Within(1e-5f));
            Assert.That(Apply(new RandomAffine(scale: (2, 2)), row, [0, 1, 2, 3]),
                Is.EqualTo((float[])[0.75f, 1.25f, 1.75f, 2.25f]).Within(1e-5f));
            Assert.That(Apply(new RandomAffine(shearX: (45, 45), fill: -1), three, nine),
                Is.EqualTo((float[])[-1, 1, 2, 4, 5, 6, 8, 9, -1]).Within(1e-4f));
            Assert.That(Apply(new RandomAffine(shearY: (45, 45), fill: -1), three, nine),
                Is.EqualTo((float[])[-1, 2, 6, 1, 5, 9, 4, 8, -1]).Within(1e-4f));
            var moved = new float[9];
            AffineMap.Of(three, 0, right: 1, down: -1).Apply(three, nine, moved, Interpolation.Bilinear, 0);
            Assert.That(moved, Is.EqualTo((float[])[0, 4, 5, 0, 7, 8, 0, 0, 0]));
        });
    }

    [Test]
    public void AResizedCropIsARegionOfTheImage()
    {
        var shape = new Shape(1, 4, 4);
        float[] image = [.. Enumerable.Range(0, 16).Select(i => (float)i)];
        var quarter = new RandomResizedCrop(2, (0.25, 0.25), (1, 1));
        string[] seen = [.. Enumerable.Range(0, 300)
            .Select(item => string.Join(' ', Apply(quarter, shape, image, item))).Distinct()];
        Assert.That(seen, Is.EquivalentTo(from top in Enumerable.Range(0, 3)
                                          from left in Enumerable.Range(0, 3)
                                          let first = 4 * top + left
                                          select $"{first} {first + 1} {first + 4} {first + 5}"));
        // The weights of the pixels at the distances 1/2, 1/2 and 3/2 are 3/7, 3/7 and 1/7.
        Assert.That(Apply(new RandomResizedCrop((1, 2), (1, 1), (4, 4)), new Shape(1, 1, 4), [0, 7, 14, 21]),
            Is.EqualTo((float[])[5, 16]).Within(1e-5f));
        // A region of this ratio and the area of the image has two rows, so the middle is taken.
        Assert.That(Apply(new RandomResizedCrop((1, 2), (1, 1), (2, 2)), new Shape(1, 1, 6), [1, 2, 3, 4, 5, 6]),
            Is.EqualTo((float[])[3, 4]));
    }

    [Test]
    public void ABlurIsAGaussian()
    {
        float e = MathF.Exp(-1 / (2 * 0.8f * 0.8f)), middle = 1 / (1 + 2 * e), side = e * middle;
        // The first and the last row are beside the middle one twice, because they are reflected.
        Assert.That(Apply(new GaussianBlur(3, (0.8, 0.8)), new Shape(1, 3, 5), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
            0, 0]), Is.EqualTo((float[])[0, 2 * side * side, 2 * side * middle, 2 * side * side, 0, 0, side * middle,
            middle * middle, side * middle, 0, 0, 2 * side * side, 2 * side * middle, 2 * side * side, 0])
            .Within(1e-6f));
        // The pixel beside the border is its own neighbour on both sides.
        Assert.That(Apply(new GaussianBlur(3, (0.8, 0.8)), new Shape(1, 2, 3), [0, 1, 0, 0, 1, 0]),
            Is.EqualTo((float[])[2 * side, middle, 2 * side, 2 * side, middle, 2 * side]).Within(1e-6f));
    }

    [Test]
    public void ErasuresHaveTheirSize()
    {
        var shape = new Shape(2, 6, 6);
        float[] ones = [.. Enumerable.Repeat(1f, shape.Length)];
        for (int item = 0; item < 50; item++)
        {
            float[] erased = Apply(new RandomErasing(1, (0.25, 0.25), (1, 1), value: 5), shape, ones, item);
            Assert.That(erased.Count(value => value == 5), Is.EqualTo(2 * 9));
            Assert.That(erased.AsSpan(0, 36).SequenceEqual(erased.AsSpan(36)), "both channels lose the same pixels");
            int cut = Apply(new Cutout(3), shape, ones, item).Count(value => value == 0) / 2;
            Assert.That(cut, Is.AnyOf(4, 6, 9));
        }
        int without = Enumerable.Range(0, 1_000).Count(item
            => Apply(new RandomErasing(0.25), shape, ones, item).SequenceEqual(ones));
        // Five standard deviations of a binomial distribution with n = 1,000 and p = 3/4.
        Assert.That(without, Is.EqualTo(750).Within(69));
    }

    [Test]
    public void ColoursChangeAsTorchvisionSays()
    {
        var pixel = new Shape(3, 1, 1);
        float[] Of(Action<float[]> change, params float[] image)
        {
            change(image);
            return image;
        }

        Assert.Multiple(() =>
        {
            Assert.That(Of(image => ImageColors.Hue(pixel, image, 1f / 3), 200, 0, 0),
                Is.EqualTo((float[])[0, 200, 0]).Within(1e-3f));
            Assert.That(Of(image => ImageColors.Hue(pixel, image, -1f / 6), 200, 50, 50),
                Is.EqualTo((float[])[200, 50, 200]).Within(1e-3f));
            Assert.That(Of(image => ImageColors.Hue(pixel, image, 0.5f), 10, 40, 30),
                Is.EqualTo((float[])[40, 10, 20]).Within(1e-3f));
            Assert.That(Of(image => ImageColors.Saturation(pixel, image, 0, 255), 100, 0, 50),
                Has.All.EqualTo(29.9f + 5.7f).Within(1e-3f));
            Assert.That(Of(image => ImageColors.Brightness(image, 1.5f, 255), 100, 200, 0),
                Is.EqualTo((float[])[150, 255, 0]));
            Assert.That(Of(image => ImageColors.Contrast(new Shape(1, 1, 2), image, 0.5f, 255), 100, 200),
                Is.EqualTo((float[])[125, 175]));
            Assert.That(Of(image => ImageLevels.Posterize(image, 4, 255), 15, 16, 255),
                Is.EqualTo((float[])[0, 16, 240]));
            Assert.That(Of(image => ImageLevels.Solarize(image, 128, 255), 100, 128, 255),
                Is.EqualTo((float[])[100, 127, 0]));
            Assert.That(Of(image => ImageLevels.AutoContrast(new Shape(1, 1, 3), image, 255), 50, 60, 100),
                Is.EqualTo((float[])[0, 51, 255]));
            float[] two = [.. Enumerable.Repeat(10f, 255), .. Enumerable.Repeat(20f, 257)];
            Assert.That(Of(image => ImageLevels.Equalize(new Shape(1, 1, 512), image, 255), [.. two]),
                Is.EqualTo(two.Select(value => value == 10 ? 0f : 255)));
            Assert.That(Of(image => ImageLevels.Sharpness(new Shape(1, 3, 3), image, 0, 255),
                [13, 13, 13, 13, 26, 13, 13, 13, 13]), Is.EqualTo((float[])[13, 13, 13, 13, 18, 13, 13, 13, 13]));
            Assert.That(Apply(new RandomGrayscale(1), pixel, [10, 20, 30]),
                Has.All.EqualTo(2.99f + 11.74f + 3.42f).Within(1e-4f));
        });
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
        Assert.That(() => new RandomCrop(2, 2, PadMode.Reflect).Infer(s_shape), Throws.ArgumentException
            .With.Message.Contains("2×2×3 cannot be reflected by a padding of 2×2"));
        Assert.That(() => new GaussianBlur(4), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("kernelSize 4 is even").And.Message.Contains("Use 3 or 5"));
        Assert.That(() => new GaussianBlur(5).Infer(s_shape), Throws.ArgumentException
            .With.Message.Contains("Use a kernel of at most 3"));
        Assert.That(() => new ColorJitter(hue: 0.6), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("hue 0.6 is not in [0, 0.5]"));
        Assert.That(() => new RandAugment().Infer(s_shape), Throws.ArgumentException
            .With.Message.Contains("RandAugment takes images of 1 channel (grey) or 3"));
        Assert.That(() => new RandAugment(magnitude: 31), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("Use at most 30"));
        Assert.That(() => new RandomResizedCrop(2, (0.5, 0.1)), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("scale 0.5,0.1 is not in (0, 1], in ascending order"));
    }

    private static float[] Apply(Transform transform, int item, int epoch = 1)
        => Apply(transform, s_shape, s_image, item, epoch);

    private static float[] Apply(Transform transform, Shape shape, float[] image, int item = 0, int epoch = 1)
    {
        var y = new float[transform.Infer(shape).Length];
        transform.Apply(shape, image, y, new RandomSequence(3, 0, epoch, item));
        return y;
    }
}
