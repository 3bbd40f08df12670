using ConvNet.GradientChecking;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The comparison of whole networks passes what rounding explains, also at kinks, and fails everything
/// else.</summary>
public sealed class EndToEndTests
{
    private static readonly string[] Models = ["digits", "lenet5", "resnet20"];

    [Test]
    public void RoundingsThatCrossKinksPass([ValueSource(nameof(Models))] string model, [Values(1, 2, 3)] int seed)
    {
        // Moves every output by up to three roundings of its largest value, so that some take the other branch.
        var random = new Random(seed);
        bool Round(TracedTensor tensor)
        {
            if (tensor.Kind != TracedKind.Output || tensor.Operation.Node.Layer is Relu or MaxPool2d or Flatten)
                return false;
            float largest = 0;
            foreach (float value in tensor.Values)
                largest = Math.Max(largest, Math.Abs(value));
            foreach (ref float value in tensor.Values)
                value += (random.NextSingle() - 0.5f) * largest / (1 << 22);
            return true;
        }
        using var rounding = new Traced(_ => Round);
        Contract.Reports.AssertPasses(Check(model, rounding, seed));
    }

    [Test]
    public void AWrongSlopeOfOneReluFails([ValueSource(nameof(Models))] string model, [Values(1, 2, 3)] int seed)
        => AssertFails(model, seed, graph =>
        {
            Node relu = graph.LayerNodes.Last(node => node.Layer is Relu);
            float[] y = [], dy = [];
            return tensor =>
            {
                if (tensor.Operation.Node == relu && tensor.Kind == TracedKind.Output)
                    y = tensor.Values.ToArray();
                if (tensor.Operation.Node == relu && tensor.Kind == TracedKind.Gradient)
                    dy = tensor.Values.ToArray();
                if (tensor.Operation.Node != relu.Inputs[0] || tensor.Kind != TracedKind.Gradient)
                    return false;
                for (int i = 0; i < y.Length; i++)
                    tensor.Values[i] = y[i] > 0 ? tensor.Values[i] : 0.1f * dy[i];
                return true;
            };
        });

    [Test]
    public void ADroppedGradientOfAResidualFails([Values(1, 2, 3)] int seed) => AssertFails("resnet20", seed, graph =>
    {
        Node sum = graph.LayerNodes.Last(node => node.Layer is Add);
        float[] dy = [];
        return tensor =>
        {
            if (tensor.Kind == TracedKind.Gradient && tensor.Operation.Node == sum)
                dy = tensor.Values.ToArray();
            if (tensor.Kind != TracedKind.Gradient || tensor.Operation.Node != sum.Inputs[1])
                return false;
            for (int i = 0; i < dy.Length; i++)
                tensor.Values[i] -= dy[i];
            return true;
        };
    });

    [Test]
    public void AGradientThatIsOnePercentTooLargeFails([ValueSource(nameof(Models))] string model,
        [Values(1, 2, 3)] int seed) => AssertFails(model, seed, graph => tensor =>
        {
            if (tensor.Kind != TracedKind.Gradient || tensor.Operation.Node.Layer is not Conv2d)
                return false;
            foreach (ref float value in tensor.Values)
                value *= 1.01f;
            return true;
        });

    // As at the end of a ResNet-50 on small images: with two samples, each batch normalisation would have two values.
    // With seeds 5 and 28, two of them are nearly equal, and roundings decide the gradients.
    [Test]
    public void NoBatchNormalisationHasTooFewValues([Values(5, 17, 28)] int seed, [Values(1, 2)] int samples)
    {
        const int Blocks = 30, Width = 32;
        var graph = new Graph(new Shape(3, 1, 1));
        Node x = graph.Append(graph.Input, new Conv2d(Width, 3, padding: 1, bias: false), new BatchNorm2d(),
            new Relu());
        for (int block = 0; block < Blocks; block++)
        {
            Node inner = graph.Append(x, new Conv2d(Width / 2, 1, bias: false), new BatchNorm2d(), new Relu(),
                new Conv2d(Width, 1, bias: false), new BatchNorm2d());
            x = graph.Append(graph.Add(new Add(), inner, x), new Relu());
        }
        graph.Append(x, new Flatten(), new Linear(10));
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(graph, [managed], new GradientCheckOptions
        {
            Modes = CheckModes.EndToEnd | CheckModes.ForwardMode,
            MostTerms = 1,
            BatchSize = samples,
            Seed = (ulong)seed,
        });
        Contract.Reports.AssertPasses(report);
        Assert.That(report.Layers.Where(layer => layer.Kind == "graph").Select(layer => layer.Remark),
            Is.All.Contains("with 4 samples").And.Exactly(2).Items);
        Assert.That(report.Layers.Where(layer => layer.Mode == CheckModes.EndToEnd).SelectMany(layer => layer.Tensors)
            .Max(tensor => tensor.WorstInBounds), Is.LessThan(0.5), "as of networks with more values");
    }

    private static void AssertFails(string model, int seed, Func<Graph, TraceCallback> fault)
    {
        using var faulty = new Traced(fault);
        GradientReport report = Check(model, faulty, seed);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail), report.ToString);
        TestContext.Out.WriteLine(report);
    }

    private static GradientReport Check(string model, IBackend backend, int seed)
    {
        Graph graph = model == "resnet20" ? BuiltInModels.Create(model, new Shape(3, 16, 16))
            : BuiltInModels.Create(model);
        return GradientCheck.Run(graph, [backend],
            new GradientCheckOptions { Modes = CheckModes.EndToEnd, BatchSize = 4, Seed = (ulong)seed });
    }

    /// <summary>The managed backend with executables that are traced from the beginning.</summary>
    private sealed class Traced(Func<Graph, TraceCallback> traceOf) : IBackend
    {
        private readonly ManagedBackend _inner = new();

        public BackendInfo Info => _inner.Info;

        public IExecutable Compile(Graph graph, TrainingSpec spec)
        {
            IExecutable executable = _inner.Compile(graph, spec);
            ((ITraces)executable).Trace = traceOf(graph);
            return executable;
        }

        public IExecutable CompileInference(Graph graph, int batchSize) => _inner.CompileInference(graph, batchSize);

        public void Dispose() => _inner.Dispose();
    }
}
