using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>A user's layer: y = s·x² per channel, with a parameter of its own.</summary>
internal sealed record ScaledSquare(double GradientFactor = 1) : Layer
{
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
        => [new("factor", ParameterRole.Scale, [inputs[0].C])];

    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    public override void Forward<T>(in Frame<T> f)
    {
        for (int i = 0; i < f.Y.Length; i++)
            f.Y[i] = f.W(0)[i / f.YShape.Area % f.YShape.C] * f.X(0)[i] * f.X(0)[i];
    }

    public override void Backward<T>(in Frame<T> f)
    {
        f.DW(0).Clear();
        for (int i = 0; i < f.DY.Length; i++)
        {
            int c = i / f.YShape.Area % f.YShape.C;
            f.DW(0)[c] += f.DY[i] * f.X(0)[i] * f.X(0)[i];
            if (f.WantsDX(0))
                f.DX(0)[i] = T.CreateChecked(2 * GradientFactor) * f.W(0)[c] * f.X(0)[i] * f.DY[i];
        }
    }
}

/// <summary>Layers of the user's own, on the backends that run them, and the check of their gradients.</summary>
public sealed class UserLayerTests
{
    private static readonly IEnumerable<BackendCase> Runs = Backends.All.Where(backend => backend.Name != "torchsharp");

    private static readonly Shape[] Input = [new Shape(17, 3, 5)];

    [TestCaseSource(nameof(Runs))]
    public void RunLikeAnyOther(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        Reports.AssertPasses(GradientCheck.Run(new ScaledSquare(), Input, [opened]));
    }

    [TestCaseSource(nameof(Runs))]
    public void RunBetweenOtherLayers(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(new Shape(3, 6, 5), new Conv2d(18, 3, padding: 1), new ScaledSquare(), new Conv2d(4, 3), new ScaledSquare(), new Flatten(), new Dense(3));
        Reports.AssertPasses(GradientCheck.Run(graph, [opened]));
    }

    [Test]
    public void AWrongGradientIsFound()
    {
        GradientReport report = GradientCheck.Run(new ScaledSquare(GradientFactor: 1.001), Input, [], new GradientCheckOptions { Modes = CheckModes.FiniteDifferences });
        TensorReport[] tensors = [.. report.Layers.Single().Tensors];
        Assert.That(tensors.Where(t => t.Verdict == Verdict.Fail).Select(t => t.Name), Is.EqualTo(new[] { "dx" }), "and no other");
    }

    [Test]
    public void AWrongGradientIsFoundAmongRightOnes()
    {
        Graph graph = Sequential.Of(new Shape(2, 5, 5), new Conv2d(3, 3), new Relu(), new ScaledSquare(GradientFactor: 0.5), new Flatten(), new Dense(3));
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(graph, [managed]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(report.Layers.Where(l => l.Verdict == Verdict.Fail).Select(l => l.Layer).Distinct(), Is.EqualTo(new[] { "scaledsquare1" }));
    }

    [Test]
    public void TorchNamesTheLayerThatItLacks()
    {
        using IBackend torch = Backends.All.Single(backend => backend.Name == "torchsharp").Open();
        Assert.That(() => torch.Compile(Sequential.Of(Input[0], new ScaledSquare()), new TrainingSpec(1, new MeanSquaredError(), new Sgd())),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("scaledsquare"));
    }
}
