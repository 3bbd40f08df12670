using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Graphs of several inputs and outputs, with losses of their own, on every backend.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class InputsAndOutputsContract(BackendCase backend)
{
    private const int Batch = 4;

    private static readonly int[] s_labels = [0, 2, 1, 2];
    private static readonly float[] s_image = Samples.Uniform(Batch * 3 * 6 * 6, 1),
        s_position = Samples.Uniform(Batch * 2, 2), s_box = Samples.Uniform(Batch * 4, 3);

    private static readonly IEnumerable<OptimizerCase> Optimizers = OptimizerCases.All;

    private IBackend _backend = null!;

    private bool IsTorch => backend.Name.StartsWith("torchsharp", StringComparison.Ordinal);

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void TheTotalIsTheWeightedSumOfTheLosses()
    {
        using IExecutable net = Compile(Both(2, 0.25f));
        net.Forward(Given());
        double total = net.Loss(Wanted()), classes = net.ReadLoss("class"), box = net.ReadLoss("box");
        Assert.That(total, Is.EqualTo(2 * classes + 0.25 * box).Within(1e-6));
        using IExecutable one = Compile(Losses.Of(("class", new SoftmaxCrossEntropy())));
        one.Forward(Given());
        Assert.That(one.Loss(s_labels), Is.EqualTo(classes), "a loss by itself is the same");
        Assert.That(net.TrainStep(Given(), Wanted(), 0.1f), Is.EqualTo(total));
        Assert.That(net.ReadLoss("box"), Is.EqualTo(box));
    }

    [Test]
    public void GradientsOfWeightedLossesAdd()
    {
        // Powers of two scale without rounding.
        using IExecutable both = Compile(Both(2, 0.25f)), classes = Compile(Both(2, 0)), box = Compile(Both(0, 0.25f));
        foreach (IExecutable net in (IExecutable[])[both, classes, box])
        {
            net.Forward(Given());
            net.Loss(Wanted());
            net.Backward();
        }
        foreach (Parameter parameter in both.Graph.Parameters.Where(p => p.Trainable))
            AssertSums(Gradient(both, parameter), Gradient(classes, parameter), Gradient(box, parameter),
                parameter.Name);
        foreach ((string input, int length) in (ReadOnlySpan<(string, int)>)[("image", s_image.Length),
            ("position", s_position.Length)])
            AssertSums(InputGradient(both, input, length), InputGradient(classes, input, length),
                InputGradient(box, input, length), input);
    }

    [Test]
    public void AGivenGradientIsThatOfTheNamedOutputs()
    {
        using IExecutable net = Compile(Both(1, 1));
        float[] ofClasses = Samples.Uniform(Batch * 3, 7), ofBox = Samples.Uniform(Batch * 4, 8);
        net.Forward(Given());
        net.Backward(BatchValues.Of(("box", ofBox), ("class", ofClasses)));
        Dictionary<string, float[]> both = Gradients(net);
        net.Forward(Given());
        net.Backward(BatchValues.Of(("class", ofClasses)));
        Assert.That(Gradients(net)["box.weight"], Is.All.Zero, "nothing comes from the box");
        net.Forward(Given());
        net.Backward(BatchValues.Of(("box", ofBox)), accumulate: true);
        foreach ((string name, float[] sum) in Gradients(net))
            Assert.That(sum, Is.EqualTo(both[name]).Within(1e-5), name);
    }

    [TestCaseSource(nameof(Optimizers))]
    public void WhatNoLossDependsOnIsReadAndStays(object @case)
    {
        // Neither the decay of weights nor a momentum that was there before moves it.
        Optimizer optimizer = ((OptimizerCase)@case).Optimizer with { Groups = [new("*") { WeightDecay = 0.1f }] };
        Graph graph = Describe();
        var both = new TrainingSpec(Batch, Both(1, 1), optimizer);
        using IExecutable trained = _backend.Compile(graph, both);
        Initialize(trained);
        trained.TrainStep(Given(), Wanted(), 0.1f);
        TrainingState state = trained.SaveState();
        foreach (bool keepGradients in (bool[])[true, false])
        {
            using IExecutable net = _backend.Compile(graph, both with
            {
                Losses = Losses.Of(("class", new SoftmaxCrossEntropy())),
                KeepGradients = keepGradients,
            });
            net.LoadState(state);
            float[] classes = new float[Batch * 3], box = new float[Batch * 4], read = new float[Batch * 4];
            for (int step = 0; step < 2; step++)
                net.TrainStep(Given(), s_labels, 0.1f, BatchBuffers.Of(("box", box), ("class", classes)));
            net.Forward(Given());
            net.ReadOutput(BatchBuffers.Of(("box", read)));
            net.Loss(s_labels);
            net.Backward();
            net.Step(0.1f);
            Assert.That(box, Has.Some.Not.Zero);
            Assert.That(read, Is.Not.EqualTo(box), "what lies before both outputs is trained");
            Dictionary<string, float[]> after = net.SaveState().Tensors.ToDictionary(t => t.Name, t => t.Values);
            // A rule may leave some of its state unused, as Muon does for matrices.
            foreach (NamedTensor before in state.Tensors.Where(t => t.Values.Any(v => v != 0)))
                Assert.That(after[before.Name], before.Name.StartsWith("box.", StringComparison.Ordinal)
                    ? Is.EqualTo(before.Values) : Is.Not.EqualTo(before.Values), before.Name);
            Assert.That(state.Tensors.Where(t => t.Name.StartsWith("box.weight", StringComparison.Ordinal))
                .Select(t => t.Values), Has.Some.Some.Not.Zero);
        }
    }

    [Test]
    public void WhatNoLossDependsOnHasNoGradient([Values] bool trainStep, [Values] bool accumulate)
    {
        Graph graph = Describe();
        using IExecutable net = _backend.Compile(graph, new TrainingSpec(Batch,
            Losses.Of(("class", new SoftmaxCrossEntropy())), new Sgd())
        { GradientBucketBytes = 1 });
        Initialize(net);
        var reported = new List<string>();
        var inside = new List<bool>();
        net.GradientReady = bucket =>
        {
            reported.AddRange(bucket.Parameters.Select(p => p.Name));
            // Torch reports from within autograd.
            inside.Add(Environment.StackTrace.Contains("torch.autograd.", StringComparison.Ordinal));
        };
        string[] reached = [.. graph.Nodes.Reverse().SelectMany(node => node.Parameters).Select(p => p.Name)
            .Where(name => !name.StartsWith("box.", StringComparison.Ordinal))];
        for (int pass = 0; pass < 3; pass++)
        {
            reported.Clear();
            inside.Clear();
            if (trainStep && pass == 2)
            {
                net.TrainStep(Given(), s_labels, 0.1f);
            }
            else
            {
                net.Forward(Given());
                net.Loss(s_labels);
                net.Backward(accumulate && pass > 0);
            }
            Assert.That(reported, Is.EqualTo(reached));
            Assert.That(inside[0], Is.EqualTo(IsTorch));
            Assert.That(net.ReadGradient(Weights(graph, "class")), Has.Some.Not.Zero);
            Parameter box = Weights(graph, "box");
            Refuses<InvalidOperationException>(() => net.ReadGradient(box, new float[box.Length]),
                "box.weight has no gradient", "no loss depends on it");
            Refuses<InvalidOperationException>(() => net.WriteGradient(box, new float[box.Length]), "no loss");
            Assert.That(net.IsFrozen(box), Is.False);
        }
        double squares = graph.Parameters.Where(p => p.Node.Name != "box").Sum(p => net.ReadGradient(p)
            .Sum(g => (double)g * g));
        Assert.That(net.ClipGradientNorm(1e6f), Is.EqualTo(Math.Sqrt(squares)).Within(1e-6 * (1 + squares)));
    }

    [Test]
    public void WhatNoLossDependsOnIsNotFrozen()
    {
        // Its statistics go on as in torch's training mode, until it is frozen.
        var graph = new Graph(new Shape(2, 3, 3));
        Node conv = graph.Add(new Conv2d(4, 3, padding: 1), graph.Input);
        Node norm = graph.Add("norm", new BatchNorm2d(), conv);
        graph.SetOutputs(graph.Append(conv, new Flatten(), new Linear(3)), norm);
        using IExecutable net = _backend.Compile(graph, new TrainingSpec(Batch,
            Losses.Of(("linear1", new SoftmaxCrossEntropy())), new Sgd(0.9f, 0.1f)));
        Initialize(net);
        float[] input = Samples.Uniform(Batch * 18, 1), mean = net.Read(norm.Parameters[2]),
            scale = net.Read(norm.Parameters[0]);
        net.TrainStep(input, s_labels, 0.1f);
        float[] moved = net.Read(norm.Parameters[2]);
        Assert.That(moved, Is.Not.EqualTo(mean));
        net.Freeze(norm);
        net.TrainStep(input, s_labels, 0.1f);
        Assert.That(net.Read(norm.Parameters[2]), Is.EqualTo(moved));
        net.Unfreeze(norm);
        net.TrainStep(input, s_labels, 0.1f);
        Assert.That(net.Read(norm.Parameters[2]), Is.Not.EqualTo(moved));
        Assert.That(net.Read(norm.Parameters[0]), Is.EqualTo(scale));
    }

    [Test]
    public void AnInputThatNoLossDependsOnHasAGradientOfZero()
    {
        var graph = new Graph();
        Node left = graph.Add("left", new Linear(3), graph.AddInput("a", Shape.Vector(2)));
        graph.SetOutputs(left, graph.Add("right", new Linear(3), graph.AddInput("b", Shape.Vector(2))));
        using IExecutable net = _backend.Compile(graph,
            new TrainingSpec(2, Losses.Of(("left", new MeanSquaredError())), new Sgd()) { InputGradient = true });
        Initialize(net);
        float[] values = Samples.Uniform(4, 1), a = new float[4], b = [1, 1, 1, 1];
        net.TrainStep(BatchValues.Of(("a", values), ("b", values)), Samples.Uniform(6, 2), 0.1f);
        net.ReadInputGradient(BatchBuffers.Of(("b", b), ("a", a)));
        Assert.That(a, Has.Some.Not.Zero);
        Assert.That(b, Is.All.Zero);
    }

    [Test]
    public void ASmallerBatchAndAnyOrderOfNames()
    {
        using IExecutable net = Compile(Both(1, 1));
        float[] all = new float[Batch * 3], first = new float[3];
        net.Infer(Given(), BatchBuffers.Of(("class", all)));
        net.Infer(BatchValues.Of(("position", s_position.AsMemory(0, 2)), ("image", s_image.AsMemory(0, 3 * 6 * 6))),
            BatchBuffers.Of(("class", first)));
        Assert.That(first, Is.EqualTo(all[..3]).Within(1e-6));
    }

    [Test]
    public void OneOutputTakesItsNameAsWell()
    {
        Graph graph = Sequential.Of(Shape.Vector(2), new Linear(3));
        using IExecutable net = _backend.Compile(graph,
            new TrainingSpec(1, Losses.Of(("linear1", new MeanSquaredError())), new Sgd()));
        Initialize(net);
        float[] x = [1, 2], y = [1, 0, 1], plain = new float[3], named = new float[3];
        net.Infer(x, plain);
        net.Infer(BatchValues.Of(("input", x)), BatchBuffers.Of(("linear1", named)));
        Assert.That(named, Is.EqualTo(plain));
        double loss = net.TrainStep(BatchValues.Of(("input", x)), Targets.Of(("linear1", y)), 0);
        Assert.That(loss, Is.EqualTo(net.TrainStep(x, y, 0)));
        Assert.That(net.ReadLoss("linear1"), Is.EqualTo(loss));
    }

    [Test]
    public void SampleWeightsOfOneOutput()
    {
        using IExecutable net = Compile(Both(1, 1));
        net.Forward(Given());
        net.Loss(Wanted());
        double plain = net.ReadLoss("class"), box = net.ReadLoss("box");
        net.Loss(Targets.Of(("class", s_labels), new OutputTargets("box", s_box, (float[])[1, 0, 0, 0])));
        Assert.That(net.ReadLoss("class"), Is.EqualTo(plain));
        Assert.That(net.ReadLoss("box"), Is.Not.EqualTo(box));
        double own = net.ReadLoss("box");
        net.Loss(Wanted().Weighted([1, 0, 0, 0]));
        Assert.That(net.ReadLoss("box"), Is.EqualTo(own));
        Assert.That(net.ReadLoss("class"), Is.Not.EqualTo(plain), "weights of the call are for every output");
    }

    [Test]
    public void InputsThatDoNotFitAreRefused()
    {
        using IExecutable net = Compile(Both(1, 1));
        Refuses<ArgumentException>(() => net.Forward(s_image), "more than one input",
            "BatchValues.Of((\"image\", …), (\"position");
        Refuses<ArgumentException>(() => net.Forward(BatchValues.Of(("image", s_image))), "\"position\" is missing");
        Refused("\"position\" has 3", ("image", s_image), ("position", s_position.AsMemory(0, 6)));
        Refused("\"image\" has 4 samples", ("image", s_image), ("position", s_position.AsMemory(0, 6)));
        Refused("Did you mean \"position\"", ("image", s_image), ("postion", s_position));
        Refused("twice", ("image", s_image), ("image", s_image));
        Refused("3 values of \"position\"", ("image", s_image), ("position", s_position.AsMemory(0, 3)));
        Refused("5 samples of \"position\"", ("image", s_image), ("position", new float[10]));
        Refused("without values", ("image", s_image), ("position", default));
        void Refused(string words, params (string Name, ReadOnlyMemory<float> Values)[] given)
        {
            Refuses<ArgumentException>(() => net.Forward(BatchValues.Of(given)), words);
            Refuses<ArgumentException>(() => net.Infer(BatchValues.Of(given), BatchBuffers.Of(("box", new float[16]))),
                words);
            Refuses<ArgumentException>(() => net.TrainStep(BatchValues.Of(given), Wanted(), 0.1f), words);
        }
        Assert.That(() => net.TrainStep(Given(), Wanted(), 0.1f), Is.GreaterThan(0), "nothing was spoilt");
    }

    [Test]
    public void OutputsThatDoNotFitAreRefused()
    {
        using IExecutable net = Compile(Both(1, 1));
        float[] scores = new float[Batch * 3];
        Refuses<ArgumentException>(() => net.Infer(Given(), scores), "more than one output",
            "BatchBuffers.Of((\"class\"");
        Refuses<ArgumentException>(() => net.Infer(Given(), BatchBuffers.Of(("clas", scores))),
            "no output \"clas\"", "Did you mean \"class\"");
        Refuses<ArgumentException>(() => net.Infer(Given(), BatchBuffers.Of(("box", scores))),
            "12 values", "of \"box\"", "4×1×1", "16");
        Refuses<ArgumentException>(() => net.Infer(Given(), BatchBuffers.Of()), "No output is named");
        Refuses<InvalidOperationException>(() => net.ReadLoss("class"), "Loss or TrainStep");
        net.Forward(Given());
        Refuses<ArgumentException>(() => net.Backward(BatchValues.Of(("class", s_box))), "16 values", "of \"class\"");
        Refuses<ArgumentException>(() => net.Backward(s_box), "more than one output with a loss");
    }

    [Test]
    public void TargetsThatDoNotFitAreRefused()
    {
        using IExecutable net = Compile(Both(1, 1));
        net.Forward(Given());
        Refuses<ArgumentException>(() => net.Loss(s_labels), "2 outputs have a loss", "Targets.Of((\"class\", …)");
        Refuses<ArgumentException>(() => net.Loss(Targets.Of(("class", s_labels))), "\"box\" is missing");
        Refuses<ArgumentException>(() => net.Loss(Targets.Of(("class", s_labels), ("box", s_labels))),
            "box: MeanSquaredError takes", "not class labels");
        Refuses<ArgumentException>(() => net.Loss(Targets.Of(("class", (int[])[0, 1, 3, 0]), ("box", s_box))),
            "class: Label 3 of sample 2");
        Refuses<ArgumentException>(() => net.Loss(Targets.Of(("class", s_labels), ("bx", s_box))),
            "\"bx\"", "Did you mean \"box\"");
        using IExecutable one = Compile(Losses.Of(("class", new SoftmaxCrossEntropy())));
        one.Forward(Given());
        Refuses<ArgumentException>(() => one.Backward(BatchValues.Of(("box", s_box))), "no output with a loss \"box\"");
        Refuses<ArgumentException>(() => one.ReadLoss("box"), "no output with a loss \"box\"", "class");
    }

    [Test]
    public void LossesThatDoNotFitAreRefusedAndLeaveTheGraphOpen()
    {
        Graph graph = Describe();
        Refuses<ArgumentException>(() => Compile(graph, new SoftmaxCrossEntropy()), "2 outputs",
            "Losses.Of((\"class\", …), (\"box\", …))");
        Refuses<ArgumentException>(() => Compile(graph, Losses.Of(("bx", new MeanSquaredError()))),
            "no output \"bx\"", "Did you mean \"box\"");
        Refuses<ArgumentException>(() => Compile(graph, Losses.Of(("box", new MeanSquaredError()),
            ("box", new MeanSquaredError()))), "\"box\" has two losses");
        Refuses<ArgumentException>(() => Compile(graph, Losses.Of(("box", new MeanSquaredError(), float.NaN))),
            "is NaN", "\"box\"");
        Refuses<ArgumentException>(() => Compile(graph, Losses.Of()), "no loss");
        Node maps = graph.Add("maps", new Conv2d(3, 1), graph["features"]);
        graph.SetOutputs(graph["class"], graph["box"], maps);
        Refuses<ArgumentException>(() => Compile(graph, Losses.Of(("maps", new SoftmaxCrossEntropy()))),
            "\"maps\" has 3 maps of 4×4");
        Compile(graph, Losses.Of(("maps", new SoftmaxCrossEntropy(PerPixel: true)))).Dispose();
        Refuses<InvalidOperationException>(() => graph.SetOutput(maps), "compiled");
        Refuses<InvalidOperationException>(() => graph.AddInput("late", Shape.Vector(1)), "compiled", "late");
    }

    [Test]
    public void AStateGoesOnWithSeveralOutputs()
    {
        using IExecutable whole = Compile(Both(1, 0.5f)), first = Compile(Both(1, 0.5f)),
            second = _backend.Compile(first.Graph, first.Spec!);
        for (int step = 0; step < 4; step++)
            whole.TrainStep(Given(), Wanted(), 0.1f);
        for (int step = 0; step < 2; step++)
            first.TrainStep(Given(), Wanted(), 0.1f);
        second.LoadState(first.SaveState());
        for (int step = 0; step < 2; step++)
            second.TrainStep(Given(), Wanted(), 0.1f);
        foreach ((Parameter a, Parameter b) in whole.Graph.Parameters.Zip(second.Graph.Parameters))
            Assert.That(second.Read(b), backend.Deterministic ? Is.EqualTo(whole.Read(a))
                : Is.EqualTo(whole.Read(a)).Within(1e-5), a.Name);
    }

    private static BatchValues Given() => BatchValues.Of(("image", s_image), ("position", s_position));

    private static Targets Wanted() => Targets.Of(("class", s_labels), ("box", s_box));

    private static Losses Both(float classes, float box)
        => Losses.Of(("class", new SoftmaxCrossEntropy(), classes), ("box", new MeanSquaredError(), box));

    private static Graph Describe()
    {
        var graph = new Graph();
        Node image = graph.AddInput("image", new Shape(3, 6, 6));
        Node position = graph.AddInput("position", Shape.Vector(2));
        Node features = graph.Add("features", new Relu(), graph.Add(new Conv2d(17, 3), image));
        Node both = graph.Add(new Concat(), graph.Add(new GlobalAvgPool2d(), features), position);
        graph.SetOutputs(graph.Add("class", new Linear(3), both), graph.Add("box", new Linear(4), both));
        return graph;
    }

    private IExecutable Compile(Losses losses)
    {
        IExecutable net = Compile(Describe(), losses);
        Initialize(net);
        return net;
    }

    private IExecutable Compile(Graph graph, Losses losses)
        => _backend.Compile(graph, new TrainingSpec(Batch, losses, new Sgd(momentum: 0.5f)) { InputGradient = true });

    private static void Initialize(IExecutable net)
    {
        foreach (Parameter parameter in net.Graph.Parameters)
            net.Write(parameter, Samples.ParameterValues(parameter, 5));
    }

    private static Parameter Weights(Graph graph, string node) => graph[node].Parameters[0];

    private static Dictionary<string, float[]> Gradients(IExecutable net)
        => net.Graph.Parameters.Where(p => p.Trainable).ToDictionary(p => p.Name, p => net.ReadGradient(p));

    private static float[] Gradient(IExecutable net, Parameter of)
        => net.ReadGradient(net.Graph.Parameters.Single(p => p.Name == of.Name));

    private static float[] InputGradient(IExecutable net, string input, int length)
    {
        var values = new float[length];
        net.ReadInputGradient(BatchBuffers.Of((input, values)));
        return values;
    }

    private static void AssertSums(float[] sum, float[] a, float[] b, string what)
    {
        Assert.That(sum, Has.Some.Not.Zero, what);
        for (int i = 0; i < sum.Length; i++)
            Assert.That(sum[i], Is.EqualTo(a[i] + b[i]).Within(1e-6), $"{what}[{i}]");
    }

    private static void Refuses<T>(Action act, params string[] words) where T : Exception
    {
        string message = Assert.Throws<T>(() => act())!.Message;
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }
}
