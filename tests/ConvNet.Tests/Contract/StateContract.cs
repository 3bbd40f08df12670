using ConvNet.Serialization;
using NUnit.Framework;
using static ConvNet.Tests.Contract.SmallTraining;

namespace ConvNet.Tests.Contract;

/// <summary>
/// A training that is saved and loaded goes on as if nothing had been; gradients are written, scaled and clipped.
/// </summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class StateContract(BackendCase backend)
{
    private static readonly IEnumerable<OptimizerCase> Cases = OptimizerCases.All;

    private IBackend _backend = null!;

    // Torch promises no equal bits from run to run.
    private float Tolerance => backend.Deterministic ? 0 : 1e-5f;

    [SetUp]
    public void Open() => _backend = backend.Open(threads: 1);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void ATrainingGoesOnFromItsState(
        [ValueSource(nameof(Cases))] object @case, [Values(0, 1, 3)] int steps, [Values] bool keepGradients)
    {
        var of = (OptimizerCase)@case;
        TrainingSpec spec = Spec(of.Optimizer) with { KeepGradients = keepGradients };
        using IExecutable whole = _backend.Compile(Network(), spec);
        whole.Initialize(new HeNormal(5));
        Run(whole, 0, steps);
        string path = Path.GetTempFileName();
        try
        {
            whole.SaveState().Write(path);
            using IBackend later = backend.Open(threads: 1);
            using IExecutable loaded = later.Compile(Network(), spec);
            loaded.LoadState(TrainingState.Read(path));
            Run(whole, steps, steps + 3);
            Run(loaded, steps, steps + 3);
            AssertEqual(loaded.SaveState(), whole.SaveState(), Tolerance);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void AStateMovesToTheManagedBackendAndBack(object @case)
    {
        var of = (OptimizerCase)@case;
        Graph graph = Network();
        using var managed = new ManagedBackend();
        using IExecutable net = _backend.Compile(graph, Spec(of.Optimizer));
        using IExecutable other = managed.Compile(graph, net.Spec!), back = _backend.Compile(graph, net.Spec!);
        net.Initialize(new HeNormal(5));
        Run(net, 0, 3);
        TrainingState state = net.SaveState();
        Assert.That((state.Step, state.Pass), Is.EqualTo((3, 3)));
        other.LoadState(state);
        back.LoadState(other.SaveState());
        AssertEqual(back.SaveState(), state, 0);
        Run(net, 3, 4);
        Run(back, 3, 4);
        AssertEqual(back.SaveState(), net.SaveState(), Tolerance);
        // The other backend has the same masks, step and rule: it is off by the rounding of one step, which decides the
        // sign of the gradient of a bias before batch normalisation.
        Run(other, 3, 4);
        AssertEqual(other.SaveState(), net.SaveState(), 2e-2f, "conv1.bias",
            of.Optimizer is RmsProp rule ? 2 * LargestUpdate(rule, steps: 4) : 2e-2f);
    }

    // The mean of the squares, v, contains (1 − ρ)g², so that |g| / √v is at most 1 / √(1 − ρ). After k steps the
    // weights of both means sum to 1 − ρᵏ, so that a² ≤ (1 − ρᵏ)v, and the centred form divides by at least ρᵏᐟ²√v.
    private static float LargestUpdate(RmsProp rule, int steps) => (float)(Rate / Math.Sqrt((1 - rule.Smoothing)
        * (rule.Centered ? Math.Pow(rule.Smoothing, steps) : 1)));

    [Test]
    public void ANewProcessGoesOnBitForBit([Values(1, 3)] int steps)
    {
        using IExecutable net = ContinuedTraining.Compile(_backend);
        net.Initialize(new HeNormal(5));
        ContinuedTraining.Run(net, 0, steps);
        TrainingState state = net.SaveState(),
            continued = ContinuedTraining.InNewProcess(backend.Name, state, steps, steps + 3);
        ContinuedTraining.Run(net, steps, steps + 3);
        AssertEqual(continued, net.SaveState(), Tolerance);
    }

    [Test]
    public void ANewProcessGoesOnWithAnotherBackend()
    {
        using var managed = new ManagedBackend();
        using IExecutable net = ContinuedTraining.Compile(_backend), other = ContinuedTraining.Compile(managed);
        net.Initialize(new HeNormal(5));
        ContinuedTraining.Run(net, 0, 3);
        TrainingState state = net.SaveState(), continued = ContinuedTraining.InNewProcess("managed", state, 3, 5);
        other.LoadState(state);
        ContinuedTraining.Run(other, 3, 5);
        AssertEqual(continued, other.SaveState(), 0);
    }

    [Test]
    public void TheOrderOfTheTensorsIsOfNoImportance()
    {
        using IExecutable net = Make(new Sgd(0.9f)), loaded = _backend.Compile(net.Graph, net.Spec!);
        Run(net, 0, 2);
        TrainingState state = net.SaveState();
        loaded.LoadState(state with { Tensors = [.. state.Tensors.Reverse()] });
        AssertEqual(loaded.SaveState(), state, 0);
    }

    [Test]
    public void AStateThatDoesNotFitChangesNothing()
    {
        using IExecutable net = Make(new Sgd(0.9f));
        Run(net, 0, 2);
        TrainingState state = net.SaveState();
        NamedTensor[] tensors = [.. state.Tensors];
        Refused(state with { Step = -1 }, "-1");
        Refused(state with { Tensors = tensors[1..] }, "does not contain \"conv1.weight\"");
        Refused(state with { Tensors = [.. tensors[..^1], tensors[^1] with { Name = "linear1.bias/momentum_bufer" }] },
            "linear1.bias/momentum_buffer", "Did you mean", "Sgd");
        Refused(state with { Tensors = [.. tensors, tensors[0] with { Name = "conv9.weight" }] }, "conv9.weight");
        Refused(state with { Tensors = [.. tensors, tensors[0]] }, "twice");
        Refused(state with { Tensors = [tensors[0] with { Dimensions = [1, 2, 3, 3] }, .. tensors[1..]] }, "1×2×3×3");
        using IExecutable plain = Make(new Sgd());
        Refused(plain.SaveState(), "momentum_buffer");
        using IExecutable inference = _backend.CompileInference(net.Graph, Batch);
        Assert.That(() => inference.LoadState(state), Throws.InvalidOperationException);
        Assert.That(() => inference.SaveState(), Throws.InvalidOperationException);
        using IExecutable unwritten = _backend.Compile(net.Graph, net.Spec!);
        Assert.That(unwritten.SaveState, Throws.InvalidOperationException.With.Message.Contains("conv1.weight"));
        AssertEqual(net.SaveState(), state, 0);

        void Refused(TrainingState bad, params string[] says)
        {
            string message = Assert.Throws<ArgumentException>(() => net.LoadState(bad))!.Message;
            foreach (string each in says)
                Assert.That(message, Does.Contain(each));
        }
    }

    [Test]
    public void LoadingForgetsAPassUnderWayAndItsGradients()
    {
        using IExecutable net = Make(new Sgd(0.9f));
        TrainingState state = net.SaveState();
        Differentiate(net, 1);
        net.LoadState(state);
        Assert.That(() => net.Step(Rate), Throws.InvalidOperationException);
        Assert.That(() => net.Backward(), Throws.InvalidOperationException);
        Assert.That(() => net.ReadGradient(net.Graph.Parameters[0], new float[net.Graph.Parameters[0].Length]),
            Throws.InvalidOperationException);
        AssertEqual(net.SaveState(), state, 0);
    }

    [Test]
    public void AStepTakesTheGradientsThatWereWritten()
    {
        using IExecutable net = Make(new Sgd());
        Differentiate(net, 1);
        foreach (Parameter p in net.Graph.Parameters.Where(p => p.Trainable))
        {
            float[] g = Samples.Integers(p.Length, p.Length);
            net.WriteGradient(p, g);
            Assert.That(net.ReadGradient(p), Is.EqualTo(g));
        }
        float[][] start = [.. net.Graph.Parameters.Select(p => net.Read(p))];
        net.Step(0.5f);
        foreach (Parameter p in net.Graph.Parameters.Where(p => p.Trainable))
        {
            float[] g = Samples.Integers(p.Length, p.Length);
            Assert.That(net.Read(p), Is.EqualTo(start[p.Index].Zip(g, (w, d) => w - (0.5f * d))), p.Name);
        }
    }

    [Test]
    public void GradientsAreScaledAndClipped()
    {
        using IExecutable net = Make(new Sgd());
        Differentiate(net, 1);
        float[] plain = Gradients(net);
        double norm = Math.Sqrt(plain.Sum(g => (double)g * g));
        net.ScaleGradients(-2);
        Assert.That(Gradients(net), Is.EqualTo(plain.Select(g => -2 * g)));
        Assert.That(net.ClipGradientNorm((float)norm * 4), Is.EqualTo(2 * norm).Within(1e-9 * norm));
        Assert.That(Gradients(net), Is.EqualTo(plain.Select(g => -2 * g)), "the norm is below the limit");
        Assert.That(net.ClipGradientNorm((float)norm), Is.EqualTo(2 * norm).Within(1e-9 * norm));
        Assert.That(Math.Sqrt(Gradients(net).Sum(g => (double)g * g)), Is.EqualTo(norm).Within(1e-5 * norm));
        Assert.That(Gradients(net), Is.EqualTo(plain.Select(g => -g)).Within(1e-5));
        float most = plain.Max(Math.Abs) / 3;
        float[] before = Gradients(net);
        net.ClipGradientValue(most);
        Assert.That(Gradients(net), Is.EqualTo(before.Select(g => Math.Clamp(g, -most, most))));
    }

    [Test]
    public void ClippingHasTheSameBitsForEveryNumberOfThreads([Values] bool keepGradients)
    {
        Graph graph = Network();
        var results = new List<(double Norm, float[] Gradients)>();
        foreach (int threads in (int[])[1, 2, 5])
        {
            using IBackend other = backend.Open(threads);
            TrainingSpec spec = Spec(new Sgd()) with { KeepGradients = keepGradients };
            using IExecutable net = other.Compile(graph, spec);
            net.Initialize(new HeNormal(5));
            Differentiate(net, 1);
            double norm = net.ClipGradientNorm(0.01f);
            net.ClipGradientValue(0.001f);
            net.Step(1);
            results.Add((norm, [.. graph.Parameters.SelectMany(p => net.Read(p))]));
        }
        foreach ((double norm, float[] gradients) in results)
        {
            Assert.That(norm, Is.EqualTo(results[0].Norm).Within(Tolerance));
            Assert.That(gradients, Is.EqualTo(results[0].Gradients).Within(Tolerance));
        }
    }

    [Test]
    public void ExecutablesThatShareABatchDrawItsMasks()
    {
        Graph graph = Sequential.Of(new Shape(19, 3, 2), new Dropout(0.4f));
        int length = graph.Input.Shape.Length;
        TrainingSpec spec = new(6, new MeanSquaredError(), new Sgd()) { Seed = 11, InputGradient = true };
        using IExecutable whole = _backend.Compile(graph, spec), part = _backend.Compile(graph, spec);
        for (int pass = 0; pass < 2; pass++)
        {
            float[] all = [.. Enumerable.Range(1, 6 * length).Select(i => (float)i)];
            (float[] scores, float[] gradient) = ThroughDropout(whole, all);
            Assert.That(scores, Has.Some.Zero.And.Some.Not.Zero);
            (float[] own, _) = ThroughDropout(part, all[..(2 * length)]);
            Assert.That(own, Is.EqualTo(scores[..(2 * length)]), "the first two");
        }
        // The same pass of executables that have the other samples.
        foreach ((int first, int count) in ((int, int)[])[(0, 2), (2, 1), (3, 3)])
        {
            using IExecutable share = _backend.Compile(graph, spec);
            share.SampleOffset = first;
            using IExecutable again = _backend.Compile(graph, spec);
            float[] all = [.. Enumerable.Range(1, 6 * length).Select(i => (float)i)];
            (float[] scores, float[] gradient) = ThroughDropout(again, all);
            Range range = (first * length)..((first + count) * length);
            (float[] own, float[] ownGradient) = ThroughDropout(share, all[range]);
            Assert.That(own, Is.EqualTo(scores[range]));
            Assert.That(ownGradient, Is.EqualTo(gradient[range]));
        }
    }

    [Test]
    public void TheOffsetOfAPassIsThatOfItsForward()
    {
        Graph graph = Sequential.Of(Shape.Vector(40), new Dropout(0.5f));
        TrainingSpec spec = new(1, new MeanSquaredError(), new Sgd()) { InputGradient = true };
        using IExecutable net = _backend.Compile(graph, spec);
        float[] ones = [.. Enumerable.Repeat(1f, 40)], scores = new float[40], gradient = new float[40];
        net.Forward(ones);
        net.SampleOffset = 3;
        net.ReadOutput(scores);
        net.Backward(ones);
        net.ReadInputGradient(gradient);
        Assert.That(gradient, Is.EqualTo(scores));
        Assert.That(net.SampleOffset, Is.EqualTo(3));
        Assert.That(() => net.SampleOffset = -1, Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("-1"));
    }

    [Test]
    public void TheGradientsOfTheSharesOfABatchAreTheWholes()
    {
        Graph graph = Sequential.Of(new Shape(2, 6, 5), new Conv2d(17, 3, padding: 1), new Relu(), new Dropout(0.25f),
            new Conv2d(17, 3, groups: 17), new Flatten(), new Dropout(0.5f), new Linear(3));
        float[] images = Samples.Uniform(Batch * graph.Input.Shape.Length, 3);
        var gradients = new List<float[]>();
        foreach ((int first, int count) in ((int, int)[])[(0, Batch), (0, Batch / 2), (Batch / 2, Batch / 2)])
        {
            using IExecutable net = _backend.Compile(graph, Spec(new Sgd()));
            net.SampleOffset = first;
            net.Initialize(new HeNormal(5));
            int length = graph.Input.Shape.Length;
            net.Forward(images.AsSpan(first * length, count * length));
            net.Loss(Labels.AsSpan(first, count));
            net.Backward();
            gradients.Add(Gradients(net));
        }
        float[] mean = [.. gradients[1].Zip(gradients[2], (a, b) => (a + b) / 2)];
        Assert.That(mean, Is.EqualTo(gradients[0]).Within(2e-6));
        Assert.That(gradients[1], Is.Not.EqualTo(gradients[0]).Within(1e-2), "the bound says something");
    }

    [Test]
    public void WhatCannotBeClippedIsRefused()
    {
        using IExecutable net = Make(new Sgd());
        Parameter first = net.Graph.Parameters[0];
        Assert.That(() => net.ClipGradientNorm(1), Throws.InvalidOperationException.With.Message.Contains("Backward"));
        Assert.That(() => net.ClipGradientValue(1), Throws.InvalidOperationException);
        Assert.That(() => net.ScaleGradients(1), Throws.InvalidOperationException);
        Assert.That(() => net.WriteGradient(first, new float[first.Length]), Throws.InvalidOperationException);
        Differentiate(net, 1);
        float[] before = Gradients(net);
        Assert.Multiple(() =>
        {
            Assert.That(() => net.ScaleGradients(float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => net.ClipGradientNorm(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => net.ClipGradientValue(float.PositiveInfinity),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => net.WriteGradient(first, [1]), Throws.ArgumentException);
            Parameter buffer = net.Graph.Parameters.First(p => !p.Trainable);
            Assert.That(() => net.WriteGradient(buffer, new float[buffer.Length]), Throws.ArgumentException);
            Assert.That(Gradients(net), Is.EqualTo(before));
        });
        var bad = new float[first.Length];
        bad[^1] = float.NaN;
        net.WriteGradient(first, bad);
        before = Gradients(net);
        Assert.That(() => net.ClipGradientNorm(1), Throws.TypeOf<ArithmeticException>()
            .With.Message.Contains("conv1.weight"));
        Assert.That(Gradients(net), Is.EqualTo(before));
        net.ClipGradientValue(1);
        Assert.That(net.ReadGradient(first)[^1], Is.NaN);
    }

    private IExecutable Make(Optimizer optimizer)
    {
        IExecutable net = _backend.Compile(Network(), Spec(optimizer));
        net.Initialize(new HeNormal(5));
        return net;
    }

    private static (float[] Scores, float[] Gradient) ThroughDropout(IExecutable net, float[] images)
    {
        float[] scores = new float[images.Length], gradient = new float[images.Length];
        net.Forward(images);
        net.ReadOutput(scores);
        net.Backward(images);
        net.ReadInputGradient(gradient);
        return (scores, gradient);
    }

    private static float[] Gradients(IExecutable net)
        => [.. net.Graph.Parameters.Where(p => p.Trainable).SelectMany(p => net.ReadGradient(p))];

    private static Graph Network() => Sequential.Of(new Shape(2, 6, 5), new Conv2d(17, 3, padding: 1),
        new BatchNorm2d(), new Relu(), new Dropout(0.25f), new Conv2d(17, 3, groups: 17), new Flatten(), new Linear(3));
}
