using ConvNet.GradientChecking;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The double reference against dual numbers: what every other test takes for the truth.</summary>
public sealed class ForwardModeTests
{
    private static readonly (string Name, int N, Shape Images)[] s_models =
    [
        ("lenet5", 2, new Shape(1, 28, 28)), ("cifarnet", 4, new Shape(3, 8, 8)), ("alexnet", 2, new Shape(3, 63, 63)),
        ("vgg11", 1, new Shape(3, 32, 32)), ("resnet18", 4, new Shape(3, 32, 32)), ("resnet20", 4, new Shape(3, 8, 8)),
        ("digits", 4, new Shape(1, 8, 8)),
    ];

    private static readonly Loss[] s_losses =
    [
        .. LossCases.All.Select(loss => loss.ForClasses(5)), new MulticlassSvm(0.25f), new AbsoluteError(),
    ];

    private static IEnumerable<string> ModelNames => s_models.Select(model => model.Name);

    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void TheReferenceDerivesEveryLayerRightly(LayerCase layer)
    {
        GradientReport report = Passes(GradientCheck.Run(layer.Layer, layer.Inputs, [],
            Contract.Reports.Options(CheckModes.ForwardMode, layer.N)));
        Assert.That(report.Layers.Single().Tensors, Has.Count.EqualTo(layer.Inputs.Length
            + layer.Layer.Parameters(layer.Inputs).Count(spec => spec.Trainable)), "every input and parameter");
    }

    [TestCase("*")]
    [TestCase("weight")]
    [TestCase("bias")]
    public void AFrozenLayerIsDerivedRightly(string frozen)
    {
        GradientReport report = Passes(GradientCheck.Run(new BatchNorm2d(), [new Shape(3, 5, 7)], [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode, Frozen = [frozen] }));
        Assert.That(report.Layers.Single().Tensors.Select(tensor => tensor.Name), Is.EqualTo(
            ((string[])["dx", "dw", "db"]).Where(name => frozen != "*" && name != $"d{frozen[0]}" || name == "dx")));
    }

    [TestCase(RealValues.Rectified)]
    [TestCase(RealValues.Normal)]
    [TestCase(RealValues.Wide)]
    public void EveryDistributionIsDerivedRightly(RealValues values)
    {
        foreach (LayerDeclaration kind in LayerSet.BuiltIn.Declarations)
        {
            foreach (LayerExample example in kind.Examples)
                Passes(GradientCheck.Run(example.Layer, example.Inputs, [],
                    Contract.Reports.Options(CheckModes.ForwardMode, example.BatchSize) with { Values = values }));
        }
    }

    [Test]
    public void TheReferenceDerivesEveryLossRightly([ValueSource(nameof(s_losses))] Loss loss, [Values(1, 6)] int n)
    {
        GradientReport report = Passes(GradientCheck.Run(loss, 5, [], Contract.Reports.Options(CheckModes.ForwardMode,
            n)));
        Assert.That(report.Layers.Select(layer => layer.Remark),
            Is.EqualTo((string[])["", "sample weights",
            .. loss.IgnoredClass is null ? (string[])[] : ["ignored labels"], "whole numbers"]));
    }

    [Test]
    public void EveryLossOfTheLibraryIsAmongThem() => Assert.That(
        s_losses.Select(loss => loss.Declaration).OfType<Declaration<Loss>>().Distinct(),
        Is.EquivalentTo(Loss.BuiltIn.Declarations));

    [Test]
    public void TheHingeItselfHasTheDerivativeZero()
    {
        // The second class is exactly on the hinge: 1 − 2 + 1 = 0.
        Dual[] scores = [new(2, 0.5), new(1, 0.25), new(3, 0.125)];
        Dual value = new MulticlassSvm().Evaluate(new LossFrame<Dual>(Shape.Vector(3), scores, (int[])[0],
            new Dual[3]));
        Assert.That((value.Value, value.Derivative), Is.EqualTo((2, 0.125 - 0.5)));
    }

    [TestCaseSource(nameof(ModelNames))]
    public void TheReferenceDerivesEveryModelRightly(string name)
    {
        (_, int n, Shape images) = s_models.Single(model => model.Name == name);
        Graph graph = BuiltInModels.Create(name, images, classes: 10);
        LayerReport report = new EndToEnd(graph, new TrainingSpec(n, new SoftmaxCrossEntropy(), new Sgd()), steps: 0,
            learningRate: 0).ForwardMode();
        Passes(new GradientReport([report], []));
        Assert.That(report.Tensors.Single().Elements, Is.EqualTo(n * images.Length
            + graph.Parameters.Where(p => p.Trainable).Sum(p => p.Length)));
    }

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Patterns))]
    public void ThePlanOfEveryPatternIsRight(GraphCase graph) => WholeNetworkPasses(graph.Build(), graph.N);

    [Test]
    public void AFrozenNetworkIsDerivedRightly() => WholeNetworkPasses(
        GraphCases.Patterns.Single(graph => graph.Name == "projection block").Build(), 4, "*bn*");

    [Test]
    public void ANetworkThatTakesTooLongIsLeftOutByName()
    {
        GradientReport report = GradientCheck.Run(Sequential.Of(new Shape(64, 64, 64), new Conv2d(512, 3)), [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode, MostTerms = 1 });
        LayerReport network = report.Layers.Single(layer => layer.Kind == "graph");
        Assert.That(network.Tensors, Is.Empty);
        Assert.That(network.ToString(), Does.Contain("nothing was compared").And.Contain("268,435,456"));
    }

    [Test]
    public void OutputsExactlyOnAKinkAreLeftOutAndCounted()
    {
        var options = new GradientCheckOptions { Modes = CheckModes.ForwardMode, Values = RealValues.Rectified };
        LayerReport relu = Passes(GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [], options)).Layers.Single(),
            pool = Passes(GradientCheck.Run(new MaxPool2d(2), [new Shape(8, 8, 8)], [], options)).Layers.Single();
        Assert.Multiple(() =>
        {
            Assert.That(relu.Tensors.Single().Flips, Is.InRange(150, 270), "about half of 420");
            Assert.That(relu.Remark, Is.EqualTo($"{relu.Tensors.Single().Flips} of 420 outputs exactly on a kink are "
                + "left out"));
            Assert.That(pool.Tensors.Single().Flips, Is.InRange(1, 120), "windows of zeros");
        });
    }

    [Test]
    public void AKinkWithoutAnOutputIsCountedAndNothingLeftOut()
    {
        LayerReport report = Passes(GradientCheck.Run(new SumOfMagnitudes(), [Shape.Vector(8)], [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode, Values = RealValues.Rectified })).Layers
            .Single();
        Assert.That(report.Remark, Does.Contain("but not at which outputs"));
    }

    [Test]
    public void AForwardPassThatLosesDerivativesIsNamed()
    {
        LayerReport report = GradientCheck.Run(new ThroughDouble(), [Shape.Vector(5)], [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode }).Layers.Single();
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(report.Remark, Does.StartWith("no derivative reaches the output from x: if Forward converts its "
            + "values to another type, such as double"));
    }

    [Test]
    public void AnOlderCaseFileStillChecksTheReference()
    {
        var made = new LayerGradientCase(new Relu(), [new Shape(1, 2, 3)],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode });
        string json = GradientCaseFile.Write(made);
        Assert.That(json, Does.Contain("\"forward\""));
        Assert.That(GradientCaseFile.Read(json.Replace("\"forward\"", "\"finite-differences\"",
            StringComparison.Ordinal)).Options.Modes, Is.EqualTo(CheckModes.ForwardMode));
    }

    private static void WholeNetworkPasses(Graph graph, int n, params string[] frozen)
    {
        var options = new GradientCheckOptions
        {
            Modes = CheckModes.ForwardMode,
            BatchSize = n,
            Frozen = frozen,
        };
        LayerReport network = Passes(GradientCheck.Run(graph, [], options)).Layers.Single(layer
            => layer.Kind == "graph");
        Assert.That(network.Tensors.Single().Elements, Is.EqualTo(n * graph.Inputs.Sum(input => input.Shape.Length)
            + graph.Parameters.Where(p => p.Trainable && !options.Freezes(p.Name)).Sum(p => p.Length)));
    }

    // Prints the disagreement as a fraction of the terms.
    private static GradientReport Passes(GradientReport report)
    {
        foreach (LayerReport layer in report.Layers)
        {
            foreach (TensorReport tensor in layer.Tensors)
                TestContext.Out.WriteLine($"disagreement {layer.Kind} {layer.Layer} {tensor.Name} "
                    + $"{tensor.WorstInBounds * DirectionalCheck.Tolerance:G3}");
        }
        Contract.Reports.AssertPasses(report);
        return report;
    }

    /// <summary>A user's loss: the mean of |y − t|.</summary>
    private sealed record AbsoluteError : Loss
    {
        public override TargetKind Takes => TargetKind.Values;

        public override T Evaluate<T>(in LossFrame<T> f)
        {
            T sum = T.Zero;
            for (int i = 0; i < f.Y.Length; i++)
            {
                T distance = f.Y[i] - T.CreateChecked(f.Targets.Values[i]),
                    share = f.Weight(i / f.Output.Length) / (f.TotalWeight * T.CreateChecked(f.Output.Length));
                sum += T.Abs(distance) * share;
                f.DY[i] = T.IsNegative(distance) ? -share : share;
            }
            return sum;
        }
    }

    /// <summary>A user's layer with many kinks behind one output: y = Σ |x|.</summary>
    private sealed record SumOfMagnitudes : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Shape.Vector(1);

        public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
            => x[0].Select(value => new Kink(Math.Abs(value)));

        public override void Forward<T>(in Frame<T> f)
        {
            int length = f.XShape(0).Length;
            f.Y.Clear();
            for (int i = 0; i < f.X(0).Length; i++)
                f.Y[i / length] += T.Abs(f.X(0)[i]);
        }

        public override void Backward<T>(in Frame<T> f)
        {
            int length = f.XShape(0).Length;
            for (int i = 0; i < f.DX(0).Length; i++)
                f.DX(0)[i] = T.IsNegative(f.X(0)[i]) ? -f.DY[i / length] : f.DY[i / length];
        }
    }

    /// <summary>A user's layer that computes y = x² in double, whatever the type.</summary>
    private sealed record ThroughDouble : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.Y.Length; i++)
                f.Y[i] = T.CreateChecked(Math.Pow(double.CreateChecked(f.X(0)[i]), 2));
        }

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.DY.Length; i++)
                f.DX(0)[i] = T.CreateChecked(2) * f.X(0)[i] * f.DY[i];
        }
    }
}
