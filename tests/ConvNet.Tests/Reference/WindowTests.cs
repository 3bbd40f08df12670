using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Sizes of windows that are padded on one side or rounded, and what an average is over: those of
/// torch.</summary>
public sealed class WindowTests
{
    // Size, kernel, stride, padding of both sides, then torch's sizes without and with ceil_mode.
    [TestCase(7, 2, 2, 0, 3, 4)]
    [TestCase(8, 3, 2, 0, 3, 4)]
    [TestCase(8, 3, 2, 1, 4, 5)]
    [TestCase(7, 3, 2, 1, 4, 4)]
    // The window that would begin in the padding behind the map, or behind that, is left out.
    [TestCase(4, 2, 3, 1, 2, 2)]
    [TestCase(5, 1, 3, 0, 2, 2)]
    [TestCase(6, 1, 4, 0, 2, 2)]
    [TestCase(9, 3, 4, 1, 3, 3)]
    [TestCase(11, 3, 4, 1, 3, 3)]
    [TestCase(12, 3, 4, 1, 3, 4)]
    public void APoolRoundsAsTorchDoes(int size, int kernel, int stride, int padding, int floor, int ceiling)
    {
        var map = new Shape(1, size, size);
        Assert.That(new MaxPool2d(kernel, stride, padding, Rounding.Floor).Infer(map).H, Is.EqualTo(floor));
        Assert.That(new MaxPool2d(kernel, stride, padding, Rounding.Ceiling).Infer(map).H, Is.EqualTo(ceiling));
        Assert.That(new AvgPool2d(kernel, stride, padding, Rounding.Ceiling).Infer(map).W, Is.EqualTo(ceiling));
    }

    // Values 1, 2, 3, 4 in a row, and torch's means.
    [TestCase(true, new[] { 1f, 3, 2 })]
    [TestCase(false, new[] { 1.5f, 3, 4 })]
    public void AnAverageThatIsRoundedUpIsOverTheMapAndItsPadding(bool countIncludePad, float[] expected)
    {
        var layer = new AvgPool2d((1, 3), (1, 2), (0, 1), Rounding.Ceiling, countIncludePad);
        Graph graph = Sequential.Of(new Shape(1, 1, 4), layer);
        using var managed = new ManagedBackend();
        using IExecutable executable = managed.CompileInference(graph, 1);
        var y = new float[3];
        executable.Infer((float[])[1, 2, 3, 4], y);
        Assert.That(y, Is.EqualTo(expected));
    }

    [Test]
    public void TheFormulaShowsBothSidesAndTheRounding()
    {
        var map = new Shape(1, 8, 7);
        Assert.Multiple(() =>
        {
            Assert.That(new Conv2d(1, 3, padding: 1).Explain(map),
                Is.EqualTo("(8 − 3 + 2·1) / 1 + 1 = 8 × (7 − 3 + 2·1) / 1 + 1 = 7"));
            Assert.That(new Conv2d(1, 3, 2, (0, 1, 1, 1)).Explain(map),
                Is.EqualTo("(8 − 3 + 0 + 1) / 2 + 1 = 4 × (7 − 3 + 2·1) / 2 + 1 = 4"));
            Assert.That(new MaxPool2d(3, 2, 0, Rounding.Ceiling).Explain(map),
                Is.EqualTo("(8 − 3 + 2·0) / 2 + 1 = 3.5, rounded up × (7 − 3 + 2·0) / 2 + 1 = 3"));
            Assert.That(new MaxPool2d(3, 4, 1, Rounding.Ceiling).Explain(new Shape(1, 9, 9)),
                Is.EqualTo("(9 − 3 + 2·1) / 4 + 1 = 3"));
            Assert.That(new MaxPool2d(1, 3, 0, Rounding.Ceiling).Explain(new Shape(1, 6, 6)),
                Is.EqualTo("(6 − 1 + 2·0) / 3 + 1 = 2.67, rounded down"));
            Assert.That(new ConvTranspose2d(1, 3, 2, (0, 1, 1, 1)).Explain(new Shape(1, 4, 4)),
                Is.EqualTo("(4 − 1)·2 − (0 + 1) + 3 = 8 × (4 − 1)·2 − 2·1 + 3 = 7"));
        });
    }

    [Test]
    public void PaddingIsOneNumberTwoOrFour()
    {
        Assert.Multiple(() =>
        {
            Assert.That((Padding)2, Is.EqualTo(new Padding(2, 2, 2, 2)));
            Assert.That((Padding)(1, 2), Is.EqualTo(new Padding(1, 2, 1, 2)));
            Assert.That((Padding)new Extent(1, 2), Is.EqualTo(new Padding(1, 2, 1, 2)));
            Assert.That((Padding)(1, 2, 3, 4), Is.EqualTo(new Padding(1, 2, 3, 4)));
            Assert.That($"{new Padding(1, 2, 1, 2)}", Is.EqualTo("1×2"));
            Assert.That($"{new Padding(1, 2, 3, 4)}", Is.EqualTo("(1, 2, 3, 4)"));
        });
    }
}
