using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>The tensors between the operations of a plan: what is shown, and what becomes of values that replace
/// them.</summary>
public sealed class TraceTests
{
    private static IEnumerable<GraphCase> Graphs => GraphCases.All;

    [Test]
    public void FusedAndUnfusedShowTheSameBits([ValueSource(nameof(Graphs))] GraphCase graph)
    {
        Graph built = graph.Build();
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        Dictionary<(Node, TracedKind), Shown> single = Train(built, graph.N, unfused)
            .ToDictionary(shown => (shown.Operation.Output, shown.Kind));
        foreach (Shown shown in Train(built, graph.N, fused))
        {
            Node node = shown.Operation.Output;
            float[] expected = shown.Kind is TracedKind.Output or TracedKind.RecomputedOutput
                ? single[(node, TracedKind.Output)].Values
                : single[(node, TracedKind.Gradient)].Values;
            if (shown.Kind == TracedKind.GradientBeforeActivation)
                expected = TracedOperations.Sloped(shown.Operation, expected,
                    single[(node, TracedKind.Output)].Values);
            Assert.That(Bits(shown.Values), Is.EqualTo(Bits(expected)), $"{shown.Kind} of {shown.Operation}");
        }
    }

    [Test]
    public void EveryOperationIsShownInOrder([ValueSource(nameof(Graphs))] GraphCase graph)
    {
        Graph built = graph.Build();
        using var backend = new NativeBackend();
        using NativePlan net = Compile(built, graph.N, backend);
        IReadOnlyList<TracedOperation> training = net.TrainingOperations, inference = net.InferenceOperations;
        foreach (IReadOnlyList<TracedOperation> operations in (IReadOnlyList<TracedOperation>[])[training, inference])
        {
            Assert.That(operations.SelectMany(operation => operation.Nodes), Is.EquivalentTo(built.LayerNodes
                .Where(node => node.Layer is not (Flatten or Reshape)
                    && (node.Layer is not Dropout || operations == training))));
            foreach (TracedOperation operation in operations)
            {
                foreach ((Node first, Node second) in operation.Nodes.Zip(operation.Nodes.Skip(1)))
                    Assert.That(second.Inputs, Has.Member(first), $"{operation}");
            }
        }
        List<Shown> shown = Record(net);
        Pass(net, graph.N);
        Assert.That(Operations(shown, TracedKind.Output), Is.EqualTo(training));
        Assert.That(shown.Where(each => each.Kind >= TracedKind.Gradient).Select(each => each.Operation),
            Is.EqualTo(training.Reverse()));
        shown.Clear();
        net.Infer(Inputs(built, graph.N), BatchBuffers.InOrder(GraphSamples.Outputs(built, graph.N)));
        Assert.That(Operations(shown, TracedKind.Output), Is.EqualTo(inference));
        Assert.That(shown, Has.Count.EqualTo(inference.Count));
    }

    // Small whole numbers at every place where the plan takes them, so that most operations are exact.
    [Test]
    public void ReplacedValuesReachEveryReader([ValueSource(nameof(Graphs))] GraphCase graph, [Values] bool smaller)
    {
        Graph built = graph.Build();
        int n = smaller ? Math.Max(1, graph.N - 1) : graph.N;
        using var backend = new NativeBackend(precision: Precision.Accurate);
        using var reference = new ManagedBackend();
        using NativePlan net = Compile(built, graph.N, backend);
        using var managed = (ManagedPlan<float>)reference.Compile(built, Spec(built, graph.N));
        foreach (Parameter parameter in built.Parameters.Where(parameter => parameter.Trainable))
            net.Write(parameter, TracedOperations.Whole(parameter.Name, parameter.Length));
        net.CopyParametersTo(managed);
        var operations = new TracedOperations(built);
        (net.Trace, managed.Trace) = (operations.Replace, operations.Compare);
        var inputs = BatchValues.InOrder([.. built.Inputs.Select(input => operations.ValueOf(input, n))]);
        var gradients = BatchValues.InOrder([.. built.Outputs
            .Select(output => TracedOperations.Whole($"loss of {output.Name}", n * output.Shape.Length))]);
        float[][] outputs = GraphSamples.Outputs(built, n);
        foreach (IExecutable each in (IExecutable[])[net, managed])
        {
            each.Forward(inputs);
            if (each == net)
                net.ReadOutput(BatchBuffers.InOrder(outputs));
            each.Backward(gradients);
        }
        Assert.That(operations.Replaced, Is.Positive);
        Assert.That(outputs, Is.EqualTo(built.Outputs.Select(output => operations.ValueOf(output, n))));
        operations.CompareGradients(net, managed, n);
        operations.End();
        foreach (IExecutable each in (IExecutable[])[net, managed])
            each.Infer(inputs, BatchBuffers.InOrder(outputs));
        operations.End();
    }

    [Test]
    public void AsManyTensorsAsPossibleAreReplaceable([ValueSource(nameof(Graphs))] GraphCase graph)
    {
        Graph built = graph.Build();
        using var backend = new NativeBackend { Fuse = false };
        Assert.That(Train(built, graph.N, backend).Where(shown => !shown.IsReplaceable
            && shown.Kind == TracedKind.Output), Is.Empty);
    }

    private static IEnumerable<GraphCase> Some => [.. GraphCases.Networks, .. GraphCases.Patterns.Where(graph
        => graph.Name is "inception block" or "dense block" or "projection block" or "dropout on maps" or "two heads")];

    [Test]
    public void WhatIsShownChangesNoBit([ValueSource(nameof(Some))] GraphCase graph, [Values(1, 2, 3)] int threads,
        [ValueSource(typeof(NativeBackend), nameof(NativeBackend.SupportedIsas))] NativeIsa isa,
        [Values] bool keepGradients)
    {
        using var backend = new NativeBackend(threads, isa) { SerialOperations = 1 };
        Graph built = graph.Build();
        int calls = 0;
        int[] traced = NativeRun.TrainTwoSteps(built, graph.N, backend, net => net.Trace = tensor =>
        {
            calls++;
            tensor.Values.Fill(float.NaN);
            return false;
        }, keepGradients);
        Assert.That(traced, Is.EqualTo(NativeRun.TrainTwoSteps(built, graph.N, backend, keepGradients: keepGradients)));
        Assert.That(calls, Is.Positive);
    }

    [Test]
    public void ATrainStepShowsWhatItsPhasesShow([ValueSource(nameof(Some))] GraphCase graph,
        [Values] bool keepGradients, [Values] bool reports)
    {
        Graph built = graph.Build();
        using var backend = new NativeBackend();
        var spec = Spec(built, graph.N);
        using NativePlan phases = backend.Compile(built, spec),
            step = backend.Compile(built, spec with { KeepGradients = keepGradients });
        phases.Initialize(new HeNormal(3));
        phases.CopyParametersTo(step);
        if (reports && keepGradients)
            step.GradientReady = _ => { };
        List<Shown> expected = Record(phases), shown = Record(step);
        var targets = Targets.Of(GraphSamples.Targets(built, graph.N, seed: 9));
        for (int i = 0; i < 2; i++)
        {
            phases.Forward(Inputs(built, graph.N));
            phases.Loss(targets);
            phases.Backward();
            phases.Step(0.01f);
            step.TrainStep(Inputs(built, graph.N), targets, 0.01f);
            AssertSame(shown, expected);
        }
        AssertSameParameters(step, phases);
    }

    [Test]
    public void AccumulationShowsTheNewGradients()
    {
        Graph graph = BuiltInModels.Create("lenet5");
        using var backend = new NativeBackend();
        using NativePlan net = Compile(graph, 2, backend);
        List<Shown> shown = Record(net);
        Pass(net, 2);
        Shown[] first = [.. shown];
        shown.Clear();
        Pass(net, 2, accumulate: true);
        AssertSame(shown, [.. first]);
    }

    [Test]
    public void InferenceShowsTheValuesOfTheUnfoldedGraph([ValueSource(nameof(Graphs))] GraphCase graph)
    {
        Graph built = graph.Build();
        using NativeBackend fused = new(), unfused = new() { Fuse = false };
        using NativePlan source = Compile(built, graph.N, fused), net = fused.CompileInference(built, graph.N),
            apart = unfused.CompileInference(built, graph.N);
        Assert.That(net.TrainingOperations, Is.Empty);
        List<Shown> shown = Record(net), single = Record(apart);
        foreach (NativePlan each in (NativePlan[])[net, apart])
        {
            source.CopyParametersTo(each);
            each.Infer(Inputs(built, graph.N), BatchBuffers.InOrder(GraphSamples.Outputs(built, graph.N)));
        }
        Assert.That(Operations(shown, TracedKind.Output), Is.EqualTo(net.InferenceOperations));
        foreach (Shown each in shown)
        {
            float[] expected = single.Single(other => other.Operation.Output == each.Operation.Output).Values;
            float most = expected.Max(Math.Abs);
            Assert.That(each.Values, Is.EqualTo(expected).Within(1e-4f * most), $"{each.Operation}");
        }
    }

    [Test]
    public void AnExceptionOfTheCallbackChangesNothing([Values] bool keepGradients, [Values] TracedKind when)
    {
        Graph graph = GraphCases.Patterns.Single(each => each.Name == "projection block").Build();
        using var backend = new NativeBackend();
        var spec = Spec(graph, 4) with { KeepGradients = keepGradients, Optimizer = new Adam() };
        using NativePlan net = backend.Compile(graph, spec), other = backend.Compile(graph, spec);
        net.Initialize(new HeNormal(3));
        net.CopyParametersTo(other);
        List<Shown> shown = Record(net);
        TrainStep(net);
        TrainStep(other);
        int count = shown.Count(each => each.Kind == when);
        Assert.That(count, Is.Positive);
        // The last tensor of this kind, when weights behind it have been updated.
        net.Trace = tensor => tensor.Kind == when && --count == 0 ? throw new TimeoutException() : false;
        Assert.That(() => TrainStep(net), Throws.TypeOf<TimeoutException>());
        AssertSameParameters(net, other);
        net.Trace = null;
        Assert.That(TrainStep(net), Is.EqualTo(TrainStep(other)));
        AssertSameParameters(net, other);
    }

    [Test]
    public void AnExceptionEndsInference()
    {
        Graph graph = BuiltInModels.Create("digits");
        using var backend = new NativeBackend();
        using NativePlan net = Compile(graph, 3, backend);
        float[] scores = new float[3 * graph.Output.Shape.Length], again = new float[scores.Length];
        net.Infer(Inputs(graph, 3), scores);
        net.Trace = _ => throw new TimeoutException();
        Assert.That(() => net.Infer(Inputs(graph, 3), again), Throws.TypeOf<TimeoutException>());
        net.Trace = null;
        net.Infer(Inputs(graph, 3), again);
        Assert.That(again, Is.EqualTo(scores));
    }

    [Test]
    public void ACallbackCannotReplaceWhatIsNotReplaceable()
    {
        Graph graph = GraphCases.Patterns.Single(each => each.Name == "conv bn relu").Build();
        using var backend = new NativeBackend();
        using NativePlan net = Compile(graph, 4, backend);
        net.Trace = _ => true;
        Assert.That(() => net.Forward(Inputs(graph, 4)),
            Throws.InvalidOperationException.With.Message.Contains("Output of conv1"));
    }

    [Test]
    public void TheCallbackCannotUseTheExecutable()
    {
        Graph graph = BuiltInModels.Create("digits");
        using var backend = new NativeBackend();
        NativePlan net = Compile(graph, 3, backend);
        var errors = new List<Exception?>();
        net.Trace = _ =>
        {
            errors.Add(Assert.Catch(() => net.Trace = null));
            return false;
        };
        net.Forward(Inputs(graph, 3));
        Assert.That(errors, Has.Count.EqualTo(net.TrainingOperations.Count));
        Assert.That(errors, Is.All.InstanceOf<InvalidOperationException>());
        net.Dispose();
        Assert.That(() => net.Trace = null, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void TheTraceStaysWhenParametersAreFrozen()
    {
        Graph graph = GraphCases.Patterns.Single(each => each.Name == "conv bn relu").Build();
        using var backend = new NativeBackend();
        using NativePlan net = Compile(graph, 4, backend);
        List<Shown> shown = Record(net);
        net.Freeze("conv1.weight");
        Pass(net, 4);
        Assert.That(Operations(shown, TracedKind.Output), Is.EqualTo(net.TrainingOperations));
    }

    private static double TrainStep(NativePlan net) => net.TrainStep(Inputs(net.Graph, 4),
        Targets.Of(GraphSamples.Targets(net.Graph, 4, seed: 9)), 0.01f);

    private static void AssertSameParameters(NativePlan net, NativePlan other)
    {
        foreach (Parameter parameter in net.Graph.Parameters)
            Assert.That(net.Read(parameter), Is.EqualTo(other.Read(parameter)), parameter.Name);
    }

    private static TrainingSpec Spec(Graph graph, int n)
        => new(n, GraphSamples.SquaredErrors(graph), new Sgd(0.9f)) { InputGradient = true, Seed = 7 };

    private static NativePlan Compile(Graph graph, int n, NativeBackend backend)
    {
        NativePlan net = backend.Compile(graph, Spec(graph, n));
        net.Initialize(new HeNormal(3));
        return net;
    }

    private static BatchValues Inputs(Graph graph, int n)
        => BatchValues.InOrder(GraphSamples.Inputs(graph, n, seed: 5));

    private static List<Shown> Train(Graph graph, int n, NativeBackend backend)
    {
        using NativePlan net = Compile(graph, n, backend);
        List<Shown> shown = Record(net);
        Pass(net, n);
        return shown;
    }

    private static void Pass(NativePlan net, int n, bool accumulate = false)
    {
        net.Forward(Inputs(net.Graph, n));
        net.Loss(Targets.Of(GraphSamples.Targets(net.Graph, n, seed: 9)));
        net.Backward(accumulate);
    }

    private static List<Shown> Record(NativePlan net)
    {
        var shown = new List<Shown>();
        net.Trace = tensor =>
        {
            Assert.That(tensor.Values.Length, Is.EqualTo(tensor.N * tensor.Operation.Output.Shape.Length));
            shown.Add(new(tensor.Operation, tensor.Kind, tensor.Values.ToArray(), tensor.IsReplaceable));
            return false;
        };
        return shown;
    }

    private static IEnumerable<TracedOperation> Operations(List<Shown> shown, TracedKind kind)
        => shown.Where(each => each.Kind == kind).Select(each => each.Operation);

    private static void AssertSame(List<Shown> shown, List<Shown> expected)
    {
        Assert.That(shown.Select(each => (each.Operation.Output, each.Kind)),
            Is.EqualTo(expected.Select(each => (each.Operation.Output, each.Kind))));
        foreach ((Shown each, Shown other) in shown.Zip(expected))
            Assert.That(Bits(each.Values), Is.EqualTo(Bits(other.Values)), $"{each.Kind} of {each.Operation}");
    }

    // A product with a slope of zero may have either sign.
    private static int[] Bits(float[] values)
        => [.. values.Select(value => BitConverter.SingleToInt32Bits(value == 0 ? 0 : value))];

    private sealed record Shown(TracedOperation Operation, TracedKind Kind, float[] Values, bool IsReplaceable);
}
