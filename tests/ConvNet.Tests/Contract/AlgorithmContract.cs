using ConvNet.GradientChecking;
using ConvNet.Tests.Native;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every algorithm of a convolution computes on every instruction set, where a layer can take
/// it.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.Forced))]
public sealed class AlgorithmContract(BackendCase backend)
{
    public static IEnumerable<LayerCase> Layers =>
    [
        .. LayerCases.Convolutions.Where(
            layer => layer
            is { Layer: Conv2d { Window: { Kernel: { H: 3, W: 3 }, Stride: { H: 1, W: 1 },
            Dilation: { H: 1, W: 1 } } } }),
        new(new Conv2d(16, 3, padding: 1), 1, new Shape(5, 1, 1)),
        new(new Conv2d(33, 3, padding: 2), 2, new Shape(18, 4, 9)),
        new(new Conv2d(64, 3, padding: 1, groups: 2), 3, new Shape(32, 7, 14)),
        new(new Conv2d(33, 3, padding: 1, bias: false), 8, new Shape(24, 13, 12)),
    ];

    public static IEnumerable<GraphCase> Graphs =>
    [
        .. GraphCases.Networks.Where(graph => graph.Name.StartsWith("resnet20", StringComparison.Ordinal)),
        .. GraphCases.Patterns.Where(graph => graph.Name is "conv relu pool relu pool" or "add relu"
            or "projection block" or "a node read by three"),
        GraphCases.Chain("convs of every kind", 3, new(16, 9, 10), new Conv2d(20, 3, padding: 1), new Relu(),
            new MaxPool2d(2, 1), new Conv2d(33, 3, bias: false), new BatchNorm2d(),
            new Relu(), new Conv2d(6, 3, padding: 1), new Flatten(), new Linear(3)),
    ];

    [TestCaseSource(nameof(Layers))]
    public void ALayerIsExactAndWithinItsErrorBound(LayerCase layer)
    {
        using IBackend opened = backend.Open();
        GradientReport report = GradientCheck.Run(layer.Layer, layer.Inputs, [opened],
            Reports.Options(CheckModes.Exact | CheckModes.Real, layer.N));
        Assert.That(report.Gaps, Is.Empty, "exact mode");
        Reports.AssertPasses(report);
    }

    [TestCaseSource(nameof(Graphs))]
    public void ThreadsPoisonAndTheStepInsideChangeNoBit(GraphCase graph)
    {
        Graph built = graph.Build();
        int[]? expected = null;
        foreach ((int threads, bool poison, bool keepGradients)
            in ((int, bool, bool)[])[(1, false, true), (2, true, true), (3, false, false), (8, true, false)])
        {
            using var opened = (NativeBackend)backend.Open(threads);
            int[] bits = NativeRun.TrainTwoSteps(built, graph.N, opened, net => net.PoisonArena = poison,
                keepGradients);
            expected ??= bits;
            Assert.That(bits, Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [Test]
    public void GradientsAreAddedToThoseThatAreThere()
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(new Shape(16, 6, 7), new Conv2d(18, 3, padding: 1));
        using IExecutable net = opened.Compile(graph, new TrainingSpec(2, new MeanSquaredError(), new Sgd()));
        net.Initialize(new HeNormal(1));
        float[] images = Samples.Uniform(2 * graph.Input.Shape.Length, 1),
            gradient = Samples.Uniform(2 * graph.Output.Shape.Length, 2);
        float[][] once = Differentiate(false), twice = Differentiate(true);
        for (int i = 0; i < once.Length; i++)
            Assert.That(twice[i], Is.EqualTo(once[i].Select(v => v + v)));

        float[][] Differentiate(bool accumulate)
        {
            net.Forward(images);
            net.Backward(gradient, accumulate);
            return [.. graph.Parameters.Select(p => net.ReadGradient(p))];
        }
    }

    [Test]
    public void InferenceSeesEveryChangeOfTheWeights()
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(new Shape(16, 6, 7), new Conv2d(18, 3, padding: 1, bias: false), new BatchNorm2d(),
            new Relu(), new Conv2d(17, 3));
        using IExecutable net = opened.Compile(graph, new TrainingSpec(2, new MeanSquaredError(), new Sgd())),
            inference = opened.CompileInference(graph, 2);
        float[] images = Samples.Uniform(2 * graph.Input.Shape.Length, 1),
            targets = Samples.Uniform(2 * graph.Output.Shape.Length, 2);
        Action[] changes =
        [
            () => net.Initialize(new HeNormal(1)),
            () => net.TrainStep(images, targets, 0.1f),
            () => { net.Forward(images); net.Loss(targets); net.Backward(); net.Step(0.1f); },
            () => net.Write(graph.Parameters[4], Samples.ParameterValues(graph.Parameters[4], 9)),
        ];
        float[] before = [];
        foreach (Action change in changes)
        {
            change();
            net.CopyParametersTo(inference);
            using IExecutable fresh = opened.CompileInference(graph, 2);
            net.CopyParametersTo(fresh);
            float[] scores = Infer(net), folded = Infer(inference);
            Assert.That(scores, Is.Not.EqualTo(before), "the change shows");
            Assert.That(folded, Is.EqualTo(Infer(fresh)));
            Assert.That(scores, Is.EqualTo(folded).Within(1e-4));
            before = scores;
        }

        float[] Infer(IExecutable executable)
        {
            var scores = new float[targets.Length];
            executable.Infer(images, scores);
            return scores;
        }
    }
}
