using ConvNet.Models;
using ConvNet.Native;
using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>What the planner makes of a graph: which operations are fused, how values lie, which reorders it
/// takes.</summary>
public sealed class PlanTests
{
    [Test]
    public void LeNetFusesEveryReluAndReordersOnlyAtItsEnds()
    {
        using NativePlan net = Compile(BuiltInModels.Create("lenet5"));
        Assert.That(net.Training.ForwardSteps.Select(Kind), Is.EqualTo((string[])
        [
            // images → plain with a border of 2
            nameof(ReorderStep), nameof(ConvForward), nameof(ConvForward),
            // maps → features
            nameof(ReorderStep), nameof(LinearForward), nameof(LinearForward), nameof(LinearForward),
            // features → scores
            nameof(ReorderStep),
        ]));
        Assert.That(net.Training.BackwardSteps.Select(Kind), Is.EqualTo((string[])
        [
            // the gradient of the data comes first: that of the weights moves them
            nameof(ReorderStep), nameof(LinearBackwardData), nameof(LinearBackwardWeights),
            nameof(ActivationBackward), nameof(LinearBackwardData), nameof(LinearBackwardWeights),
            nameof(ActivationBackward), nameof(LinearBackwardData), nameof(LinearBackwardWeights),
            // the winners of the pool account for the ReLU before it
            nameof(ReorderStep), nameof(PoolBackward), nameof(ConvBackwardData), nameof(ConvBackwardWeights),
            // and the first weights know which pixels won
            nameof(ConvBackwardWeights),
        ]));
    }

    [Test]
    public void ResNetStaysBlockedFromImagesToScores()
    {
        using NativePlan net = Compile(BuiltInModels.Create("resnet20"));
        IReadOnlyList<Step> forward = net.Training.ForwardSteps, backward = net.Training.BackwardSteps;
        Assert.That(forward.OfType<ReorderStep>().Count(), Is.EqualTo(3),
            "images, features of the linear layer, scores");
        Assert.That(backward.OfType<ReorderStep>().Count(), Is.EqualTo(2), "gradient of the scores, of the features");
        Assert.That(forward.OfType<ActivationForward>(), Is.Empty,
            "every ReLU stands behind a batch normalisation or a sum");
        Assert.That(forward.Concat(backward).OfType<AddStep>(), Is.Empty, "sums run inside the batch normalisation or "
            + "the convolution that gives one side");
        Assert.That(forward.OfType<RowStatistics>(), Is.Empty, "every batch normalisation reads a convolution, which "
            + "gives its statistics");
        Assert.That(backward.OfType<ActivationBackward>().Count(), Is.EqualTo(1),
            "the last sum's, whose gradient comes from a pool");
    }

    [Test]
    public void WithoutFusionEveryReluIsAStep()
    {
        using var backend = new NativeBackend { Fuse = false };
        using NativePlan net = Compile(BuiltInModels.Create("lenet5"), backend);
        Assert.That(net.Training.ForwardSteps.OfType<ActivationForward>().Count(), Is.EqualTo(4));
    }

    [TestCaseSource(nameof(Activations))]
    public void EveryFusableActivationIsFused(FusableActivation activation)
    {
        using NativePlan net = Compile(Sequential.Of(new Shape(3, 9, 9), new Conv2d(16, 3), activation,
            new Conv2d(16, 3), new BatchNorm2d(), activation, new Flatten(), new Linear(5), activation));
        Assert.That(net.Training.ForwardSteps.OfType<ActivationForward>(), Is.Empty);
        Assert.That(net.Training.BackwardSteps.OfType<ActivationBackward>().Count(), Is.EqualTo(1),
            "at the output; backward-data and the batch normalisation apply the others");
    }

    // Their slopes need the input of the activation, which only a batch normalisation has in the backward pass.
    [TestCaseSource(nameof(ActivationsOfInputs))]
    public void AnActivationOfItsInputIsFusedBehindABatchNormAndInInference(InputActivation activation)
    {
        Graph graph = Sequential.Of(new Shape(3, 9, 9), new Conv2d(16, 3), new BatchNorm2d(), activation,
            new Conv2d(16, 3), activation, new Flatten(), new Linear(5));
        using NativePlan net = Compile(graph);
        Assert.That(net.Training.ForwardSteps.OfType<ActivationForward>().Count(), Is.EqualTo(1));
        Assert.That(net.Training.BackwardSteps.OfType<ActivationBackward>().Count(), Is.EqualTo(1));
        Assert.That(net.Inference.ForwardSteps.OfType<ActivationForward>(), Is.Empty);
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        Assert.That(NativeRun.TrainTwoSteps(graph, 3, fused), Is.EqualTo(NativeRun.TrainTwoSteps(graph, 3, unfused)));
    }

    // A pixel in several windows receives a sum of gradients, and a sum of rounded products is not the rounded product
    // of the sum. The slopes of ReLU and ReLU6 do not round.
    [TestCase(2, true)]
    [TestCase(1, false)]
    public void ALeakyReluIsPooledWithAConvolutionUnlessWindowsOverlap(int stride, bool fused)
    {
        foreach (FusableActivation activation in Activations)
        {
            using NativePlan net = Compile(
                Sequential.Of(new Shape(1, 8, 8), new Conv2d(6, 3, padding: 1), activation, new MaxPool2d(2, stride)));
            Assert.That(net.Training.ForwardSteps.OfType<PoolForward>().Any(),
                Is.EqualTo(activation is not (Relu or Relu6) && !fused), $"{activation}");
        }
    }

    [Test]
    public void AValueThatOthersReadIsNotFusedAway()
    {
        var graph = new Graph(new Shape(3, 5, 5));
        Node x = graph.Add(new Conv2d(4, 3, padding: 1), graph.Input);
        graph.Add(new Add(), graph.Add(new Relu(), x), x);
        using NativePlan net = Compile(graph);
        Assert.That(net.Training.ForwardSteps.OfType<ActivationForward>().Count(), Is.EqualTo(1));
    }

    [Test]
    public void InferenceFoldsBatchNormIntoTheConvolution()
    {
        using var backend = new NativeBackend();
        Graph graph = Sequential.Of(new Shape(3, 6, 6), new Conv2d(5, 3, bias: false), new BatchNorm2d(), new Relu());
        using var net = (NativePlan)backend.CompileInference(graph, 2);
        Assert.That(net.Inference.ForwardSteps.Select(Kind),
            Is.EqualTo((string[])[nameof(ReorderStep), nameof(ConvForward), nameof(ReorderStep)]));
        using NativePlan training = Compile(graph);
        Assert.That(training.Inference.ForwardSteps.Select(Kind), Has.One.EqualTo(nameof(BatchNormInfer)),
            "its parameters change under it");
    }

    [Test]
    public void AHaloIsAsWideAsTheWidestReaderWantsUpToThree()
    {
        var graph = new Graph(new Shape(16, 12, 12));
        Node x = graph.Append(graph.Input, new Conv2d(16, 1), new Relu());
        Node narrow = graph.Add(new Conv2d(4, 3, padding: 1), x), wide = graph.Add(new Conv2d(4, 5, padding: 2), x);
        Node far = graph.Add(new Conv2d(4, 9, padding: 4), x);
        graph.Add(new Add(), narrow, wide, far);
        using NativePlan net = Compile(graph);
        Step first = net.Training.ForwardSteps.OfType<ConvForward>().First();
        Assert.That(first.Slots.Where(slot => slot.Tensor.halo > 0).Select(slot => slot.Tensor),
            Is.EqualTo((cn_tensor[])[new cn_tensor(16, 12, 12, 2, cn_layout.CN_BLOCKED)]));
    }

    [Test]
    public void AHaloOfThreeIsWrittenAndOneOfFourIsNot([Values(3, 4)] int padding)
    {
        using NativePlan net = Compile(
            Sequential.Of(new Shape(16, 12, 12), new Conv2d(16, 1), new Conv2d(4, 2 * padding + 1, padding: padding)));
        Step first = net.Training.ForwardSteps.OfType<ConvForward>().First();
        Assert.That(first.Slots.Max(slot => slot.Tensor.halo), Is.EqualTo(padding == 3 ? 3 : 0));
    }

    [Test]
    public void StatisticsOfRowsAreGivenWhereANormReadsThemInTraining()
    {
        Graph normed = Sequential.Of(new Shape(3, 6, 6), new Conv2d(5, 3), new BatchNorm2d()),
            plain = Sequential.Of(new Shape(3, 6, 6), new Conv2d(5, 3), new Relu());
        Assert.Multiple(() =>
        {
            Assert.That(Give(normed, PassKind.Training, fuse: true), Is.True);
            Assert.That(Give(normed, PassKind.Training, fuse: false), Is.False);
            Assert.That(Give(normed, PassKind.Evaluation, fuse: true), Is.False);
            Assert.That(Give(plain, PassKind.Training, fuse: true), Is.False);
        });

        static bool Give(Graph graph, PassKind kind, bool fuse)
            => Fusion.Apply(graph, new PassSpec(kind, 2, null, [], FrozenParameters.None, fuse,
                new AlgorithmPolicy(Precision.Fast, null), default)).Operations[0].GivesStatistics;
    }

    [Test]
    public void ASumWithTheImagesIsMadeInBlocks()
    {
        var graph = new Graph(new Shape(4, 5, 5));
        graph.Add(new Add(), graph.Input, graph.Add(new Relu(), graph.Add(new Conv2d(4, 3, padding: 1), graph.Input)));
        using NativePlan net = Compile(graph);
        Assert.That(net.Training.ForwardSteps.OfType<AddStep>().SelectMany(step => step.Slots)
            .Select(slot => slot.Tensor.layout),
            Is.EqualTo(Enumerable.Repeat(cn_layout.CN_BLOCKED, 3)));
    }

    [Test]
    public void ValuesThatNeverLiveTogetherShareMemory()
    {
        using NativePlan net = Compile(BuiltInModels.Create("cifarnet"));
        IEnumerable<Slot> slots = net.Training.ForwardSteps.Concat(net.Training.BackwardSteps)
            .SelectMany(step => step.Slots).Distinct();
        long apart = slots.Where(slot => slot.Owner == SlotOwner.Arena).Sum(slot => slot.Floats);
        Assert.That(net.Training.ArenaFloats, Is.LessThan(apart * 0.8));
    }

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void FusedAndUnfusedGiveTheSameBits(GraphCase graph)
    {
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        Graph built = graph.Build();
        Assert.That(NativeRun.TrainTwoSteps(built, graph.N, unfused),
            Is.EqualTo(NativeRun.TrainTwoSteps(built, graph.N, fused)));
    }

    // The images get no gradient, so the inner sum passes that of the outer one to one input only. The slope of that
    // input must not change the gradient that the other input of the outer sum gets.
    [Test]
    public void ASumOfASumAndImagesLeavesTheGradientOfTheOuterSumAlone()
    {
        var graph = new Graph(new Shape(5, 4, 4));
        Node outer = graph.Append(graph.Input, new Conv2d(5, 3, padding: 1), new Relu());
        Node inner = graph.Append(graph.Input, new Conv2d(5, 3, padding: 1), new Relu());
        graph.Add(new Add(), graph.Add(new Add(), inner, graph.Input), outer);
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        float[][] gradients = [.. ((NativeBackend[])[fused, unfused]).SelectMany(backend =>
        {
            using NativePlan net = Compile(graph, backend);
            net.Initialize(new HeNormal(3));
            net.Forward(NativeRun.Values(4 * graph.Input.Shape.Length, seed: 1));
            net.Backward(NativeRun.Values(4 * graph.Output.Shape.Length, seed: 2));
            return graph.Parameters.Select(parameter => net.ReadGradient(parameter)).ToArray();
        })];
        Assert.That(gradients[..^graph.Parameters.Count], Is.EqualTo(gradients[graph.Parameters.Count..]));
    }

    // Values of this size exceed the limit of a ReLU6.
    [Test]
    public void FusedAndUnfusedActivationsGiveTheSameBits(
        [ValueSource(typeof(GraphCases), nameof(GraphCases.WithRelu))] GraphCase graph,
        [ValueSource(nameof(Activations))] FusableActivation activation)
    {
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        Graph built = GraphCases.Replace(graph.Build(), node => node.Layer is Relu ? activation : node.Layer!);
        Assert.That(NativeRun.TrainTwoSteps(built, graph.N, fused, scale: 16),
            Is.EqualTo(NativeRun.TrainTwoSteps(built, graph.N, unfused, scale: 16)));
    }

    [Test]
    public void NothingStaleIsRead([ValueSource(typeof(GraphCases), nameof(GraphCases.All))] GraphCase graph,
        [Values] bool keepGradients)
    {
        using var backend = new NativeBackend();
        Graph built = graph.Build();
        int[] poisoned = NativeRun.TrainTwoSteps(built, graph.N, backend, net => net.PoisonArena = true, keepGradients);
        Assert.That(poisoned, Is.EqualTo(NativeRun.TrainTwoSteps(built, graph.N, backend)));
    }

    [Test]
    public void EveryThreadCountGivesTheSameBits(
        [ValueSource(typeof(GraphCases), nameof(GraphCases.Networks))] GraphCase graph,
        [ValueSource(typeof(NativeBackend), nameof(NativeBackend.SupportedIsas))] NativeIsa isa)
    {
        Graph built = graph.Build();
        int[]? expected = null;
        foreach (int threads in (int[])[1, 2, 3, 5, 8])
        {
            using var backend = new NativeBackend(threads, isa) { SerialOperations = 1 };
            int[] bits = NativeRun.TrainTwoSteps(built, graph.N, backend);
            expected ??= bits;
            Assert.That(bits, Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [TestCase("inception block", 0, 0)]
    [TestCase("dense block", 0, 0)]
    [TestCase("concat of blocks and of a value twice", 1, 0)]
    [TestCase("concat of branches", 4, 3)]
    public void ConcatenationsCopyWhatBlocksDoNotAllow(string name, int forward, int backward)
    {
        using NativePlan net = Compile(GraphCases.Patterns.Single(each => each.Name == name).Build());
        Assert.That(net.Training.ForwardSteps.OfType<CopyChannels>().Count(), Is.EqualTo(forward));
        Assert.That(net.Training.BackwardSteps.OfType<CopyChannels>().Count(), Is.EqualTo(backward));
    }

    private static IEnumerable<FusableActivation> Activations => LayerSet.BuiltIn.Declarations
        .SelectMany(declaration => declaration.Examples).Select(example => example.Layer).OfType<FusableActivation>()
        .Where(layer => IsFusable(layer)).DistinctBy(layer => layer.GetType());

    private static IEnumerable<InputActivation> ActivationsOfInputs => LayerSet.BuiltIn.Declarations
        .SelectMany(declaration => declaration.Examples).Select(example => example.Layer).OfType<InputActivation>()
        .Where(layer => IsFusable(layer)).DistinctBy(layer => layer.GetType());

    private static bool IsFusable(Layer activation)
        => LoweringTable.ActivationOf(Sequential.Of(new Shape(1, 1, 1), activation).Output).IsFusable;

    private static string Kind(Step step) => step.GetType().Name;

    private static NativePlan Compile(Graph graph)
    {
        using var backend = new NativeBackend();
        return Compile(graph, backend);
    }

    private static NativePlan Compile(Graph graph, NativeBackend backend)
        => (NativePlan)backend.Compile(graph, new TrainingSpec(4, new MeanSquaredError(), new Sgd(0.9f)));
}
