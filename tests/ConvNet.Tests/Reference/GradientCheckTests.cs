using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>What the gradient check says of itself.</summary>
public sealed class GradientCheckTests
{
    [Test]
    public void AnEmptyBatchIsRefused()
        => Assert.That(() => new GradientCheckOptions { BatchSize = 0 }, Throws.TypeOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("at least 1"));

    [Test]
    public void AnOutputThatIsMostlyZeroFailsTheCheckItself()
    {
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(new EighthValues(), [Shape.Vector(100)], [managed],
            new GradientCheckOptions { Modes = CheckModes.Exact });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(report.Layers.Single().Remark, Does.Contain("proves little"));
    }

    [TestCase(5, 0, Description = "one element in nine has terms")]
    [TestCase(1, 1, Description = "the padding leaves no element that has terms")]
    public void ElementsThatNoTermReachesAreNotCountedAsZero(int width, int padding)
    {
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(
            new ConvTranspose2d(2, 2, stride: 3, padding: padding, dilation: 3, bias: false),
            [new Shape(3, width, width)], [managed], new GradientCheckOptions { Modes = CheckModes.Exact });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), report.Layers.Single().Remark);
    }

    [Test]
    public void ALayerThatRoundsIsAGapAndNamed()
    {
        using var managed = new ManagedBackend();
        Graph graph = Sequential.Of(new Shape(3, 6, 6), new Conv2d(8, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new Flatten(), new Linear(3));
        GradientReport report = GradientCheck.Run(graph, [managed],
            new GradientCheckOptions { Modes = CheckModes.Segments });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass));
        Assert.That(report.Layers.Select(l => l.Layer), Is.EqualTo(new[] { "conv1", "relu1…linear1" }),
            "every layer but the one that rounds");
        Assert.That(report.Gaps.Select(c => c.Layer), Is.EqualTo(new[] { "bn1", "relu1" }));
    }

    [TestCase(CheckModes.Exact)]
    [TestCase(CheckModes.Real)]
    [TestCase(CheckModes.ForwardMode)]
    [TestCase(CheckModes.Segments)]
    [TestCase(CheckModes.EndToEnd)]
    public void EveryModeEndsWhenItIsCancelled(CheckModes mode)
    {
        using var managed = new ManagedBackend();
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        var options = new GradientCheckOptions { Modes = mode, Cancellation = cancellation.Token };
        Graph graph = Sequential.Of(new Shape(3, 6, 6), new Conv2d(8, 3, padding: 1), new Flatten(), new Linear(3));
        Assert.Throws<OperationCanceledException>(() => GradientCheck.Run(graph, [managed], options));
        if (mode is not (CheckModes.Segments or CheckModes.EndToEnd))
        {
            Assert.Throws<OperationCanceledException>(
                () => GradientCheck.Run(new Conv2d(8, 3), [new Shape(3, 6, 6)], [managed], options));
        }
        Assert.Throws<OperationCanceledException>(() => SelfTest.Of(managed, cancellation.Token));
        Assert.Throws<OperationCanceledException>(() => SoundnessSweep.Check(1, [managed], cancellation.Token));
    }

    // Every eighth value, and zeros in place of the others.
    private sealed record EighthValues : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override Accuracy Accuracy => Accuracy.Moves;

        public override BackwardReads BackwardReads => BackwardReads.None;

        public override void Forward<T>(in Frame<T> f) => Keep(f.X(0), f.Y);

        public override void Backward<T>(in Frame<T> f) => Keep(f.DY, f.DX(0));

        private static void Keep<T>(ReadOnlySpan<T> from, Span<T> to)
        {
            to.Clear();
            for (int i = 0; i < from.Length; i += 8)
                to[i] = from[i];
        }
    }
}
