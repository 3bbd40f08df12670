using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>What the torchsharp backend says of the calls that a graph becomes.</summary>
public sealed class TorchExplainTests
{
    private static readonly TrainingSpec s_spec = new(3, new SoftmaxCrossEntropy(), new Sgd(0.9f));

    private static PlanDescription Explain(Graph graph, ChannelPadding padding, TrainingSpec? spec)
    {
        using var backend = new TorchSharpBackend(threads: 2, padding: padding);
        return spec is null ? backend.ExplainInference(graph, 3) : backend.Explain(graph, spec);
    }

    [Test]
    public void EveryNodeOfAGraphIsALayerWithACall([Values("lenet5", "cifarnet", "resnet20", "alexnet")] string model)
    {
        Graph graph = BuiltInModels.Create(model);
        PlanDescription training = Explain(graph, ChannelPadding.Always, s_spec),
            inference = Explain(graph, ChannelPadding.Always, null);
        Assert.Multiple(() =>
        {
            Assert.That(training.Layers.SkipLast(2).Select(layer => layer.Name), Is
                .EqualTo(graph.Nodes.Skip(1).Select(node => node.Name)));
            Assert.That(training.Layers.TakeLast(2).Select(layer => layer.Name), Is
                .EqualTo((string[])["SoftmaxCrossEntropy", "Sgd"]));
            Assert.That(inference.Layers.Select(layer => layer.Name), Is
                .EqualTo(graph.Nodes.Skip(1).Select(node => node.Name)));
            Assert.That(inference.Layers.SelectMany(layer => layer.Calls).Select(call => call.Pass), Is.All
                .EqualTo(PlannedPass.Forward));
            Assert.That(training.Layers.SelectMany(layer => layer.Calls).Select(call => call.Threads), Is.All
                .EqualTo(2));
        });
    }

    [Test]
    public void OperationsAreTwoForEveryMultiplyAddOfTheBatchUnlessPadded()
    {
        Graph graph = BuiltInModels.Create("cifarnet");
        PlanDescription plan = Explain(graph, ChannelPadding.Never, s_spec);
        foreach (Node node in graph.Nodes.Where(node => node.Layer is Conv2d or Linear))
        {
            long flops = 2 * 3 * node.Layer!.MultiplyAdds(node.InputShapes);
            long backward = node.Inputs[0] == graph.Input ? flops : 2 * flops;
            Assert.That(Layer(plan, node.Name).Calls.Select(call => call.Flops), Is.EqualTo((long[])[flops, backward]),
                node.Name);
        }
    }

    [Test]
    public void APaddedConvolutionSaysToWhatAndWhyAndAnotherWhyNot()
    {
        Graph graph = Sequential.Of(new Shape(20, 12, 12), new Conv2d(50, 5), new Conv2d(16, 1), new Conv2d(16, 3),
            new Conv2d(16, 3, groups: 16),
            new Conv2d(17, 1));
        PlannedCall[] calls = [.. Explain(graph, ChannelPadding.Always, null).Layers
            .Select(layer => layer.Calls.Single())];
        (string Algorithm, string Reason)[] expected =
        [
            ("padded with zeros: 32 channels instead of 20, 64 filters instead of 50",
                "20 channels do not fill blocks of 16, and 50 filters do not fill blocks of 16, for which oneDNN "
                    + "computes wrong sums if the processor hides its cache sizes"),
            ("libtorch's choice", "1×1 filters are computed correctly without padding"),
            ("libtorch's choice", "these sizes are computed correctly without padding"),
            ("libtorch's choice", "depthwise filters are computed correctly without padding"),
            ("libtorch's choice", "1×1 filters are computed correctly without padding"),
        ];
        Assert.That(calls.Select(call => (call.Algorithm, call.Reason)), Is.EqualTo(expected));
        Assert.That(calls[0].Flops, Is.EqualTo(2 * 3 * 32 * 64 * 25 * 64));
        Assert.That(Explain(graph, ChannelPadding.Never, null).Layers.Select(layer => layer.Calls.Single().Reason),
            Is.All.Empty);
    }

    [Test]
    public void WhatIsSaidToBePaddedIsWhatIsPadded()
    {
        using var backend = new TorchSharpBackend(threads: 1, padding: ChannelPadding.WhereNeeded);
        Graph graph = Sequential.Of(new Shape(20, 8, 8), new Conv2d(50, 5));
        string algorithm = backend.ExplainInference(graph, 1).Layers[0].Calls[0].Algorithm;
        Assert.That(algorithm.StartsWith("padded", StringComparison.Ordinal), Is.EqualTo(PaddedChannels.AreNeededHere));
    }

    [Test]
    public void APlanThatNoMachineHasTheMemoryForIsExplained()
    {
        Graph graph = BuiltInModels.Create("resnet18");
        PlanDescription plan = Explain(graph, ChannelPadding.Always, s_spec with { BatchSize = 2000 });
        long parameters = sizeof(float) * (long)graph.ParameterCount;
        Assert.Multiple(() =>
        {
            Assert.That(plan.Memory.Total, Is.GreaterThan(20_000_000_000));
            Assert.That((plan.Memory.Gradients, plan.Memory.OptimizerState), Is.EqualTo((parameters, parameters)));
            Assert.That(plan.Memory.Values, Is.GreaterThan(parameters), "the running statistics too");
        });
    }

    [Test]
    public void AGradientThatNobodyWantsIsNotExplained()
    {
        Graph graph = Sequential.Of(new Shape(1, 4, 4), new Relu(), new Conv2d(2, 3), new Flatten());
        PlanDescription plan = Explain(graph, ChannelPadding.Never, s_spec),
            withImages = Explain(graph, ChannelPadding.Never, s_spec with { InputGradient = true });
        Assert.That(Layer(plan, "relu1").Calls, Has.Count.EqualTo(1));
        Assert.That(Layer(withImages, "relu1").Calls, Has.Count.EqualTo(2));
    }

    [Test]
    public void WhatTheBackendLacksIsRefusedAsWhenItCompiles()
    {
        using var backend = new TorchSharpBackend();
        Graph strided = Sequential.Of(new Shape(1, 1, (1 << 16) + 1), new Conv2d(1, 1, stride: 1 << 16));
        Assert.That(() => backend.ExplainInference(strided, 1), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("conv1"));
        Assert.That(() => backend.ExplainInference(BuiltInModels.Create("digits"), 0),
            Throws.TypeOf<ArgumentOutOfRangeException>());
        backend.Dispose();
        Assert.That(() => backend.ExplainInference(BuiltInModels.Create("digits"), 1),
            Throws.TypeOf<ObjectDisposedException>());
    }

    private static PlannedLayer Layer(PlanDescription plan, string name)
        => plan.Layers.Single(layer => layer.Name == name);
}
