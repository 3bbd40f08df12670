using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>A layer of one's own that throws where it is told to: y = x.</summary>
internal sealed record Throwing(Throwing.Plan When) : Layer
{
    public override string Kind => "throwing";

    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    public override BackwardReads BackwardReads => BackwardReads.None;

    public override void Forward<T>(in Frame<T> f)
    {
        long step = f.Pass;
        f.For(8, i => When.Check(backward: false, step, i));
        f.X(0).CopyTo(f.Y);
    }

    public override void Backward<T>(in Frame<T> f)
    {
        long step = f.Pass;
        f.For(8, i => When.Check(backward: true, step, i));
        f.DY.CopyTo(f.DX(0));
    }

    /// <summary>When the layer throws.</summary>
    public sealed class Plan
    {
        public bool? Backward { get; set; }

        public long? AtStep { get; set; }

        public void Check(bool backward, long step, int i)
        {
            if (i >= 3 && (Backward == backward || (AtStep == step && !backward)))
                throw new OvenException(i);
        }
    }
}

internal sealed class OvenException(int place) : Exception($"too hot at {place}");

/// <summary>A loss that throws while it is told to.</summary>
internal sealed record ThrowingLoss(Throwing.Plan When) : Loss
{
    public override TargetKind Takes => TargetKind.Classes;

    public override T Evaluate<T>(in LossFrame<T> f)
    {
        When.Check(backward: false, step: -1, i: 3);
        return new SoftmaxCrossEntropy().Evaluate(f);
    }
}

/// <summary>An optimiser that throws at the last parameter while it is told to.</summary>
internal sealed record ThrowingOptimizer(Throwing.Plan When) : WholeParameterOptimizer
{
    private readonly Sgd _sgd = new(0.9f);

    public override IReadOnlyList<string> StateNames => _sgd.StateNames;

    public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        _sgd.Update(context, g, w, state);
        if (parameter.Name == "linear1.bias")
            When.Check(backward: false, step: -1, i: 3);
    }
}

/// <summary>An elementwise optimiser that throws at the fifth call of a step while it is told to.</summary>
internal sealed record ThrowingElementwise(Throwing.Plan When) : ElementwiseOptimizer
{
    private readonly Sgd _sgd = new(0.9f);
    private readonly int[] _calls = new int[2];

    public override IReadOnlyList<string> StateNames => _sgd.StateNames;

    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        _sgd.Update(context, g, w, state);
        _calls[0] = context.Step == _calls[1] ? _calls[0] + 1 : 1;
        _calls[1] = (int)context.Step;
        if (_calls[0] == 5)
            When.Check(backward: false, step: -1, i: 3);
    }
}

/// <summary>An initialiser that throws at one weight.</summary>
internal sealed record ThrowingInitializer : Initializer
{
    protected override void FillWeight(Parameter parameter, Span<float> values)
    {
        if (parameter.Name == "linear1.weight")
            throw new OvenException(0);
        values.Clear();
    }
}

/// <summary>
/// After a pass that throws, or whose loss is not finite, everything is as it was, and the executable goes on.
/// </summary>
public sealed class FailedPassContract
{
    private const int Batch = 4, Pixels = 2 * 6 * 5;
    private const float Rate = 0.1f;

    private static readonly int[] Labels = [0, 2, 1, 2];

    private static readonly IEnumerable<BackendCase> All = Backends.All;
    private static readonly IEnumerable<BackendCase> RunsUserLayers =
        Backends.All.Where(backend => !backend.Name.StartsWith("torchsharp", StringComparison.Ordinal));
    private static readonly IEnumerable<BackendCase> RunsUserOptimizers =
        RunsUserLayers;

    [Test]
    public void ALossThatIsNotFiniteLeavesEverythingAsItWas(
        [ValueSource(nameof(All))] BackendCase backend, [Values(float.NaN, float.PositiveInfinity)] float bad,
            [Values] bool verbs, [Values] bool keepGradients)
    {
        using IBackend opened = backend.Open();
        using IExecutable net = Make(opened, keepGradients), twin = Make(opened, keepGradients);
        net.TrainStep(Images(1), Labels, Rate);
        twin.TrainStep(Images(1), Labels, Rate);
        float[] before = Values(net), images = Images(2);
        images[Pixels + 7] = bad;
        if (verbs)
        {
            net.Forward(images);
            Assert.That(double.IsFinite(net.Loss(Labels)), Is.False);
        }
        else
        {
            var scores = new float[Batch * 3];
            Assert.That(double.IsFinite(net.TrainStep(images, Labels, Rate)), Is.False);
            Assert.That(double.IsFinite(net.TrainStep(images, Labels, Rate, scores)), Is.False);
            Assert.That(scores, Has.Some.NaN);
        }
        Assert.That(Values(net), Is.EqualTo(before));
        // Momentum and masks are not to be read, but the next steps show them.
        for (int step = 3; step < 5; step++)
        {
            net.TrainStep(Images(step), Labels, Rate);
            twin.TrainStep(Images(step), Labels, Rate);
        }
        Assert.That(Values(net), Is.EqualTo(Values(twin)).Within(backend.Deterministic ? 0 : 1e-6f));
    }

    [TestCaseSource(nameof(All))]
    public void AFiniteLossOfTheSamePassMovesTheBuffersAgain(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        var spec = new TrainingSpec(Batch, new MeanSquaredError(), new Sgd());
        using IExecutable net = Make(opened, spec), twin = Make(opened, spec);
        float[] targets = new float[Batch * 3], bad = [float.NaN, .. targets[1..]];
        foreach (IExecutable each in (IExecutable[])[net, twin])
        {
            each.Forward(Images(1));
            if (each == net)
                Assert.That(each.Loss(bad), Is.NaN);
            each.Loss(targets);
            each.Backward();
            each.Step(Rate);
            each.TrainStep(Images(2), targets, Rate);
        }
        Assert.That(Values(net), Is.EqualTo(Values(twin)).Within(backend.Deterministic ? 0 : 1e-6f));
    }

    [Test]
    public void AnExceptionOfALayerLeavesEverythingAsItWas(
        [ValueSource(nameof(RunsUserLayers))] BackendCase backend, [Values] bool backward, [Values] bool verbs,
            [Values] bool keepGradients)
    {
        using IBackend opened = backend.Open();
        var plan = new Throwing.Plan();
        using IExecutable net = Make(opened, keepGradients, new Throwing(plan)),
            twin = Make(opened, keepGradients, new Throwing(new()));
        net.TrainStep(Images(1), Labels, Rate);
        twin.TrainStep(Images(1), Labels, Rate);
        float[] before = Values(net);
        plan.Backward = backward;
        OvenException error = Assert.Throws<OvenException>(() => Run(net, verbs))!;
        Assert.That(error.Message, Is.EqualTo("too hot at 3"), "what one thread meets first");
        Assert.That(FailurePlace.PlaceOf(error), Is.EqualTo("throwing1 (Throwing)"));
        plan.Backward = null;
        Assert.That(Values(net), Is.EqualTo(before));
        Assert.That(() => net.Backward(), Throws.InvalidOperationException.With.Message.Contains("Forward"));
        Run(net, verbs);
        Run(twin, verbs);
        Assert.That(Values(net), Is.EqualTo(Values(twin)));
    }

    [TestCaseSource(nameof(RunsUserLayers))]
    public void ALayerThatThrowsAtOneStepDoesNotThrowForEver(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        using IExecutable net = Make(opened, keepGradients: true, new Throwing(new() { AtStep = 1 }));
        net.TrainStep(Images(1), Labels, Rate);
        Assert.That(() => net.TrainStep(Images(2), Labels, Rate), Throws.TypeOf<OvenException>());
        Assert.That(() => net.TrainStep(Images(2), Labels, Rate), Throws.Nothing);
    }

    [TestCaseSource(nameof(RunsUserLayers))]
    public void GradientsThatAFailureHasLostAreNotAddedTo(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        var plan = new Throwing.Plan();
        using IExecutable net = Make(opened, keepGradients: true, new Throwing(plan));
        Evaluate(net, 1);
        net.Backward();
        Evaluate(net, 2);
        plan.Backward = true;
        Assert.That(() => net.Backward(accumulate: true), Throws.TypeOf<OvenException>());
        plan.Backward = null;
        Assert.That(() => net.Step(Rate), Throws.InvalidOperationException.With.Message.Contains("Backward first"));
        Evaluate(net, 2);
        Assert.That(() => net.Backward(accumulate: true), Throws.InvalidOperationException
            .With.Message.Contains("failed has lost"));
        Assert.That(() => net.Backward(), Throws.Nothing);
        Assert.That(() => net.Step(Rate), Throws.Nothing);
    }

    [Test]
    public void AnExceptionOfALossLeavesEverythingAsItWas([ValueSource(nameof(RunsUserLayers))] BackendCase backend,
        [Values] bool verbs)
    {
        using IBackend opened = backend.Open();
        Throwing.Plan plan = new(), never = new();
        using IExecutable net =
            Make(opened, new TrainingSpec(Batch, new ThrowingLoss(plan), new Sgd(0.9f)), new Relu());
        using IExecutable twin =
            Make(opened, new TrainingSpec(Batch, new ThrowingLoss(never), new Sgd(0.9f)), new Relu());
        float[] before = Values(net);
        plan.Backward = false;
        OvenException error = Assert.Throws<OvenException>(() => net.TrainStep(Images(2), Labels, Rate))!;
        Assert.That(FailurePlace.PlaceOf(error), Is.EqualTo(nameof(ThrowingLoss)));
        plan.Backward = null;
        Assert.That(Values(net), Is.EqualTo(before));
        Run(net, verbs);
        Run(twin, verbs);
        Assert.That(Values(net), Is.EqualTo(Values(twin)));
    }

    [Test]
    public void AnExceptionOfAnOptimiserLeavesEverythingAsItWas(
        [ValueSource(nameof(RunsUserOptimizers))] BackendCase backend, [Values] bool verbs, [Values] bool elementwise)
    {
        using IBackend opened = backend.Open();
        Throwing.Plan plan = new(), never = new();
        TrainingSpec Spec(Throwing.Plan when) => new(Batch, new SoftmaxCrossEntropy(),
            elementwise ? new ThrowingElementwise(when) : new ThrowingOptimizer(when))
        {
            KeepGradients = verbs,
        };
        using IExecutable net = Make(opened, Spec(plan), new Relu()), twin = Make(opened, Spec(never), new Relu());
        net.TrainStep(Images(1), Labels, Rate);
        twin.TrainStep(Images(1), Labels, Rate);
        float[] before = Values(net);
        plan.Backward = false;
        OvenException error = Assert.Throws<OvenException>(() => net.TrainStep(Images(2), Labels, Rate))!;
        Assert.That(FailurePlace.PlaceOf(error), elementwise
            ? Does.Match(@"^\w+\.\w+ \(ThrowingElementwise\)$")
            : Is.EqualTo("linear1.bias (ThrowingOptimizer)"));
        plan.Backward = null;
        Assert.That(Values(net), Is.EqualTo(before));
        Run(net, verbs);
        Run(twin, verbs);
        Assert.That(Values(net), Is.EqualTo(Values(twin)));
    }

    [TestCaseSource(nameof(All))]
    public void AnExceptionOfAnInitialiserComesAsItIs(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(Network([]), Spec(keepGradients: true));
        OvenException error = Assert.Throws<OvenException>(() => net.Initialize(new ThrowingInitializer()))!;
        Assert.That(FailurePlace.PlaceOf(error), Is.EqualTo("linear1.weight (ThrowingInitializer)"));
        Assert.That(() => net.Forward(Images(1)), Throws.InvalidOperationException
            .With.Message.Contains("linear1.weight"));
    }

    [Test]
    public void AnExceptionOfALayerIsTheSameForEveryNumberOfThreads(
        [ValueSource(nameof(RunsUserLayers))] BackendCase backend, [Values(1, 2, 7)] int threads, [Values] bool infer)
    {
        using IBackend opened = backend.Open(threads);
        var plan = new Throwing.Plan();
        using IExecutable net = Make(opened, keepGradients: true, new Throwing(plan));
        plan.Backward = false;
        for (int run = 0; run < 20; run++)
        {
            OvenException error = Assert.Throws<OvenException>(() => Call(net, infer))!;
            Assert.That(error.Message, Is.EqualTo("too hot at 3"));
            Assert.That(FailurePlace.PlaceOf(error), Is.EqualTo("throwing1 (Throwing)"));
        }

        static void Call(IExecutable net, bool infer)
        {
            if (infer)
                net.Infer(Images(1), new float[Batch * 3]);
            else
                net.Forward(Images(1));
        }
    }

    private static void Run(IExecutable net, bool verbs)
    {
        if (!verbs)
        {
            net.TrainStep(Images(2), Labels, Rate);
            return;
        }
        Evaluate(net, 2);
        net.Backward();
        net.Step(Rate);
    }

    private static void Evaluate(IExecutable net, int seed)
    {
        net.Forward(Images(seed));
        net.Loss(Labels);
    }

    private static IExecutable Make(IBackend backend, bool keepGradients, params Layer[] more)
        => Make(backend, Spec(keepGradients), more);

    private static IExecutable Make(IBackend backend, TrainingSpec spec, params Layer[] more)
    {
        IExecutable net = backend.Compile(Network(more), spec);
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static TrainingSpec Spec(bool keepGradients)
        => new(Batch, new SoftmaxCrossEntropy(), new Sgd(0.9f)) { KeepGradients = keepGradients, Seed = 3 };

    // Where something throws there is no dropout: a pass that throws has used up its number, and so its masks.
    private static Graph Network(Layer[] more) => Sequential.Of(new Shape(2, 6, 5),
        [new Conv2d(5, 3, padding: 1), new BatchNorm2d(), new Relu(), .. more.Length == 0 ? [new Dropout(0.25f)]
            : more, new Conv2d(17, 3), new Flatten(), new Linear(3)]);

    private static float[] Images(int seed) => Samples.Uniform(Batch * Pixels, seed);

    private static float[] Values(IExecutable net) => [.. net.Graph.Parameters.SelectMany(p => net.Read(p))];
}
