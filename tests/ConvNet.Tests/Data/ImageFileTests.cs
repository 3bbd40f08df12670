using ConvNet.Data;
using NUnit.Framework;
using SkiaSharp;

namespace ConvNet.Tests.Data;

public sealed class ImageFileTests
{
    private const int Width = 30, Height = 20;

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    private static IEnumerable<TestCaseData> Formats { get; } =
    [
        Format("JPEG", MadeImages.Encode(SKEncodedImageFormat.Jpeg, Width, Height, MadeImages.Ramp), 12),
        Format("PNG", MadeImages.Encode(SKEncodedImageFormat.Png, Width, Height, MadeImages.Ramp), 0),
        Format("WebP", MadeImages.Encode(SKEncodedImageFormat.Webp, Width, Height, MadeImages.Ramp), 0),
        Format("BMP", MadeImages.Bmp(Width, Height, MadeImages.Ramp), 0),
    ];

    [TestCaseSource(nameof(Formats))]
    public void EveryFormatIsReadWhateverItsNameSays(byte[] content, int tolerance)
    {
        byte[] expected = [.. Planes(MadeImages.Ramp, Width, Height)];
        foreach (string name in (string[])["a.jpg", "a.png", "a.webp", "a.bmp", "a"])
            Assert.That(Read(name, content, 3, Height, Width).Select(value => (int)value),
                Is.EqualTo(expected.Select(value => (int)value)).Within(tolerance), name);
    }

    [TestCaseSource(nameof(Formats))]
    public void ATruncatedFileIsAnErrorThatNamesItOrGivesTheWholeImage(byte[] content, int _)
    {
        byte[] whole = Read("whole", content, 3, Height, Width);
        int refused = 0, lengths = 0;
        for (int length = 0; length < content.Length; length += 10, lengths++)
        {
            try
            {
                Assert.That(Read("cut.jpg", content[..length], 3, Height, Width), Is.EqualTo(whole), $"{length} bytes");
            }
            catch (InvalidDataException error)
            {
                Assert.That(error.Message, Does.StartWith(_folder.File("cut.jpg")), $"{length} bytes");
                refused++;
            }
        }
        Assert.That(refused, Is.GreaterThan(0.8 * lengths), $"of {lengths}");
    }

    // Red, green, blue and white in the corners, from the upper left to the lower right, as stored.
    [TestCase(1, "RGBW")]
    [TestCase(2, "GRWB")]
    [TestCase(3, "WBGR")]
    [TestCase(4, "BWRG")]
    [TestCase(5, "RBGW")]
    [TestCase(6, "BRWG")]
    [TestCase(7, "WGBR")]
    [TestCase(8, "GWRB")]
    public void TheExifOrientationIsApplied(byte orientation, string corners)
    {
        byte[] jpeg = MadeImages.WithOrientation(MadeImages.Encode(SKEncodedImageFormat.Jpeg, 64, 32, (x, y)
            => (x < 32, y < 16) switch
            {
                (true, true) => SKColors.Red,
                (false, true) => SKColors.Lime,
                (true, false) => SKColors.Blue,
                _ => SKColors.White,
            }), orientation);
        (int h, int w) = orientation >= 5 ? (64, 32) : (32, 64);
        byte[] pixels = Read("a.jpg", jpeg, 3, h, w);
        Assert.That(string.Concat(new[] { (0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1) }.Select(at =>
        {
            bool[] bright = [.. Enumerable.Range(0, 3).Select(c => pixels[(c * h + at.Item1) * w + at.Item2] > 127)];
            return bright switch
            {
                [true, true, true] => 'W',
                [true, false, false] => 'R',
                [false, true, false] => 'G',
                [false, false, true] => 'B',
                _ => '?',
            };
        })), Is.EqualTo(corners));
    }

    [Test]
    public void GreyBecomesThreeEqualChannelsAndColoursBecomeGrey()
    {
        byte[] grey = MadeImages.Png(3, 1, 8, 0, [0, 0, 100, 255]);
        Assert.That(Read("a.png", grey, 3, 1, 3), Is.EqualTo((byte[])[0, 100, 255, 0, 100, 255, 0, 100, 255]));
        Assert.That(Read("a.png", grey, 1, 1, 3), Is.EqualTo((byte[])[0, 100, 255]));
        byte[] colours = MadeImages.Png(4, 1, 8, 2, [0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]);
        // 0.299·255, 0.587·255, 0.114·255, and 2.99 + 11.74 + 3.42.
        Assert.That(Read("a.png", colours, 1, 1, 4), Is.EqualTo((byte[])[76, 150, 29, 18]));
    }

    [Test]
    public void SixteenBitsBecomeEight([Values(0, 2)] int colourType)
    {
        byte[] values = [0x00, 0x00, 0x7F, 0x10, 0xFE, 0x05, 0xFF, 0xFF];
        byte[] row = [0, .. values.Chunk(2).SelectMany(value => Enumerable.Repeat(value, colourType == 0 ? 1 : 3))
            .SelectMany(value => value)];
        byte[] read = Read("a.png", MadeImages.Png(4, 1, 16, (byte)colourType, row), 1, 1, 4);
        Assert.That(read.Select(value => (int)value), Is.EqualTo((int[])[0x00, 0x7F, 0xFE, 0xFF]).Within(1));
    }

    [Test]
    public void TransparentPixelsAreCompositedOnWhite()
    {
        byte[] opacity = MadeImages.Png(3, 1, 8, 6, [0, 200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51]);
        Assert.That(Read("a.png", opacity, 3, 1, 3),
            Is.EqualTo((byte[])[200, 255, 244, 100, 255, 224, 0, 255, 204]));
        byte[] palette = MadeImages.Png(4, 1, 8, 3, [0, 0, 1, 2, 1], ("PLTE", [1, 2, 3, 40, 50, 60, 7, 8, 9]),
            ("tRNS", [255, 255, 0]));
        Assert.That(Read("a.png", palette, 3, 1, 4),
            Is.EqualTo((byte[])[1, 40, 255, 40, 2, 50, 255, 50, 3, 60, 255, 60]));
    }

    [Test]
    public void CmykBecomesRgb()
    {
        foreach ((byte[] inks, int[] colour) in ((byte[], int[])[])
            [([255, 0, 0, 255], [255, 0, 0]), ([0, 255, 0, 255], [0, 255, 0]), ([255, 255, 255, 0], [0, 0, 0]),
                ([255, 255, 255, 255], [255, 255, 255])])
            Assert.That(Read("a.jpg", MadeImages.CmykJpeg(inks), 3, 1, 1).Select(value => (int)value),
                Is.EqualTo(colour).Within(3));
    }

    [Test]
    public void OfAnAnimationTheFirstFrameIsRead()
        => Assert.That(Read("a.gif", MadeImages.AnimatedGif(), 3, 1, 1), Is.EqualTo((byte[])[255, 0, 0]));

    // Every result is the mean of the pixels around its centre, with weights that fall linearly.
    [TestCase(30, 20, 20, 30)]
    [TestCase(30, 20, 10, 10)]
    [TestCase(30, 20, 7, 5)]
    [TestCase(9, 40, 13, 8)]
    [TestCase(5, 3, 30, 50)]
    [TestCase(1, 1, 3, 2)]
    public void AnImageIsScaledUntilItCoversTheSizeAndTheMiddleIsTaken(int width, int height, int h, int w)
    {
        byte[] png = MadeImages.Encode(SKEncodedImageFormat.Png, width, height, MadeImages.Ramp);
        byte[] got = Read("a.png", png, 3, h, w), pixels = Planes(MadeImages.Ramp, width, height);
        double scale = Math.Min((double)width / w, (double)height / h), reach = Math.Max(1, scale);
        for (int c = 0; c < 3; c++)
        {
            for (int i = 0; i < h; i++)
            {
                for (int j = 0; j < w; j++)
                {
                    double cy = height / 2.0 + (i + 0.5 - h / 2.0) * scale,
                        cx = width / 2.0 + (j + 0.5 - w / 2.0) * scale;
                    double sum = 0, weights = 0;
                    for (int y = 0; y < height; y++)
                    {
                        for (int x = 0; x < width; x++)
                        {
                            double weight = Math.Max(0, reach - Math.Abs(y + 0.5 - cy))
                                * Math.Max(0, reach - Math.Abs(x + 0.5 - cx));
                            sum += weight * pixels[(c * height + y) * width + x];
                            weights += weight;
                        }
                    }
                    Assert.That(got[(c * h + i) * w + j], Is.EqualTo(sum / weights).Within(0.501), $"{c}, {i}, {j}");
                }
            }
        }
    }

    [TestCase(12, 16)]
    [TestCase(20, 20)]
    [TestCase(24, 33)]
    [TestCase(70, 40)]
    [TestCase(96, 128)]
    public void AJpegFileThatIsDecodedSmallerHasThePixelsOfTheWholeImage(int h, int w)
    {
        static SKColor Smooth(int x, int y)
            => new((byte)(40 + x), (byte)(230 - 2 * y), (byte)(128 + 60 * Math.Sin(x / 20.0) * Math.Cos(y / 15.0)));

        byte[] whole = MadeImages.Encode(SKEncodedImageFormat.Png, 128, 96, Smooth),
            jpeg = MadeImages.Encode(SKEncodedImageFormat.Jpeg, 128, 96, Smooth);
        byte[] expected = Read("a.png", whole, 3, h, w),
            turned = Read("b.jpg", MadeImages.WithOrientation(jpeg, 6), 3, w, h);
        Assert.That(Read("a.jpg", jpeg, 3, h, w).Select(value => (int)value),
            Is.EqualTo(expected.Select(value => (int)value)).Within(4));
        // Stored rows are columns of the upright image.
        Assert.That(turned.Select((value, i) => value - Turned(i)), Has.All.InRange(-4, 4));

        int Turned(int i)
        {
            (int c, int row, int column) = (i / (h * w), i / h % w, i % h);
            return expected[(c * h + h - 1 - column) * w + row];
        }
    }

    [Test]
    public void AnImageOfTheSizeIsNotChanged()
    {
        byte[] png = MadeImages.Encode(SKEncodedImageFormat.Png, Width, Height, MadeImages.Ramp);
        Assert.That(Read("a.png", png, 3, Height, Width), Is.EqualTo(Planes(MadeImages.Ramp, Width, Height)));
    }

    [Test]
    public void WhatIsNoImageIsRefusedByName()
    {
        Refused("empty.jpg", [], "is empty");
        Refused("text.jpg", [.. "Not a picture."u8], "neither JPEG, PNG, WebP, BMP nor GIF");
        Refused("svg.png", [.. "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"u8], "neither JPEG");
        Refused("start.jpg", [0xFF, 0xD8, 0xFF], "starts as JPEG");
        Refused("bm.bmp", [.. "BM and more words than a header has bytes, but no header, and no picture either."u8],
            "starts as BMP");
        File.WriteAllBytes(_folder.File("a.png"), MadeImages.Png(1, 1, 8, 0, [0, 9]));
        Assert.That(() => ImageFile.Read(_folder.File("a.png"), new Shape(2, 8, 8)),
            Throws.ArgumentException.With.Message.Contains("2×8×8"));
        Assert.That(() => ImageFile.Read(_folder.File("none.png"), new Shape(1, 8, 8)),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("none.png"));
        Assert.That(() => ImageFile.Read(_folder.Path, new Shape(1, 8, 8)),
            Throws.InstanceOf<IOException>().With.Message.Contains("is a folder"));
    }

    [Test]
    public void AnImageOfTooManyPixelsIsRefusedBeforeItIsDecoded()
    {
        byte[] png = MadeImages.Png(60_000, 60_000, 8, 0, [0, 1, 2, 3]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused("huge.png", png, "60,000×60,000", "268,435,456");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void APngThatIsWrittenIsReadBack([Values(1, 3)] int channels)
    {
        var shape = new Shape(channels, 5, 7);
        byte[] pixels = [.. Enumerable.Range(0, shape.Length).Select(i => (byte)(i * 37))];
        Assert.Multiple(() =>
        {
            Assert.That(Read("written.png", ImageFile.ToPng(pixels, shape), channels, 5, 7), Is.EqualTo(pixels));
            Assert.That(() => ImageFile.ToPng(pixels.AsSpan(1), shape), Throws.ArgumentException);
            Assert.That(() => ImageFile.ToPng(pixels, new Shape(2, 5, 7)), Throws.ArgumentException);
        });
    }

    private static TestCaseData Format(string name, byte[] content, int tolerance)
        => new TestCaseData(content, tolerance).SetArgDisplayNames(name);

    private static byte[] Planes(Func<int, int, SKColor> colour, int width, int height)
    {
        var pixels = new byte[3 * width * height];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                SKColor pixel = colour(x, y);
                (pixels[y * width + x], pixels[(height + y) * width + x], pixels[(2 * height + y) * width + x])
                    = (pixel.Red, pixel.Green, pixel.Blue);
            }
        }
        return pixels;
    }

    private byte[] Read(string name, byte[] content, int channels, int height, int width)
    {
        File.WriteAllBytes(_folder.File(name), content);
        return ImageFile.Read(_folder.File(name), new Shape(channels, height, width));
    }

    private void Refused(string name, byte[] content, params string[] words)
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Read(name, content, 3, 8, 8))!;
        foreach (string word in words.Prepend(_folder.File(name)))
            Assert.That(error.Message, Does.Contain(word));
    }
}
