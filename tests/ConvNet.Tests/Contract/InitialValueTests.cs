using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Parameters start at what their layer says, or at what their role says.</summary>
public sealed class InitialValueTests
{
    private static readonly IEnumerable<BackendCase> Deterministic = Backends.Deterministic;

    [TestCaseSource(nameof(Deterministic))]
    public void ALayerSaysHowItsParametersStart(BackendCase backend)
    {
        using IBackend open = backend.Open();
        using IExecutable net = open.Compile(Sequential.Of(Shape.Vector(50), new Saying(), new Linear(3)),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        Parameter[] own = [.. net.Graph.Nodes[1].Parameters];
        Assert.That(net.Read(own[3]), Is.All.EqualTo(-2), "a buffer needs no Initialize");
        net.Initialize(new ConstantInitializer(9));
        Assert.Multiple(() =>
        {
            Assert.That(net.Read(own[0]), Is.All.EqualTo(0.25f));
            Assert.That(net.Read(own[1]), Is.All.InRange(-0.5f, 0.5f));
            Assert.That(net.Read(own[1]), Is.Unique);
            Assert.That(net.Read(own[2]), Is.All.EqualTo(9), "by its role");
            Assert.That(net.Read(own[3]), Is.All.EqualTo(-2));
            Assert.That(net.Read(net.Graph["linear1"].Parameters[0]), Is.All.EqualTo(9));
            Assert.That(net.Read(net.Graph["linear1"].Parameters[1]), Is.All.Zero);
        });
        float[][] drawn = [.. ((int[])[3, 3, 4]).Select(seed =>
        {
            net.Initialize(new HeNormal(seed));
            return net.Read(own[1]);
        })];
        Assert.That(drawn[1], Is.EqualTo(drawn[0]));
        Assert.That(drawn[2], Is.Not.EqualTo(drawn[0]), "of another seed");
    }

    [Test]
    public void RolesSayHowParametersStart()
    {
        Graph graph = Sequential.Of(new Shape(2, 3, 3), new Conv2d(3, 3), new BatchNorm2d());
        Assert.That(graph.Parameters.Select(p => p.Initial), Is.EqualTo(new[]
        {
            InitialValue.ByFans, InitialValue.Zeros, InitialValue.Ones, InitialValue.Zeros, InitialValue.Zeros,
            InitialValue.Ones,
        }));
    }

    [Test]
    public void WhatIsNoInitialValueIsRefused()
    {
        Assert.That(() => InitialValue.Constant(float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("NaN"));
        var graph = new Graph(Shape.Vector(3));
        Assert.That(() => graph.Add(new Saying(RandomBuffer: true), graph.Input), Throws.ArgumentException
            .With.Message.Contains("running").And.Message.Contains("constant"));
    }

    /// <summary>y = x, with parameters that nothing reads.</summary>
    private sealed record Saying(bool RandomBuffer = false) : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override BackwardReads BackwardReads => BackwardReads.None;

        public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
        [
            new("slope", ParameterRole.Weight, [inputs[0].C]) { Initial = InitialValue.Constant(0.25f) },
            new("drawn", ParameterRole.Bias, [inputs[0].C])
            {
                Initial = new DrawnInitialValue(seed => new UniformInitializer(0.5, seed)),
            },
            new("weight", ParameterRole.Weight, [inputs[0].C]),
            new("running", ParameterRole.RunningMean, [inputs[0].C])
            {
                Initial = RandomBuffer ? InitialValue.ByFans : InitialValue.Constant(-2),
            },
        ];

        public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < 3; i++)
            {
                if (f.WantsDW(i))
                    f.DW(i).Clear();
            }
            if (f.WantsDX(0))
                f.DY.CopyTo(f.DX(0));
        }
    }
}
