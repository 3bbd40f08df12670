using ConvNet.Onnx;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>Parameters of a trained network that are copied to one with another last layer, from everything that has
/// parameters.</summary>
public sealed class TransferTests
{
    private static readonly Shape s_shape = new(2, 6, 6);

    private readonly ManagedBackend _backend = new(threads: 1);

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [TestCase("executable")]
    [TestCase("model")]
    [TestCase("onnx")]
    [TestCase("tensors")]
    public void AllButTheNewLayerIsCopied(string source)
    {
        Graph graph = Trained();
        using IExecutable trained = _backend.CompileInference(graph, 2);
        trained.Initialize(new HeNormal(1));
        trained.Write(graph["bn1"].Parameters.Single(p => p.Role == ParameterRole.RunningMean), [1, 2, 3]);
        using IExecutable network = _backend.CompileInference(graph.WithLayer("head", new Linear(5)), 2);
        network.Initialize(new HeNormal(2));
        float[] head = network.ValuesOf(network.Graph["head"].Parameters[0]);

        using var folder = new TemporaryFolder();
        IReadOnlyList<Parameter> kept = Copy(source, trained, network, folder, strict: false);

        Assert.That(kept, Is.EqualTo(network.Graph["head"].Parameters));
        Assert.That(network.ValuesOf(kept[0]), Is.EqualTo(head));
        foreach (Parameter parameter in network.Graph.Parameters.Except(kept))
            Assert.That(network.ValuesOf(parameter), Is.EqualTo(trained.ValuesOf(graph.Parameters[parameter.Index])),
                parameter.Name);
        Assert.That(() => Copy(source, trained, network, folder, strict: true), Throws.ArgumentException);
        using IExecutable same = _backend.CompileInference(graph, 1);
        Assert.That(source == "onnx" ? [] : Copy(source, trained, same, folder, strict: true), Is.Empty);
    }

    [TestCase("executable")]
    [TestCase("model")]
    [TestCase("onnx")]
    [TestCase("tensors")]
    public void ANetworkWithoutAnythingInCommonIsRefused(string source)
    {
        using IExecutable trained = _backend.CompileInference(Trained(), 2),
            network = _backend.CompileInference(Sequential.Of(s_shape, new Flatten(), new Linear(3)), 2);
        trained.Initialize(new HeNormal(1));
        network.Initialize(new HeNormal(2));
        float[] before = network.ValuesOf(network.Graph.Parameters[0]);
        using var folder = new TemporaryFolder();
        Assert.That(() => Copy(source, trained, network, folder, strict: false), Throws.ArgumentException.With.Message
            .Contains("None of the 2 parameters of the network").And.Message.Contains("linear1.weight (3×72)"));
        Assert.That(network.ValuesOf(network.Graph.Parameters[0]), Is.EqualTo(before));
    }

    [Test]
    public void AnImportedModelHasNoValuesOfOtherGraphs()
    {
        Graph graph = Trained();
        ImportedModel model = Imported(graph, p => Samples.ParameterValues(p, p.Index));
        Assert.That(() => model.ValuesOf(graph.Parameters[0]),
            Throws.ArgumentException.With.Message.Contains("belongs to another graph"));
    }

    private static Graph Trained()
    {
        var graph = new Graph(s_shape);
        graph.Add("head", new Linear(4), graph.Append(graph.Input, new Conv2d(3, 3), new BatchNorm2d(), new Relu(),
            new GlobalAvgPool2d()));
        return graph;
    }

    private static ImportedModel Imported(Graph graph, Func<Parameter, float[]> values)
        => OnnxImport.Read(new MemoryStream(OnnxExport.Write(graph, values)), "trained");

    private static IReadOnlyList<Parameter> Copy(string source, IExecutable trained, IExecutable network,
        TemporaryFolder folder, bool strict)
    {
        switch (source)
        {
            case "executable":
                return trained.CopyParametersTo(network, strict);
            case "model":
                SavedModel.Save(folder.File("m.safetensors"), trained);
                return SavedModel.Load(folder.File("m.safetensors")).CopyTo(network, strict);
            case "onnx":
                return Imported(trained.Graph, trained.ValuesOf).CopyTo(network, strict);
            default:
                SavedModel.Save(folder.File("m.safetensors"), trained);
                return WeightFile.CopyTo(WeightFile.Read(folder.File("m.safetensors")), network, strict);
        }
    }
}
