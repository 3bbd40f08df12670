using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Sizes whose products exceed 32 bits.</summary>
public sealed class LargeSizesTests
{
    private const int Wide = 1 << 16;

    [Test]
    public void AWindowCountsItsAreaIn64Bits()
    {
        Assert.That(new Extent(Wide, Wide).Area, Is.EqualTo(1L << 32));
        Assert.That(new Extent(int.MaxValue, 3).Area, Is.EqualTo(3L * int.MaxValue));
    }

    [Test]
    public void AnAverageOverALargeWindowDividesByItsArea()
    {
        using var backend = new ManagedBackend();
        Graph graph = Sequential.Of(new Shape(1, 2, 2), new AvgPool2d(Wide, 1, (Wide / 2) - 1));
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        net.Forward((float[])[1, 2, 3, 4]);
        var y = new float[1];
        net.ReadOutput(y);
        net.Backward((float[])[1]);
        var dx = new float[4];
        net.ReadInputGradient(dx);
        Assert.That(y[0], Is.EqualTo(MathF.ScaleB(10, -32)));
        Assert.That(dx, Is.All.EqualTo(MathF.ScaleB(1, -32)));
    }

    [Test]
    public void AConvolutionOfMoreWeightsThanFitIsRefusedWithItsSizes()
    {
        var graph = new Graph(new Shape(1, 2, 2));
        Assert.That(() => graph.Add(new Conv2d(1, Wide, 1, (Wide / 2) - 1), graph.Input),
            Throws.ArgumentException.With.Message.Contains("1×1×65536×65536"));
    }
}
