using ConvNet.Planning;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The tensors that an executable shows between its operations: which, when, with which values, and what
/// happens if they are replaced.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class TraceContract(BackendCase backend)
{
    private const int Batch = 4;

    private IBackend _backend = null!;

    // Float32 computes every value of this graph exactly on small whole numbers: its filters fit no fast algorithm.
    private static Graph Exact()
    {
        var graph = new Graph(new Shape(3, 8, 10));
        Node x = graph.Append(graph.Input, new Conv2d(17, 5, padding: 2), new Relu(), new MaxPool2d(2, 1));
        Node branch = graph.Append(x, new Conv2d(16, 1), new Relu(), new Conv2d(17, 1), new Dropout(0.5f));
        Node sum = graph.Append(graph.Add(new Add(), branch, x), new Relu());
        Node head = graph.Append(sum, new Conv2d(5, 5, stride: 2), new Flatten(), new Linear(4), new Relu());
        graph.SetOutputs(graph.Add(new Linear(3), head), graph.Append(sum, new AvgPool2d(2, 1), new Flatten()));
        return graph;
    }

    private static Graph Residual() => GraphCases.Networks.Single(graph => graph.Name.StartsWith("resnet20",
        StringComparison.Ordinal)).Build();

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void EveryTensorIsShownOnceAndInOrder(GraphCase from)
    {
        Graph graph = from.Build();
        using IExecutable net = Compile(graph, from.N);
        var traces = (ITraces)net;
        var shown = new List<(TracedKind Kind, TracedOperation Operation)>();
        traces.Trace = tensor =>
        {
            Assert.That((tensor.N, tensor.Values.Length),
                Is.EqualTo((from.N, from.N * tensor.Operation.Output.Shape.Length)));
            shown.Add((tensor.Kind, tensor.Operation));
            return false;
        };
        AssertCovers(graph, traces.TrainingOperations, training: true);
        AssertCovers(graph, traces.InferenceOperations, training: false);

        net.Forward(BatchValues.InOrder(GraphSamples.Inputs(graph, from.N, 1)));
        Assert.That(shown, Is.EqualTo(traces.TrainingOperations.Select(each => (TracedKind.Output, each))));
        shown.Clear();
        net.Loss(Targets.Of(GraphSamples.Targets(graph, from.N, 2)));
        Assert.That(shown, Is.Empty);
        net.Backward();
        var liveness = new Liveness(graph, GraphSamples.SquaredErrors(graph).For(graph), false, FrozenParameters.None);
        Assert.That(shown.Where(each => each.Kind != TracedKind.RecomputedOutput).Select(each => each.Operation),
            Is.EqualTo(traces.TrainingOperations.Reverse().Where(each => liveness.WantsGradient(each.Output))));
        Assert.That(shown.Select(each => each.Kind), Has.None.EqualTo(TracedKind.Output));
        shown.Clear();
        net.Infer(BatchValues.InOrder(GraphSamples.Inputs(graph, from.N, 1)),
            BatchBuffers.InOrder(GraphSamples.Outputs(graph, from.N)));
        Assert.That(shown, Is.EqualTo(traces.InferenceOperations.Select(each => (TracedKind.Output, each))));
    }

    [Test]
    public void OnWholeNumbersEveryTensorIsThatOfTheReference()
    {
        Graph graph = Exact();
        using IExecutable net = Compile(graph, Batch);
        using var managed = new ManagedBackend();
        using ManagedPlan<double> reference = managed.Compile<double>(graph, Spec(graph, Batch));
        Dictionary<(TracedKind, Node), float[]> got = [], expected = [];
        ((ITraces)net).Trace = tensor => Keep(tensor, got);
        reference.Trace = tensor => Keep(tensor, expected);
        RunOnIntegers(net);
        RunOnIntegers(reference);
        Assert.That(got, Is.Not.Empty);
        foreach (((TracedKind kind, Node output), float[] values) in got)
            Assert.That(values, Is.EqualTo(Expected(kind, output)), $"{kind} of {output.Name}");

        float[] Expected(TracedKind kind, Node output) => kind switch
        {
            TracedKind.GradientBeforeActivation => [.. expected[(TracedKind.Gradient, output)]
                .Zip(expected[(TracedKind.Output, output)], (dy, y) => y > 0 ? dy : 0)],
            TracedKind.RecomputedOutput => expected[(TracedKind.Output, output)],
            _ => expected[(kind, output)],
        };
    }

    [Test]
    public void OnRealNumbersEveryOutputIsAsCloseToTheDoubleRunAsFloatCanBe()
    {
        Graph graph = Residual();
        using IExecutable net = Compile(graph, Batch);
        using var managed = new ManagedBackend();
        using ManagedPlan<double> exact = managed.Compile<double>(graph, Spec(graph, Batch));
        using ManagedPlan<float> single = managed.Compile<float>(graph, Spec(graph, Batch));
        Dictionary<(TracedKind, Node), float[]> got = [], ofSingle = [], truth = [];
        ((ITraces)net).Trace = tensor => Keep(tensor, got);
        single.Trace = tensor => Keep(tensor, ofSingle);
        exact.Trace = tensor => Keep(tensor, truth);
        foreach (IExecutable each in (IExecutable[])[net, single, exact])
        {
            WriteParameters(each);
            each.Forward(GraphSamples.Inputs(graph, Batch, 1)[0]);
        }
        foreach (((TracedKind, Node) key, float[] values) in got)
        {
            double rounding = Math.Sqrt(truth[key].Sum(v => (double)v * v)) / (1 << 24);
            Assert.That(Distance(values, truth[key]),
                Is.AtMost(8 * Math.Max(Distance(ofSingle[key], truth[key]), rounding)), $"{key}");
        }
    }

    [Test]
    public void WholeNumbersThatReplaceATensorReachEveryReader()
    {
        Graph graph = Exact();
        using IExecutable net = Compile(graph, Batch);
        using var managed = new ManagedBackend();
        using ManagedPlan<double> reference = managed.Compile<double>(graph, Spec(graph, Batch));
        var replaced = new Dictionary<(TracedKind, Node), float[]>();
        var shown = new Dictionary<(TracedKind, Node), float[]>();
        ((ITraces)net).Trace = tensor =>
        {
            Keep(tensor, shown);
            if (!tensor.IsReplaceable)
                return false;
            Node[] nodes = [.. tensor.Operation.Nodes];
            // The reference replaces the gradient of the node before the activation.
            bool isBefore = tensor.Kind == TracedKind.GradientBeforeActivation;
            if (isBefore && nodes[^1].Layer is not Relu)
                return false;
            float[] values = Samples.Integers(tensor.Values.Length, 100 + replaced.Count);
            if (tensor.Kind == TracedKind.RecomputedOutput)
            {
                if (!replaced.TryGetValue((TracedKind.Output, nodes[^1]), out values!))
                    return false;
            }
            else
            {
                replaced[isBefore ? (TracedKind.Gradient, nodes[^2]) : (tensor.Kind, nodes[^1])] = values;
            }
            values.CopyTo(tensor.Values);
            return true;
        };
        reference.Trace = tensor =>
        {
            if (shown.TryGetValue((tensor.Kind, tensor.Operation.Output), out float[]? seen))
                Assert.That(seen, Is.EqualTo(tensor.Values.ToArray()), $"{tensor.Kind} of {tensor.Operation}");
            if (!replaced.TryGetValue((tensor.Kind, tensor.Operation.Output), out float[]? values))
                return false;
            values.CopyTo(tensor.Values);
            return true;
        };
        float[][] got = RunOnIntegers(net), expected = RunOnIntegers(reference);
        Assert.That(replaced.Count, backend.Deterministic ? Is.GreaterThan(10) : Is.Zero);
        for (int i = 0; i < got.Length; i++)
            Assert.That(got[i], Is.EqualTo(expected[i]), $"result {i}");
    }

    [Test]
    public void ATraceThatReplacesNothingChangesNothing()
    {
        float[] Trained(bool traced)
        {
            Graph graph = Residual();
            using IExecutable net = Compile(graph, Batch);
            int shown = 0;
            ((ITraces)net).Trace = traced ? tensor => ++shown == 0 : null;
            for (int step = 0; step < 3; step++)
                net.TrainStep(GraphSamples.Inputs(graph, Batch, step)[0], Step(graph, step), 0.01f);
            float[][] outputs = GraphSamples.Outputs(graph, Batch);
            net.Infer(GraphSamples.Inputs(graph, Batch, 9)[0], outputs[0]);
            Assert.That(shown > 0, Is.EqualTo(traced));
            return [.. outputs[0], .. net.SaveState().Tensors.SelectMany(tensor => tensor.Values)];
        }
        static Targets Step(Graph graph, int step) => Targets.Of(GraphSamples.Targets(graph, Batch, 20 + step));
        Assert.That(Trained(traced: true), backend.Deterministic ? Is.EqualTo(Trained(traced: false))
            : Is.EqualTo(Trained(traced: false)).Within(1e-4));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void AnExceptionOfTheCallbackEndsThePassAndNothingElse(bool inBackward)
    {
        Graph graph = Residual();
        using IExecutable net = Compile(graph, Batch), twin = Compile(graph, Batch);
        var traces = (ITraces)net;
        float[] input = GraphSamples.Inputs(graph, Batch, 1)[0], output = GraphSamples.Outputs(graph, Batch)[0];
        OutputTargets[] targets = GraphSamples.Targets(graph, Batch, 2);
        int left = 7;
        traces.Trace = tensor =>
        {
            if ((tensor.Kind != TracedKind.Output) == inBackward && --left == 0)
                throw new OvenException(left);
            return false;
        };
        Assert.Throws<OvenException>(() => net.TrainStep(input, Targets.Of(targets), 0.1f));
        if (!inBackward)
        {
            left = 7;
            Assert.Throws<OvenException>(() => net.Infer(input, output));
        }
        traces.Trace = null;
        double expected = twin.TrainStep(input, Targets.Of(targets), 0.1f);
        Assert.That(net.TrainStep(input, Targets.Of(targets), 0.1f),
            backend.Deterministic ? Is.EqualTo(expected) : Is.EqualTo(expected).Within(1e-5));
        net.Infer(input, output);
    }

    [Test]
    public void ATraceIsSetBetweenPassesOnly()
    {
        Graph graph = Exact();
        IExecutable net = Compile(graph, Batch);
        var traces = (ITraces)net;
        int refused = 0;
        TraceCallback trace = _ =>
        {
            Assert.Throws<InvalidOperationException>(() => traces.Trace = null);
            refused++;
            return false;
        };
        traces.Trace = trace;
        RunOnIntegers(net);
        Assert.That(refused, Is.GreaterThan(traces.TrainingOperations.Count));
        Assert.That(traces.Trace, Is.SameAs(trace));
        net.Dispose();
        Assert.Throws<ObjectDisposedException>(() => traces.Trace = null);
    }

    [Test]
    public void AnExecutableForInferenceHasNoTrainingOperations()
    {
        Graph graph = Exact();
        using IExecutable net = _backend.CompileInference(graph, Batch);
        Assert.That(((ITraces)net).TrainingOperations, Is.Empty);
        AssertCovers(graph, ((ITraces)net).InferenceOperations, training: false);
    }

    private static void AssertCovers(Graph graph, IReadOnlyList<TracedOperation> operations, bool training)
    {
        Node[] covered = [.. operations.SelectMany(each => each.Nodes)];
        Assert.That(covered, Is.Unique);
        Assert.That(graph.LayerNodes.Except(covered).Where(node => !node.Layer!.IsView), training ? Is.Empty
            : Is.All.Matches<Node>(node => node is { Layer: Dropout }));
        foreach (TracedOperation operation in operations)
        {
            for (int i = 1; i < operation.Nodes.Count; i++)
                Assert.That(operation.Nodes[i].Inputs, Has.Member(operation.Nodes[i - 1]), $"{operation}");
        }
    }

    private static bool Keep(TracedTensor tensor, Dictionary<(TracedKind, Node), float[]> into)
    {
        into[(tensor.Kind, tensor.Operation.Output)] = tensor.Values.ToArray();
        return false;
    }

    private static double Distance(float[] a, float[] b)
        => Math.Sqrt(a.Zip(b, (x, y) => Math.Pow((double)x - y, 2)).Sum());

    private IExecutable Compile(Graph graph, int n)
    {
        IExecutable net = _backend.Compile(graph, Spec(graph, n));
        WriteParameters(net);
        return net;
    }

    private static void WriteParameters(IExecutable net)
    {
        foreach (Parameter parameter in net.Graph.Parameters)
            net.Write(parameter, Samples.ParameterValues(parameter, 30 + parameter.Index));
    }

    private static TrainingSpec Spec(Graph graph, int n)
        => new(n, GraphSamples.SquaredErrors(graph), new Sgd(0.9f)) { Seed = 5 };

    // Writes whole numbers to the parameters, runs all passes on whole numbers and returns the results.
    private static float[][] RunOnIntegers(IExecutable net)
    {
        Graph graph = net.Graph;
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, Few(parameter.Length, 50 + parameter.Index));
        net.Forward(Samples.Integers(Batch * graph.Input.Shape.Length, 1));
        float[][] outputs = GraphSamples.Outputs(graph, Batch);
        net.ReadOutput(BatchBuffers.InOrder(outputs));
        net.Backward(BatchValues.InOrder([.. graph.Outputs.Select((output, i)
            => Few(Batch * output.Shape.Length, 70 + i))]));
        return [.. outputs, .. graph.Parameters.Select(parameter => net.ReadGradient(parameter))];
    }

    // Whole numbers of which most are zero, so that the sums of several layers stay below 2²⁴.
    private static float[] Few(int length, int seed) => [.. Samples.Integers(length, seed)
        .Zip(Samples.Integers(length, seed + 1), (a, b) => b == 0 ? Math.Sign(a) : 0f)];
}
