using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Sizes and errors of padding, resizing, slices and pools of other windows.</summary>
public sealed class MovingLayersTests
{
    [Test]
    public void SamePaddingPreservesEveryMap([Range(1, 6)] int kernel, [Range(1, 3)] int dilation)
    {
        var window = new Window(kernel, 1, Padding.Same(kernel, dilation), dilation);
        for (int size = 1; size < 9; size++)
            Assert.That(window.Output(new Shape(1, size, size + 2)), Is.EqualTo(new Extent(size, size + 2)));
        Assert.That(window.Padding.Bottom - window.Padding.Top, Is.EqualTo((kernel - 1) * dilation % 2));
    }

    [Test]
    public void SamePaddingDividesTheSizeByTheStride([Range(1, 5)] int kernel, [Range(1, 4)] int stride,
        [Range(1, 2)] int dilation)
    {
        for (int size = 1; size < 12; size++)
        {
            var map = new Shape(1, size, 12 - size);
            Padding upper = Padding.SameUpper(map, kernel, stride, dilation),
                lower = Padding.SameLower(map, kernel, stride, dilation);
            Assert.That(lower, Is.EqualTo(new Padding(upper.Bottom, upper.Right, upper.Top, upper.Left)));
            Assert.That(upper.Bottom - upper.Top, Is.InRange(0, 1));
            foreach (Padding padding in new[] { upper, lower })
            {
                var window = new Window(kernel, stride, padding, dilation, Rounding.Floor);
                Assert.That(window.Output(map), Is.EqualTo(new Extent((size + stride - 1) / stride,
                    (12 - size + stride - 1) / stride)), $"{window} on {map}");
            }
        }
        Assert.That(() => Padding.Same(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void SplitDividesTheChannels()
    {
        var graph = new Graph(new Shape(10, 2, 3));
        Node[] parts = graph.Split(graph.Input, 3, 1, 6);
        Assert.That(parts.Select(part => part.Layer), Is.EqualTo(new[]
        {
            new Slice(SliceAxis.Channels, 0, 3), new Slice(SliceAxis.Channels, 3, 1),
            new Slice(SliceAxis.Channels, 4, 6),
        }));
        Assert.That(parts.Select(part => part.Shape.C), Is.EqualTo(new[] { 3, 1, 6 }));
        Assert.That(() => graph.Split(graph.Input, 3, 6),
            Throws.ArgumentException.With.Message.Contains("10 channels, which cannot be divided into 3 + 6 = 9"));
        Assert.That(() => graph.Split(graph.Input, 12, -2), Throws.ArgumentException);
    }

    [Test]
    public void WhatDoesNotFitIsExplained()
    {
        Refused(() => new Pad2d((0, -1, 0, 0)), "must not be negative. A Slice removes");
        Refused(() => new Pad2d(3, PadMode.Reflect).Infer(new Shape(1, 3, 5)), "at most 2 rows and 4 columns");
        Refused(() => new Upsample(), "needs either a scale or a size, but has neither");
        Refused(() => new Upsample(2, size: 5), "the scale 2×2 and the size 5×5");
        Refused(() => new Upsample(2, alignCorners: true), "cannot be aligned in nearest mode");
        Refused(() => new Upsample(0.25f).Infer(new Shape(1, 8, 3)), "leaves no pixel of a 8×3 map");
        Refused(() => new Slice(SliceAxis.Rows, 2, 4).Infer(new Shape(1, 5, 9)), "At most 3 fit there");
        Refused(() => new Reshape(new Shape(2, 3, 4)).Infer(new Shape(5, 5, 1)), "of 25 values");
        Refused(() => new PixelShuffle(2).Infer(new Shape(6, 1, 1)), "not divisible by 2·2 = 4");
        Refused(() => new PixelUnshuffle(4).Infer(new Shape(1, 8, 6)), "divisor of 2");
        Refused(() => new ChannelShuffle(4).Infer(new Shape(6, 1, 1)), "not divisible by 4 groups");
        Refused(() => new MaxPool2d(2, 1, 1, Rounding.Floor, dilation: 4).Infer(new Shape(1, 3, 3)), "steps over");
        Assert.That(new MaxPool2d(2, 1, 1, Rounding.Floor, dilation: 3).Infer(new Shape(1, 3, 3)),
            Is.EqualTo(new Shape(1, 2, 2)));

        static void Refused(Func<object> code, string message)
            => Assert.That(() => code(), Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));
    }
}
