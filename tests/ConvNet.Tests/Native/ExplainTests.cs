using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>What a plan says of itself.</summary>
public sealed class ExplainTests
{
    [Test]
    public void EveryNodeOfAGraphIsALayerOrInsideOne(
        [Values("lenet5", "cifarnet", "resnet20", "resnet18")] string model)
    {
        Graph graph = BuiltInModels.Create(model);
        using NativePlan net = Compile(graph, 2);
        IEnumerable<string> named = net.Explain().Layers.SkipLast(2)
            .SelectMany(layer => layer.Fused.Prepend(layer.Name));
        IEnumerable<string> nodes = graph.Nodes.Where(node => node.Layer is not (null or Flatten))
            .Select(node => node.Name);
        Assert.That(named, Is.EquivalentTo(nodes));
    }

    [Test]
    public void OperationsAreTwoForEveryMultiplyAddOfTheBatch()
    {
        Graph graph = BuiltInModels.Create("cifarnet");
        using NativePlan net = Compile(graph, 3);
        PlanDescription plan = net.Explain();
        foreach (Node node in graph.Nodes.Where(node => node.Layer is Conv2d or Linear))
        {
            long flops = 2 * 3 * node.Layer!.MultiplyAdds(node.InputShapes);
            PlannedLayer layer = Layer(plan, node.Name);
            int passes = node.Inputs[0] == graph.Input ? 2 : 3;
            Assert.That(layer.Calls.Where(call => call.Flops > 0).Select(call => call.Flops),
                Is.EqualTo(Enumerable.Repeat(flops, passes)), node.Name);
        }
    }

    [Test]
    public void LayoutsHaveTheHaloThatTheKernelsRead()
    {
        using NativePlan net = Compile(BuiltInModels.Create("resnet20"), 2);
        PlanDescription plan = net.Explain();
        PlannedLayer stem = Layer(plan, "conv1"), first = Layer(plan, "layer1.0.conv1");
        Assert.Multiple(() =>
        {
            Assert.That(stem.Reads[0],
                Is.EqualTo(new PlannedTensor("plain", new Shape(3, 32, 32), 1, 2 * 3 * 34 * 34 * 4)));
            Assert.That(first.Reads[0],
                Is.EqualTo(new PlannedTensor("blocked", new Shape(16, 32, 32), 1, 2 * 16 * 34 * 34 * 4)));
            Assert.That(first.Weights, Is.EqualTo("K/16, C/16, R, S, 16c, 16k"));
        });
    }

    [Test]
    public void TheReasonOfAnAlgorithmNamesTheNumbersThatDecided()
    {
        Graph graph = Sequential.Of(new Shape(3, 12, 12), new Conv2d(24, 3), new Conv2d(24, 3, groups: 24),
            new Conv2d(24, 3, groups: 3), new Conv2d(32, 3));
        using NativePlan net = Compile(graph, 1);
        PlanDescription plan = net.Explain();
        (string Node, string Algorithm, string Reason)[] expected =
        [
            ("conv1", "direct from plain rows", "3 input channels"),
            ("conv2", "depthwise", "a group has 1 input and 1 output channel"),
            ("conv3", "plain loops", "a group has 8 input and 8 output channels"),
            ("conv4", "direct, blocks of 16 channels", "24 input channels leave 8 of a block unused"),
        ];
        foreach ((string node, string algorithm, string reason) in expected)
        {
            PlannedCall forward = Layer(plan, node).Calls.Single(call => call.Kernel == "conv forward");
            Assert.That((forward.Algorithm, forward.Reason), Is.EqualTo((algorithm, forward.Reason)), node);
            Assert.That(forward.Reason, Does.Contain(reason), node);
        }
    }

    [Test]
    public void AReasonIsGivenWhereItHoldsAndNowhereElse()
    {
        Graph graph = Sequential.Of(new Shape(1, 20, 20), new Conv2d(17, 3), new Conv2d(16, 2, stride: 2),
            new Conv2d(32, 5), new Conv2d(32, 1, groups: 2), new Conv2d(32, 1, groups: 32),
            new Conv2d(48, 1, groups: 4));
        using NativePlan net = Compile(graph, 2);
        PlanDescription plan = net.Explain();
        (string Node, string Kernel, string Reason)[] expected =
        [
            ("conv1", "conv forward", "1 input channel would leave most of a block of 16 empty"),
            ("conv2", "conv forward", "17 input channels leave 15 of a block unused"),
            ("conv2", "conv backward data", "17 input channels leave 15 of a block unused"),
            ("conv3", "conv forward", "16 input and 32 output channels fill their blocks"),
            ("conv3", "conv backward data", "16 input and 32 output channels fill their blocks; rows are copied with "
                + "a border, because 4 zeros are needed around a map, which has 0"),
            ("conv4", "conv forward", "a group has 16 input and 16 output channels"),
            ("conv5", "conv forward", "a group has 1 input and 1 output channel"),
            ("conv6", "conv forward", "a group has 8 input and 12 output channels"),
        ];
        foreach ((string node, string kernel, string reason) in expected)
            Assert.That(Layer(plan, node).Calls.Single(call => call.Kernel == kernel).Reason, Is.EqualTo(reason),
                $"{node} {kernel}");
    }

    [Test]
    public void SmallWorkRunsOnOneThread()
    {
        using var backend = new NativeBackend(threads: 2);
        using NativePlan small = Compile(BuiltInModels.Create("lenet5"), 1, backend),
            large = Compile(BuiltInModels.Create("lenet5"), 64, backend);
        Assert.That(Layer(small.Explain(), "linear3").Calls.Select(call => call.Threads),
            Is.Not.Empty.And.All.EqualTo(1));
        Assert.That(Layer(large.Explain(), "conv2").Calls.Where(call => call.Flops > 0).Select(call => call.Threads),
            Is.Not.Empty.And.All.EqualTo(2));
    }

    [Test]
    public void TheMemoryIsWhatIsAllocated()
    {
        using NativePlan net = Compile(BuiltInModels.Create("cifarnet"), 8);
        PlannedMemory memory = net.Explain().Memory;
        Assert.Multiple(() =>
        {
            Assert.That(memory.Arena, Is.EqualTo(4 * net.Training.ArenaFloats));
            Assert.That(memory.ArenaWithoutReuse, Is.GreaterThan(1.2 * memory.Arena));
            Assert.That(memory.Values, Is.InRange(4 * 1_116_970, 4.5 * 1_116_970));
            Assert.That((memory.Gradients, memory.OptimizerState), Is.EqualTo((memory.Values, memory.Values)));
            Assert.That(memory.Total, Is.EqualTo(memory.Arena + 3 * memory.Values));
        });
    }

    [Test]
    public void InferenceHasNeitherGradientsNorTheirKernels()
    {
        using var backend = new NativeBackend();
        using NativePlan net = backend.CompileInference(BuiltInModels.Create("resnet20"), 2);
        PlanDescription plan = net.Explain();
        Assert.Multiple(() =>
        {
            Assert.That(plan.Purpose, Is.EqualTo("inference"));
            Assert.That(plan.Layers.SelectMany(layer => layer.Calls).Select(call => call.Pass).Distinct(),
                Is.EquivalentTo((PlannedPass[])[PlannedPass.Preparation, PlannedPass.Forward]));
            Assert.That(plan.Layers.Select(layer => layer.Gradient), Is.Not.Empty.And.All.Null);
            Assert.That((plan.Memory.Gradients, plan.Memory.OptimizerState), Is.EqualTo((0L, 0L)));
            Assert.That(Layer(plan, "conv1").Title, Is.EqualTo("conv1 + bn1 + relu"));
        });
    }

    [Test]
    public void TheTextHasALineForEveryCall()
    {
        using NativePlan net = Compile(BuiltInModels.Create("lenet5"), 4);
        PlanDescription plan = net.Explain();
        string text = plan.ToString();
        Assert.That(text.Split('\n'), Has.Length.EqualTo(1 + plan.Layers.Sum(layer => 1 + layer.Calls.Count) + 1));
        Assert.That(text, Does.Contain("conv1 + relu1 + maxpool1: plain 1×28×28 halo 2 → blocked 6×14×14")
            .And.Contain("memory "));
    }

    private static PlannedLayer Layer(PlanDescription plan, string name)
        => plan.Layers.Single(layer => layer.Name == name);

    private static NativePlan Compile(Graph graph, int batch)
    {
        using var backend = new NativeBackend();
        return Compile(graph, batch, backend);
    }

    private static NativePlan Compile(Graph graph, int batch, NativeBackend backend)
        => backend.Compile(graph,
            new TrainingSpec(batch, new SoftmaxCrossEntropy(PerPixel: graph.Output.Shape.Area > 1), new Sgd(0.9f)));
}
