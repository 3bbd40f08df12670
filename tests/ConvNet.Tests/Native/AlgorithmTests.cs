using ConvNet.Models;
using ConvNet.Native;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>Which algorithm a layer gets.</summary>
public sealed unsafe class AlgorithmTests
{
    private static readonly SumPass[] Passes = Enum.GetValues<SumPass>();

    [Test]
    public void AccurateTakesNothingLessExactThanDirect()
    {
        using var backend = new NativeBackend(precision: Precision.Accurate);
        Assert.That(backend.Info.Precision, Is.EqualTo(Precision.Accurate));
        Assert.That(AlgorithmsOf(backend, BuiltInModels.Create("resnet20"), 32), Is.All.EqualTo(SumAlgorithm.Direct));
    }

    [Test]
    public void FastTakesWinogradWhereThereIsEnoughToDo()
    {
        using var backend = new NativeBackend();
        Assert.That(backend.Info.Precision, Is.EqualTo(Precision.Fast));
        Graph graph = Sequential.Of(new Shape(64, 28, 28), new Conv2d(64, 3, padding: 1));
        Assert.That(AlgorithmsOf(backend, graph, 8), Is.All.EqualTo(SumAlgorithm.Winograd4));
    }

    [Test]
    public void WhatIsForcedIsTakenWhereALayerCanTakeIt([Values] SumAlgorithm algorithm)
    {
        using var backend = new NativeBackend(precision: Precision.Accurate) { Algorithm = algorithm };
        var graph = Sequential.Of(new Shape(3, 12, 12), new Conv2d(32, 3), new Conv2d(32, 3, groups: 2),
            new Conv2d(32, 3, groups: 32), new Conv2d(16, 3, stride: 2, rounding: Rounding.Floor), new Conv2d(9, 1));
        using NativePlan net = backend.Compile(graph, new TrainingSpec(2, new MeanSquaredError(), new Sgd()));
        SumAlgorithm[] expected = [SumAlgorithm.Direct, algorithm, SumAlgorithm.Direct, SumAlgorithm.Direct,
            SumAlgorithm.Direct];
        foreach (SumPass pass in Passes)
            Assert.That(graph.Nodes.Skip(1).Select(node => net.AlgorithmOf(node, pass)), Is.EqualTo(expected),
                $"{pass}");
    }

    [Test]
    public void TheChoiceDependsNeitherOnThreadsNorOnTheProcessor()
    {
        Graph graph = BuiltInModels.Create("resnet20");
        foreach (NativeIsa isa in NativeBackend.SupportedIsas)
        {
            using NativeBackend one = new(threads: 1, isa), eight = new(threads: 8, isa);
            Assert.That(AlgorithmsOf(eight, graph, 16), Is.EqualTo(AlgorithmsOf(one, graph, 16)), $"{isa}");
        }
    }

    [Test]
    public void WeightsAreTransformedOnceForInferenceAndEvaluation()
    {
        using var backend = new NativeBackend { Algorithm = SumAlgorithm.Winograd4 };
        Graph graph = Sequential.Of(new Shape(16, 8, 8), new Conv2d(16, 3), new BatchNorm2d());
        using NativePlan training = backend.Compile(graph, new TrainingSpec(2, new MeanSquaredError(), new Sgd())),
            inference = backend.CompileInference(graph, 2);
        Assert.That(Preparations(inference), Is.EqualTo((string[])["fold norm", "transform weights"]));
        Assert.That(Preparations(training), Is.Empty, "a step changes them before they are read again");
        cn_tensor x = Layouts.Tensor(cn_layout.CN_BLOCKED, new Shape(16, 8, 8)),
            y = Layouts.Tensor(cn_layout.CN_BLOCKED, new Shape(16, 6, 6));
        cn_conv2d conv = ConvKernels.Of(x, y, new Window(3, 1, 0, 1), 1);
        conv.algorithm = cn_algorithm.CN_WINOGRAD_4;
        long folded = 9 * 16 * 16 + 16,
            transformed = ConvKernels.Describe(backend.Context, conv, null, cn_pass.CN_FORWARD, 2).transformed;
        Assert.That(transformed, Is.Positive);
        Assert.That(inference.Explain().Memory.Prepared, Is.EqualTo(4 * folded + transformed));

        static IEnumerable<string> Preparations(NativePlan net)
            => net.Explain().Layers.SelectMany(layer => layer.Calls).Where(call => call.Pass == PlannedPass.Preparation)
                .Select(call => call.Kernel);
    }

    [Test]
    public void ThePlanSaysWhichAlgorithmRunsAndWhatTheOthersWouldTake()
    {
        using NativeBackend chosen = new(), forced = new() { Algorithm = SumAlgorithm.Winograd2 },
            accurate = new(precision: Precision.Accurate);
        Assert.That(Forward(chosen), Does.StartWith("conv forward: Winograd F(4×4, 3×3) (")
            .And.Contains("estimates on one thread: direct ").And.Contains("F(2×2, 3×3) "));
        Assert.That(Forward(forced), Does.StartWith("conv forward: Winograd F(2×2, 3×3) (").And.Contains("requested"));
        Assert.That(Forward(accurate), Does.StartWith("conv forward: direct, ")
            .And.Contains("accurate precision allows nothing less exact"));

        static string Forward(NativeBackend backend)
        {
            using NativePlan net =
                backend.CompileInference(Sequential.Of(new Shape(64, 28, 28), new Conv2d(64, 3, padding: 1)), 8);
            return net.Explain().Layers.SelectMany(layer => layer.Calls).Single(call => call.Kernel == "conv forward")
                .ToString();
        }
    }

    private static SumAlgorithm[] AlgorithmsOf(NativeBackend backend, Graph graph, int batch)
    {
        using NativePlan net =
            backend.Compile(graph, new TrainingSpec(batch, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        return [.. from node in graph.Nodes.Skip(1) where node.Layer is Conv2d from pass in Passes
            select net.AlgorithmOf(node, pass)];
    }
}
