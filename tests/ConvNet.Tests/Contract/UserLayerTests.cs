using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>A user's layer: y = s·x² per channel, with a parameter of its own.</summary>
internal sealed record ScaledSquare(double GradientFactor = 1) : Layer
{
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
        => [new("factor", ParameterRole.Scale, [inputs[0].C])];

    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    public override void Forward<T>(in Frame<T> f)
    {
        for (int i = 0; i < f.Y.Length; i++)
            f.Y[i] = f.W(0)[i / f.YShape.Area % f.YShape.C] * f.X(0)[i] * f.X(0)[i];
    }

    public override void Backward<T>(in Frame<T> f)
    {
        f.DW(0).Clear();
        for (int i = 0; i < f.DY.Length; i++)
        {
            int c = i / f.YShape.Area % f.YShape.C;
            f.DW(0)[c] += f.DY[i] * f.X(0)[i] * f.X(0)[i];
            if (f.WantsDX(0))
                f.DX(0)[i] = T.CreateChecked(2 * GradientFactor) * f.W(0)[c] * f.X(0)[i] * f.DY[i];
        }
    }
}

/// <summary>A layer that uses in one of its passes what it may not.</summary>
internal sealed record Forbidden(string Use, bool InBackward) : Layer
{
    public override string Kind => "forbidden";

    public override BackwardReads BackwardReads => BackwardReads.None;

    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => inputs[0];

    public override void Forward<T>(in Frame<T> f)
    {
        f.X(0).CopyTo(f.Y);
        if (!InBackward)
            Touch(f);
    }

    public override void Backward<T>(in Frame<T> f)
    {
        if (InBackward)
            Touch(f);
        if (f.WantsDX(0))
            f.DY.CopyTo(f.DX(0));
    }

    private void Touch<T>(in Frame<T> f) where T : unmanaged, System.Numerics.IFloatingPointIeee754<T> => _ = Use switch
    {
        "x" => f.X(0).Length,
        "y" => f.Y.Length,
        "dx" => f.DX(0).Length,
        "dy" => f.DY.Length,
        _ => f.X(1).Length,
    };
}

/// <summary>A layer that says of itself what it is told to.</summary>
internal sealed record Claiming : Layer
{
    public Func<Shape> Output { get; init; } = () => Shape.Vector(2);

    public ParameterSpec[] Has { get; init; } = [];

    public int Saves { get; init; }

    public override string Kind => "claiming";

    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Output();

    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) => Has;

    public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => Saves;

    public override void Forward<T>(in Frame<T> f) => f.Y.Clear();

    public override void Backward<T>(in Frame<T> f)
    {
    }
}

/// <summary>Layers of the user's own, on the backends that run them, and the check of their gradients.</summary>
public sealed class UserLayerTests
{
    private static readonly IEnumerable<BackendCase> Runs =
        Backends.All.Where(backend => !backend.Name.StartsWith("torchsharp", StringComparison.Ordinal));

    private static readonly (string Of, bool Backward)[] Uses =
        [("x", true), ("y", true), ("dx", false), ("x of another input", true), ("x of another input", false)];

    private static readonly Shape[] Input = [new Shape(17, 3, 5)];

    [TestCaseSource(nameof(Runs))]
    public void RunLikeAnyOther(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        Reports.AssertPasses(GradientCheck.Run(new ScaledSquare(), Input, [opened]));
    }

    [TestCaseSource(nameof(Runs))]
    public void RunBetweenOtherLayers(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(new Shape(3, 6, 5), new Conv2d(18, 3, padding: 1), new ScaledSquare(),
            new Conv2d(4, 3), new ScaledSquare(), new Flatten(), new Linear(3));
        Reports.AssertPasses(GradientCheck.Run(graph, [opened]));
    }

    [Test]
    public void AWrongGradientIsFound()
    {
        GradientReport report = GradientCheck.Run(new ScaledSquare(GradientFactor: 1.001), Input, [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode });
        TensorReport[] tensors = [.. report.Layers.Single().Tensors];
        Assert.That(tensors.Where(t => t.Verdict == Verdict.Fail).Select(t => t.Name), Is.EqualTo(new[] { "dx" }),
            "and no other");
    }

    [Test]
    public void AWrongGradientIsFoundAmongRightOnes()
    {
        Graph graph = Sequential.Of(new Shape(2, 5, 5), new Conv2d(3, 3), new Relu(),
            new ScaledSquare(GradientFactor: 0.5), new Flatten(), new Linear(3));
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(graph, [managed]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(report.Layers.Where(l => l.Verdict == Verdict.Fail).Select(l => l.Layer).Distinct(),
            Is.EqualTo(new[] { "scaledsquare1", "network" }), "the layer, and the network that it is in");
    }

    [Test]
    public void WhatAPassMayNotUseIsNamedWithTheLayer(
        [ValueSource(nameof(Runs))] BackendCase backend, [ValueSource(nameof(Uses))] (string Of, bool Backward) use)
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(Shape.Vector(3), new ScaledSquare(), new Forbidden(use.Of, use.Backward),
            new Linear(2));
        using IExecutable net = opened.Compile(graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()));
        net.Initialize(new HeNormal(1));
        Exception? error = null;
        try
        {
            net.TrainStep(Samples.Uniform(6, 1), (int[])[0, 1], 0.1f);
        }
        catch (Exception thrown)
        {
            error = thrown;
        }
        (Type type, string says) = use switch
        {
            ("x", _) => (typeof(InvalidOperationException),
                "reads x, but BackwardReads is None. Add BackwardReads.Inputs"),
            ("y", _) => (typeof(InvalidOperationException),
                "reads y, but BackwardReads is None. Add BackwardReads.Output"),
            ("dx", _) => (typeof(InvalidOperationException), "the forward pass uses the gradient dx"),
            (_, true) => (typeof(InvalidOperationException), "reads x, but BackwardReads is None"),
            _ => (typeof(ArgumentOutOfRangeException), "there is no input 1"),
        };
        Assert.That(error, Is.TypeOf(type).With.Message.Contains("forbidden1 (Forbidden)").And.Message.Contains(says));
    }

    [TestCaseSource(nameof(Runs))]
    public void AGradientThatNobodyWantsIsNamedWithTheLayer(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(Sequential.Of(Shape.Vector(2), new Greedy()),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        net.Initialize(new HeNormal(1));
        Assert.That(() => net.TrainStep((float[])[1, 2], (float[])[1f, 2f], 0.1f),
            Throws.InvalidOperationException.With.Message.Contains("greedy1 (Greedy)")
                .And.Message.Contains("WantsDX(0)"));
    }

    [Test]
    public void WhatALayerSaysOfItselfIsCheckedWhenItIsAdded()
    {
        Assert.Multiple(() =>
        {
            Refused(new Claiming { Output = () => default }, "Claiming.Infer returns a shape without values");
            Refused(new Claiming { Output = () => new Shape(0, 1, 1) }, "0×1×1");
            Refused(new Claiming { Output = () => new Shape(1 << 16, 1 << 16, 1) }, "65536×65536×1");
            Refused(new Claiming { Has = [new("w", ParameterRole.Weight, [3, 0])] }, "\"w\" of 3×0");
            Refused(new Claiming { Has = [new("w", ParameterRole.Weight, [-3, -1])] }, "\"w\" of -3×-1");
            Refused(new Claiming { Has = [new("w", ParameterRole.Weight, [3], FanIn: 0)] }, "fans 0 and 1");
            Refused(new Claiming { Has = [new("w", (ParameterRole)9, [3])] }, "role 9");
            Refused(new Claiming { Has = [new("w", ParameterRole.Weight, [3]), new("w", ParameterRole.Bias, [3])] },
                "named \"w\"");
            Refused(new Claiming { Has = [new("", ParameterRole.Weight, [3])] }, "named \"\"");
        });
        var thrown = Assert.Throws<OvenException>(() => Sequential.Of(Shape.Vector(2),
            new Claiming { Output = () => throw new OvenException(1) }));
        Assert.That(FailurePlace.PlaceOf(thrown!), Is.EqualTo("claiming1 (Claiming)"));
        using var managed = new ManagedBackend();
        Assert.That(() => managed.CompileInference(Sequential.Of(Shape.Vector(2), new Claiming { Saves = -1 }), 1),
            Throws.ArgumentException.With.Message.Contains("claiming1").And.Message.Contains("SavedLength is -1"));

        static void Refused(Layer layer, string says) => Assert.That(() => Sequential.Of(Shape.Vector(2), layer),
            Throws.ArgumentException.With.Message.StartsWith("claiming1: ").And.Message.Contains(says));
    }

    /// <summary>A layer with a parameter that writes the gradient of its input, wanted or not.</summary>
    private sealed record Greedy : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
            => [new("w", ParameterRole.Bias, [1])];

        public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

        public override void Backward<T>(in Frame<T> f)
        {
            f.DW(0).Clear();
            f.DY.CopyTo(f.DX(0));
        }
    }

    [Test]
    public void TorchNamesTheLayerThatItLacks()
    {
        using IBackend torch = Backends.All.Single(backend => backend.Name == "torchsharp").Open();
        Assert.That(() => torch.Compile(Sequential.Of(Input[0], new ScaledSquare()),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd())),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("scaledsquare"));
    }
}
