using ConvNet.GradientChecking;
using ConvNet.Serialization;
using NUnit.Framework;
using static ConvNet.Tests.Contract.SmallTraining;

namespace ConvNet.Tests.Contract;

/// <summary>Frozen parameters have no gradient and stay; all others train as they would without them.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class FrozenContract(BackendCase backend)
{
    private IBackend _backend = null!;

    // Torch promises no equal bits from run to run.
    private float Tolerance => backend.Deterministic ? 0 : 1e-5f;

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void FrozenLayersStayAndTheOthersTrain(
        [Values] bool beforeCompile, [Values] bool keepGradients,
        [Values("conv1.*", "conv2.*", "linear1.*")] string frozen)
    {
        var optimizer = new AdamW(weightDecay: 0.1f);
        Graph graph = Network();
        TrainingSpec spec = Spec(optimizer) with { KeepGradients = keepGradients };
        using IExecutable net = _backend.Compile(graph, beforeCompile
            ? spec with { Optimizer = optimizer with { Groups = [new(frozen) { Frozen = true }] } }
            : spec);
        net.Initialize(new HeNormal(3));
        if (!beforeCompile)
            net.Freeze(frozen);
        using IExecutable free = _backend.Compile(graph, spec);
        float[][] start = Values(net);
        for (int step = 0; step < 3; step++)
        {
            // Of the same values, what trains gets the same gradients.
            net.CopyParametersTo(free);
            Differentiate(net, step);
            Differentiate(free, step);
            if (keepGradients)
            {
                foreach (Parameter p in graph.Parameters.Where(p => p.Trainable && !net.IsFrozen(p)))
                    Assert.That(net.ReadGradient(p),
                        Is.EqualTo(free.ReadGradient(p)).Within(Tolerance), p.Name);
            }
            net.Step(0.01f);
            foreach (IExecutable each in (IExecutable[])[net, free])
                each.TrainStep(Input(each, 10 + step), Labels, 0.01f);
        }
        foreach (Parameter p in graph.Parameters)
        {
            bool stays = ParameterGroup.Matches(frozen, p.Name);
            Assert.That(net.IsFrozen(p), Is.EqualTo(stays), p.Name);
            Assert.That(net.Read(p), stays ? Is.EqualTo(start[p.Index]) : Is.Not.EqualTo(start[p.Index]),
                p.Name);
        }
    }

    [Test]
    public void AFusedStepMovesWhatTheFourVerbsMove([Values("conv1.weight", "conv2.bias", "conv?.weight", "*.bias",
        "bn1.weight", "linear1.weight", "convtranspose1.*")] string frozen)
    {
        Graph graph = Network();
        var optimizer = new Sgd(0.9f, weightDecay: 0.01f) { Groups = [new(frozen) { Frozen = true }] };
        using IExecutable verbs = _backend.Compile(graph, Spec(optimizer)),
            fused = _backend.Compile(graph, Spec(optimizer) with { KeepGradients = false });
        verbs.Initialize(new HeNormal(3));
        fused.Initialize(new HeNormal(3));
        for (int step = 0; step < 2; step++)
        {
            Train(verbs, step);
            fused.TrainStep(Input(fused, step), Labels, 0.01f);
        }
        foreach (Parameter p in graph.Parameters)
            Assert.That(fused.Read(p), Is.EqualTo(verbs.Read(p)).Within(Tolerance), p.Name);
    }

    [Test]
    public void OneParameterOfALayerIsFrozenAlone([Values("weight", "bias")] string frozen)
    {
        // Every form of weights; the sums of the batch norms do not depend on what is frozen.
        Graph graph = Sequential.Of(new Shape(3, 7, 6), new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2, 1),
            new Conv2d(32, 3, groups: 2), new BatchNorm2d(), new Conv2d(32, 1, groups: 32),
            new ConvTranspose2d(8, 3, stride: 2), new Conv2d(8, 1, groups: 4), new Conv2d(5, 1), new Flatten(),
            new Linear(19), new Linear(3));
        using IExecutable net = _backend.Compile(graph, Spec(new Sgd())),
            free = _backend.Compile(graph, Spec(new Sgd()));
        net.Initialize(new HeNormal(3));
        net.CopyParametersTo(free);
        net.Freeze($"*.{frozen}");
        Differentiate(net, 1);
        Differentiate(free, 1);
        foreach (Parameter p in graph.Parameters.Where(p => p.Trainable))
        {
            if (p.Name.EndsWith(frozen, StringComparison.Ordinal))
            {
                Assert.That(() => net.ReadGradient(p), Throws.InvalidOperationException
                    .With.Message.Contains($"{p.Name} is frozen"));
                continue;
            }
            float[] expected = free.ReadGradient(p);
            Assert.That(net.ReadGradient(p),
                Is.EqualTo(expected).Within(2e-6 * (1 + expected.Max(Math.Abs))), p.Name);
        }
    }

    [Test]
    public void AFrozenBatchNormTakesItsRunningStatistics([Values] bool relu, [Values] bool sum)
    {
        Graph graph = Norms(relu, sum);
        using IExecutable net = _backend.Compile(graph, Spec(new Sgd(), 2) with { InputGradient = true });
        foreach (Parameter p in graph.Parameters)
            net.Write(p, Samples.ParameterValues(p, 7 + p.Index));
        net.Freeze(graph["bn1"]);
        float[] input = Samples.Uniform(2 * graph.Input.Shape.Length, 5);
        float[][] before = Values(net);
        float[] trained = new float[2 * graph.Output.Shape.Length], inferred = new float[trained.Length];
        net.Forward(input);
        net.ReadOutput(trained);
        net.Infer(input, inferred);
        Assert.That(trained, Is.EqualTo(inferred).Within(1e-5));
        net.Loss(new int[] { 0, 1 });
        net.Backward();
        net.Step(0.1f);
        foreach (Parameter p in graph["bn1"].Parameters)
            Assert.That(net.Read(p), Is.EqualTo(before[p.Index]), p.Name);

        // The reference, and what holds the reference: differences of the loss.
        using var managed = new ManagedBackend();
        using ManagedPlan<double> exact = managed.Compile<double>(graph, net.Spec!);
        exact.Freeze(graph["bn1"]);
        double Loss(float[] x)
        {
            foreach (Parameter p in graph.Parameters)
                exact.Write(p, before[p.Index]);
            exact.Forward(x);
            return exact.Loss(new int[] { 0, 1 });
        }
        _ = Loss(input);
        exact.Backward();
        float[] gradient = new float[input.Length], got = new float[input.Length];
        exact.ReadInputGradient(gradient);
        net.ReadInputGradient(got);
        Assert.That(got, Is.EqualTo(gradient).Within(1e-5));
        foreach (Parameter p in graph.Parameters.Where(p => p.Trainable && !net.IsFrozen(p)))
        {
            Assert.That(net.ReadGradient(p), Is.EqualTo(exact.ReadGradient(p)).Within(2e-5), p.Name);
        }
        for (int i = 0; i < input.Length; i += 7)
        {
            const float Step = 1f / 4096;
            float[] more = [.. input], less = [.. input];
            (more[i], less[i]) = (input[i] + Step, input[i] - Step);
            double slope = (Loss(more) - Loss(less)) / ((double)more[i] - less[i]);
            Assert.That(gradient[i], Is.EqualTo(slope).Within(2e-4 * (1 + Math.Abs(slope))), $"input {i}");
        }
    }

    [Test]
    public void TheGradientCheckPassesWithFrozenParts(
        [Values("conv1.*|bn1.*", "bn1.*", "conv2.weight|linear1.bias", "conv1.*|convtranspose1.*")] string frozen)
    {
        var optimizer = new Sgd(0.9f) { Groups = [new(frozen.Split('|')) { Frozen = true }] };
        Graph graph = Network(dropout: false);
        var check = new EndToEnd(graph, Spec(optimizer) with { Seed = 3 }, steps: 2, 0.01f);
        LayerReport report = check.Check([_backend]).Single();
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{report}");
        string[] gradients = [.. report.Tensors.Select(t => t.Name)
            .Where(name => name.StartsWith("gradient", StringComparison.Ordinal))];
        Assert.That(gradients, Is.EqualTo(graph.Parameters
                .Where(p => p.Trainable && !frozen.Split('|').Any(pattern => ParameterGroup.Matches(pattern, p.Name)))
                .Select(p => $"gradient of {p.Name}")));
    }

    [Test]
    public void EveryStageOfTheGradientCheckKnowsFrozenParts([Values("conv1.*|bn1.*", "bn1.*", "bn1.weight",
        "conv2.weight|linear1.bias", "conv1.*|convtranspose1.*", "*")] string frozen)
    {
        Graph graph = Network(dropout: false);
        string[] patterns = frozen.Split('|');
        GradientReport report = GradientCheck.Run(graph, [_backend],
            new GradientCheckOptions { Seed = 3, Frozen = patterns });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{report}");
        foreach (Parameter p in graph.Parameters.Where(p => p.Trainable))
        {
            bool stays = patterns.Any(pattern => ParameterGroup.Matches(pattern, p.Name));
            string name = p.Name.EndsWith(".weight", StringComparison.Ordinal) ? "w" : "b";
            string[] compared = [.. report.Layers
                .Where(layer => layer.Layer == p.Node.Name && layer.Mode is CheckModes.Real)
                .SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name)];
            Assert.That(compared.Contains($"d{name}"), Is.EqualTo(!stays), p.Name);
            Assert.That(compared.Contains($"{name} after a step"), Is.EqualTo(stays), p.Name);
        }
        string[] norm = [.. report.Layers.Where(layer => layer.Layer == "bn1" && layer.Mode is CheckModes.Real)
            .SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name)];
        Assert.That(norm, Is.SupersetOf((string[])["y", "dx", "running_mean", "running_var"]));
        Assert.That(() => GradientCheck.Run(graph, [_backend], new GradientCheckOptions { Frozen = ["conv9.*"] }),
            Throws.ArgumentException.With.Message.Contains("there are conv1.weight, conv1.bias"));
    }

    [TestCase("bn1.*", "bn1", "y")]
    [TestCase("conv1.weight", "conv1", "w after a step")]
    [TestCase("linear1.*", "linear1", "b after a step")]
    public void TheGradientCheckFindsABackendThatFreezesNothing(string frozen, string layer, string tensor)
    {
        GradientReport report = GradientCheck.Run(Network(dropout: false), [new Thawing(_backend)],
            new GradientCheckOptions { Seed = 3, Frozen = [frozen] });
        Assert.That(report.Layers.Where(each => each.Verdict == Verdict.Fail && each.Layer == layer)
            .SelectMany(each => each.Tensors).Where(each => each.Failed > 0).Select(each => each.Name),
            Does.Contain(tensor));
    }

    [Test]
    public void FrozenPartsUnderSeveralLosses([Values] bool beforeCompile,
        [Values("conv1.*|bn1.*", "class.*", "conv1.weight|box.bias", "bn1.*|box.*")] string frozen)
    {
        Graph graph = TwoHeads();
        IExecutable Frozen(float ofClass, float ofBox, bool keepGradients = true)
        {
            var optimizer = new AdamW(weightDecay: 0.1f);
            var losses = Losses.Of(("class", new SoftmaxCrossEntropy(), ofClass),
                ("box", new MeanSquaredError(), ofBox));
            var spec = new TrainingSpec(Batch, losses, beforeCompile
                ? optimizer with { Groups = [new(frozen.Split('|')) { Frozen = true }] } : optimizer)
            { KeepGradients = keepGradients };
            IExecutable made = _backend.Compile(graph, spec);
            made.Initialize(new HeNormal(3));
            if (!beforeCompile)
                made.Freeze(frozen.Split('|'));
            return made;
        }
        using IExecutable both = Frozen(1, 0.5f), classes = Frozen(1, 0), box = Frozen(0, 0.5f),
            fused = Frozen(1, 0.5f, keepGradients: false);
        float[][] before = Values(both);
        float[] input = Samples.Uniform(Batch * graph.Input.Shape.Length, 1), corners = Samples.Uniform(Batch * 4, 2);
        var targets = Targets.Of(("class", Labels), ("box", corners));
        foreach (IExecutable net in (IExecutable[])[both, classes, box])
        {
            net.Forward(input);
            net.Loss(targets);
            net.Backward();
        }
        foreach (Parameter p in graph.Parameters.Where(p => p.Trainable))
        {
            if (both.IsFrozen(p))
            {
                Assert.That(() => both.ReadGradient(p), Throws.InvalidOperationException
                    .With.Message.Contains("is frozen"));
                continue;
            }
            float[] sum = both.ReadGradient(p), a = classes.ReadGradient(p),
                b = box.ReadGradient(p);
            Assert.That(sum, Is.EqualTo(a.Zip(b, (x, y) => x + y)).Within(1e-6), p.Name);
        }
        both.Step(0.01f);
        fused.TrainStep(input, targets, 0.01f);
        Assert.That(both.TrainStep(input, targets, 0.01f), Is.EqualTo(fused.TrainStep(input, targets, 0.01f))
            .Within(Tolerance));
        foreach (Parameter p in graph.Parameters)
        {
            bool stays = frozen.Split('|').Any(pattern => ParameterGroup.Matches(pattern, p.Name));
            Assert.That(both.Read(p), stays ? Is.EqualTo(before[p.Index]) : Is.Not.EqualTo(before[p.Index]),
                p.Name);
            Assert.That(fused.Read(p), Is.EqualTo(both.Read(p)).Within(Tolerance), p.Name);
        }
    }

    [Test]
    public void ClippingSeesOnlyWhatTrains([Values] bool beforeCompile)
    {
        Graph graph = Network();
        string[] frozen = ["conv1.*", "bn1.*", "linear1.bias"];
        using IExecutable net = _backend.Compile(graph, Spec(beforeCompile
            ? new Sgd { Groups = [new(frozen) { Frozen = true }] } : new Sgd()));
        net.Initialize(new HeNormal(3));
        if (!beforeCompile)
            net.Freeze(frozen);
        float[][] before = Values(net);
        Differentiate(net, 1);
        Parameter[] trained = [.. graph.Parameters.Where(p => p.Trainable && !net.IsFrozen(p))];
        float[][] gradients = [.. trained.Select(p => net.ReadGradient(p))];
        double norm = Math.Sqrt(gradients.Sum(of => of.Sum(g => (double)g * g)));
        Assert.That(net.ClipGradientNorm((float)(norm / 4)), Is.EqualTo(norm).Within(1e-5 * norm));
        foreach ((Parameter p, float[] gradient) in trained.Zip(gradients))
            Assert.That(net.ReadGradient(p), Is.EqualTo(gradient.Select(g => g / 4)).Within(1e-5 * norm),
                p.Name);
        float most = gradients[0].Max(Math.Abs) / 8;
        net.ClipGradientValue(most);
        foreach (Parameter p in trained)
            Assert.That(net.ReadGradient(p).Max(Math.Abs), Is.LessThanOrEqualTo(most), p.Name);
        net.ScaleGradients(2);
        net.Step(0.1f);
        foreach (Parameter p in graph.Parameters)
            Assert.That(net.Read(p), trained.Contains(p) ? Is.Not.EqualTo(before[p.Index])
                : Is.EqualTo(before[p.Index]), p.Name);
    }

    [Test]
    public void AStateGoesOnWhetherItIsFrozenBeforeOrAfterCompile([Values] bool savedBefore, [Values] bool loadedBefore)
    {
        Graph graph = Network();
        string[] frozen = ["conv1.*", "bn1.*", "linear1.bias"];
        IExecutable Compiled(bool before) => _backend.Compile(graph, Spec(new Adam
        {
            Groups = before ? [new(frozen) { Frozen = true }] : [],
        }));
        using IExecutable net = Compiled(savedBefore), loaded = Compiled(loadedBefore);
        net.Initialize(new HeNormal(3));
        if (!savedBefore)
            net.Freeze(frozen);
        Differentiate(net, 1);
        net.Step(0.01f);
        loaded.LoadState(net.SaveState());
        for (int step = 2; step < 5; step++)
        {
            foreach (IExecutable each in (IExecutable[])[net, loaded])
            {
                if (step == 4)
                    each.Unfreeze("bn1.*");
                Differentiate(each, step);
                each.ClipGradientNorm(0.5f);
                each.Step(0.01f);
            }
        }
        AssertEqual(loaded.SaveState(), net.SaveState(), Tolerance);
    }

    [Test]
    public void WithoutAnythingToTrainNothingMoves([Values] bool inputGradient)
    {
        Graph graph = Network();
        using IExecutable net = _backend.Compile(graph, Spec(new Adam()) with { InputGradient = inputGradient });
        net.Initialize(new HeNormal(3));
        net.Freeze("*");
        float[][] before = Values(net);
        Differentiate(net, 1);
        if (inputGradient)
        {
            var dx = new float[Batch * graph.Input.Shape.Length];
            net.ReadInputGradient(dx);
            Assert.That(dx, Has.Some.Not.Zero);
        }
        Assert.That(net.ClipGradientNorm(1), Is.Zero);
        net.Step(1);
        net.TrainStep(Input(net, 2), Labels, 1);
        Assert.That(Values(net), Is.EqualTo(before));
    }

    [Test]
    public void AnUnfrozenParameterGoesOnFromItsState()
    {
        Graph graph = Network();
        using IExecutable net = _backend.Compile(graph, Spec(new Adam())), free = _backend.Compile(graph, net.Spec!);
        net.Initialize(new HeNormal(3));
        free.Initialize(new HeNormal(3));
        foreach (IExecutable each in (IExecutable[])[net, free])
            Train(each, 1);
        net.Freeze("conv1.*", "bn1.*");
        net.Freeze("conv1.weight");
        net.Unfreeze(graph["conv1"]);
        net.Unfreeze("bn1.*");
        AssertEqual(net.SaveState(), free.SaveState(), Tolerance);
        foreach (IExecutable each in (IExecutable[])[net, free])
            Train(each, 2);
        AssertEqual(net.SaveState(), free.SaveState(), Tolerance);
    }

    [Test]
    public void TheStateSaysWhatIsFrozen([Values] bool fromTheStart)
    {
        Graph graph = Network();
        var optimizer = new Adam();
        using IExecutable net = _backend.Compile(graph, Spec(fromTheStart
            ? optimizer with { Groups = [new("conv1.*") { Frozen = true }] }
            : optimizer));
        net.Initialize(new HeNormal(3));
        for (int step = 0; step < 2; step++)
        {
            Train(net, step);
            net.Freeze("conv1.*", "bn1.*");
        }
        TrainingState state = net.SaveState();
        Assert.That(state.Frozen, Is.EqualTo(new[] { "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias" }));
        Assert.That(state.Tensors.Single(t => t.Name == "conv1.weight/exp_avg").Values,
            fromTheStart ? Is.All.Zero : Has.Some.Not.Zero, "what has been trained has a state");
        string path = Path.GetTempFileName();
        try
        {
            state.Write(path);
            using IExecutable loaded = _backend.Compile(graph, Spec(optimizer));
            loaded.Freeze("linear1.*");
            loaded.LoadState(TrainingState.Read(path));
            AssertEqual(loaded.SaveState(), state, 0);
            Assert.That(loaded.IsFrozen(graph["linear1"].Parameters[0]), Is.False);
            foreach (IExecutable each in (IExecutable[])[net, loaded])
            {
                Train(each, 5);
                each.Unfreeze("*");
                Train(each, 6);
            }
            AssertEqual(loaded.SaveState(), net.SaveState(), Tolerance);
        }
        finally
        {
            File.Delete(path);
        }
        Assert.That(() => net.LoadState(state with { Frozen = ["conv1.wieght"] }), Throws.ArgumentException
            .With.Message.Contains("conv1.wieght").And.Message.Contains("Did you mean"));
    }

    [Test]
    public void WhatCannotBeFrozenIsRefused()
    {
        Graph graph = Network();
        using IExecutable net = _backend.Compile(graph, Spec(new Sgd()));
        net.Initialize(new HeNormal(3));
        Parameter buffer = graph["bn1"].Parameters[2], weight = graph["conv1"].Parameters[0];
        Differentiate(net, 1);
        Assert.Multiple(() =>
        {
            Assert.That(() => net.Freeze("conv9.*"), Throws.ArgumentException.With.Message.Contains("conv9.*"));
            Assert.That(() => net.Freeze("bn1.running_mean"), Throws.ArgumentException);
            Assert.That(() => net.Freeze(buffer), Throws.ArgumentException.With.Message.Contains("buffer"));
            Assert.That(() => net.Freeze(graph["relu1"]), Throws.ArgumentException.With.Message.Contains("relu1"));
            Assert.That(() => net.Freeze(Network()["conv1"]), Throws.ArgumentException);
            Assert.That(() => net.ReadGradient(weight), Throws.Nothing, "nothing has changed");
        });
        net.Freeze(weight);
        Assert.That(() => net.Step(1), Throws.InvalidOperationException, "the gradients are forgotten");
        Assert.That(() => net.Backward(), Throws.InvalidOperationException);
        Differentiate(net, 1);
        Assert.That(() => net.WriteGradient(weight, new float[weight.Length]), Throws.InvalidOperationException
            .With.Message.Contains("Unfreeze"));
        Assert.That(() => net.ReadGradient(graph["conv1"].Parameters[1]), Throws.Nothing);
        using IExecutable inference = _backend.CompileInference(graph, 1);
        Assert.That(() => inference.Freeze(weight), Throws.InvalidOperationException);
    }

    private static Graph TwoHeads()
    {
        var graph = new Graph(new Shape(2, 6, 5));
        Node features = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new MaxPool2d(2, 1), new Flatten());
        graph.SetOutputs(graph.Add("class", new Linear(3), features), graph.Add("box", new Linear(4), features));
        return graph;
    }

    /// <summary>A backend that freezes nothing.</summary>
    private sealed class Thawing(IBackend backend) : IBackend
    {
        public BackendInfo Info => backend.Info;

        public IExecutable Compile(Graph graph, TrainingSpec spec)
            => backend.Compile(graph, spec with { Optimizer = new Sgd() });

        public IExecutable CompileInference(Graph graph, int batchSize) => backend.CompileInference(graph, batchSize);

        public void Dispose()
        {
        }
    }

    private static float[][] Values(IExecutable net) => [.. net.Graph.Parameters.Select(p => net.Read(p))];

    private static Graph Norms(bool relu, bool sum)
    {
        var graph = new Graph(new Shape(17, 4, 3));
        Node conv = graph.Add(new Conv2d(17, 3, padding: 1), graph.Input);
        Node x = graph.Add("bn1", new BatchNorm2d(), conv);
        if (sum)
            x = graph.Add(new Add(), x, graph.Input);
        if (relu)
            x = graph.Add(new Relu(), x);
        x = graph.Add(new Conv2d(3, 3), x);
        graph.Add(new Linear(2), graph.Add(new Flatten(), x));
        return graph;
    }

    private static Graph Network(bool dropout = true) => Sequential.Of(new Shape(2, 6, 5),
        new Conv2d(17, 3, padding: 1), new BatchNorm2d(), new Relu(), new Dropout(dropout ? 0.25f : 0),
        new Conv2d(17, 3, groups: 17), new ConvTranspose2d(4, 3), new Relu(), new Flatten(), new Linear(3));
}
