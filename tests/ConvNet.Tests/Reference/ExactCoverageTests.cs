using ConvNet.GradientChecking;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Exact mode covers every layer of the built-in networks, alone and in a segment, or a gap says why
/// not.</summary>
public sealed class ExactCoverageTests
{
    // vgg11 and alexnet have the same kinds of layers, but dense ones that would take long.
    [TestCase("digits", 8)]
    [TestCase("lenet5", 28)]
    [TestCase("cifarnet", 8)]
    [TestCase("resnet20", 16)]
    [TestCase("resnet18", 32)]
    public void NoLayerIsLeftOut(string model, int size)
    {
        Shape own = BuiltInModels.InputOf(model);
        Graph graph = BuiltInModels.Create(model, new Shape(own.C, size, size));
        using var backend = new NativeBackend();
        GradientReport report = GradientCheck.Run(graph, [backend],
            new GradientCheckOptions { Modes = CheckModes.Exact | CheckModes.Segments, BatchSize = 2 });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass));
        Node[] layers = [.. graph.Nodes.Skip(1)];
        string[] round = [.. report.Gaps.Where(gap => gap.Reason.Contains("rounded", StringComparison.Ordinal))
            .Select(gap => gap.Layer)];
        string[] alone = [.. report.Layers.Where(layer => layer.Mode == CheckModes.Exact && layer.Tensors.Count > 0)
            .Select(layer => layer.Layer)];
        string[] together = [.. report.Layers.Where(layer => layer.Mode == CheckModes.Segments)
            .SelectMany(segment => NodesOf(segment.Layer, layers))];
        Assert.That(layers.Select(node => node.Name).Except(alone).Except(round), Is.Empty,
            "neither checked nor a gap");
        Assert.That(layers.Select(node => node.Name).Except(together).Except(round), Is.Empty,
            "in no segment, and no gap");
        Assert.That(together, Is.Unique);
        Assert.That(layers.Where(node => round.Contains(node.Name)).Select(node => node.Layer!.Kind).Distinct(),
            Is.SubsetOf((string[])["bn", "gap"]), "what rounds on whole numbers");
    }

    [Test]
    public void ASegmentComparesTheLossTheGradientsAndTheUpdatedWeights()
    {
        using var backend = new NativeBackend();
        GradientReport report = GradientCheck.Run(BuiltInModels.Create("lenet5"), [backend],
            new GradientCheckOptions { Modes = CheckModes.Segments, BatchSize = 2 });
        string[] tensors = [.. report.Layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name)];
        foreach (string layer in (string[])["conv1", "conv2", "linear1", "linear2", "linear3"])
            Assert.That(tensors,
                Is.SupersetOf(
                (string[])[$"{layer}.dw", $"{layer}.db", $"{layer}.w after a step", $"{layer}.b after a step"]));
        Assert.That(tensors, Is.SupersetOf((string[])["y", "dx", "loss"]));
    }

    private static IEnumerable<string> NodesOf(string segment, Node[] layers)
    {
        string[] ends = segment.Split('…');
        int first = Array.FindIndex(layers, node => node.Name == ends[0]),
            last = Array.FindIndex(layers, node => node.Name == ends[^1]);
        return layers[first..(last + 1)].Select(node => node.Name);
    }
}
