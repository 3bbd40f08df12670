using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Graphs of tens of thousands of nodes are built, compiled and run.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class GraphScaleContract(BackendCase backend)
{
    private const int Nodes = 30_000;

    [Test]
    public void AChain()
    {
        var graph = new Graph(new Shape(2, 1, 1));
        for (int i = 0; i < Nodes; i++)
            graph.Add(new Relu(), graph.Nodes[^1]);
        Assert.That(graph.Output.Name, Is.EqualTo($"relu{Nodes}"));
        Assert.That(graph["relu12345"].Index, Is.EqualTo(12345));
        Run(graph, [2, 1, 0, 3]);
    }

    [Test]
    public void AChainOfShortcuts()
    {
        var graph = new Graph(new Shape(1, 1, 1));
        for (int i = 0; i < Nodes / 10; i++)
        {
            Node x = graph.Nodes[^1];
            graph.Add(new Add(), graph.Add(new Conv2d(1, 1, bias: false), x), x);
        }
        Run(graph, null);
    }

    [Test]
    public void ANodeWithManyReaders()
    {
        var graph = new Graph(new Shape(2, 1, 1));
        var readers = new Node[Nodes];
        for (int i = 0; i < Nodes; i++)
            readers[i] = graph.Add(new Relu(), graph.Input);
        graph.Add(new Add(), readers);
        Run(graph, [2f * Nodes, Nodes, 0, 3f * Nodes]);
    }

    private void Run(Graph graph, float[]? expected)
    {
        int features = graph.Input.Shape.Length;
        float[] images = [.. new float[] { 2, 1, -1, 3 }.Take(2 * features)], scores = new float[images.Length];
        using IBackend opened = backend.Open(1);
        var spec = new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()) { InputGradient = true };
        using IExecutable net = opened.Compile(graph, spec);
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, new float[parameter.Length]);
        Assert.That(double.IsFinite(net.TrainStep(images, new int[2], 0.1f)));
        net.ReadInputGradient(new float[images.Length]);
        net.Infer(images, scores);
        if (expected is not null)
            Assert.That(scores, Is.EqualTo(expected));
    }
}

/// <summary>Names in graphs of tens of thousands of nodes.</summary>
public sealed class GraphNames
{
    [Test]
    public void AreTheFirstThatAreFree()
    {
        var graph = new Graph(new Shape(1, 1, 1));
        string?[] wanted = [null, "relu2", null, "mine", null, "relu7", null, null];
        string[] expected = ["relu1", "relu2", "relu3", "mine", "relu5", "relu7", "relu8", "relu9"];
        Assert.That(wanted.Select(name => graph.Add(name, new Relu(), graph.Nodes[^1]).Name), Is.EqualTo(expected));
        Assert.That(graph.Add(new Flatten(), graph.Nodes[^1]).Name, Is.EqualTo("flatten1"));
    }

    [Test]
    public void ThatAreTakenCostNoSearch()
    {
        var graph = new Graph(new Shape(1, 1, 1));
        for (int i = 1; i <= 30_000; i++)
            graph.Add($"relu{i}", new Flatten(), graph.Nodes[^1]);
        for (int i = 1; i <= 30_000; i++)
            graph.Add(new Relu(), graph.Nodes[^1]);
        Assert.That(graph.Output.Name, Is.EqualTo("relu60000"));
        Assert.That(Assert.Throws<KeyNotFoundException>(() => _ = graph["x"])!.Message, Has.Length.LessThan(1000));
    }
}
