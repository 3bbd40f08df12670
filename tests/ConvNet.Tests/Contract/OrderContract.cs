using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>
/// The order of calls: what would give the gradient of no function is refused, and what disturbs nothing is allowed.
/// </summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class OrderContract(BackendCase backend)
{
    private const int Batch = 4;

    private static readonly float[] First = Samples.Uniform(Batch * 2 * 6 * 5, 1),
        Second = Samples.Uniform(Batch * 2 * 6 * 5, 2);
    private static readonly int[] Labels = [0, 2, 1, 2];

    private IBackend _backend = null!;
    private Graph _graph = null!;
    private IExecutable _net = null!;

    public static IEnumerable<TestCaseData> Changes()
    {
        (string By, string Name, Action<IExecutable> Change)[] changes =
        [
            ("Step", "a step with older gradients", net => net.Step(0.1f)),
            ("Write", "a write of a weight",
                net => net.Write(net.Graph.Parameters[0], Samples.Uniform(net.Graph.Parameters[0].Length, 3))),
            ("Write", "a write of a buffer", net => net.Write(net.Graph["bn1"].Parameters[2], new float[5])),
            ("Write", "Initialize", net => net.Initialize(new HeNormal(2))),
            ("Write", "CopyParametersTo", net => net.CopyParametersTo(net)),
        ];
        return changes.Select(change => new TestCaseData(change.By, change.Change).SetArgDisplayNames(change.Name));
    }

    [SetUp]
    public void Compile()
    {
        _backend = backend.Open();
        _graph = Sequential.Of(new Shape(2, 6, 5), new Conv2d(5, 3), new BatchNorm2d(), new Relu(),
            new GlobalAvgPool2d(), new Linear(3));
        _net = Make();
    }

    [TearDown]
    public void Dispose()
    {
        _net.Dispose();
        _backend.Dispose();
    }

    [TestCaseSource(nameof(Changes))]
    public void AChangeBetweenForwardAndBackwardIsRefused(string by, Action<IExecutable> change)
    {
        Differentiate(_net, First);
        _net.Forward(Second);
        change(_net);
        Refused(() => _net.Backward(new float[Batch * 3]), by, "Call Forward again");
        Assert.That(_net.Loss(Labels), Is.Positive, "the scores are those of the pass");
        Refused(() => _net.Backward(), by, "Call Forward again");
        Refused(() => _net.Backward(new float[Batch * 3], accumulate: true), by, "Call Forward again");
        using IExecutable twin = Make();
        _net.CopyParametersTo(twin);
        Assert.That(Differentiate(_net, Second), Is.EqualTo(Differentiate(twin, Second)).Within(Tolerance),
            "the next pass is whole");
    }

    [TestCaseSource(nameof(Changes))]
    public void AChangeBetweenLossAndBackwardIsRefused(string by, Action<IExecutable> change)
    {
        Differentiate(_net, First);
        _net.Forward(Second);
        _net.Loss(Labels);
        change(_net);
        Refused(() => _net.Backward(), by, "Call Forward again");
    }

    [Test]
    public void WhatReadsIsAllowedAnywhere()
    {
        using IExecutable disturbed = Make();
        Differentiate(_net, First);
        Differentiate(disturbed, First);
        _net.Forward(Second);
        double loss = _net.Loss(Labels);
        _net.Backward();
        disturbed.Forward(Second);
        Read();
        Assert.That(disturbed.Loss((int[])[1, 1, 1, 1]), Is.Positive);
        Read();
        Assert.That(disturbed.Loss(Labels), Is.EqualTo(loss).Within(Tolerance), "a loss evaluated twice");
        Read();
        disturbed.Backward();
        Read();
        Assert.That(Gradients(disturbed), Is.EqualTo(Gradients(_net)).Within(Tolerance));

        void Read()
        {
            disturbed.Infer(First, new float[Batch * 3]);
            foreach (Parameter parameter in disturbed.Graph.Parameters)
                disturbed.Read(parameter);
            Gradients(disturbed);
        }
    }

    [Test]
    public void GradientsOfOtherParametersAreNotAddedTo()
    {
        Differentiate(_net, First);
        _net.Step(0.1f);
        Evaluate(_net, Second);
        Refused(() => _net.Backward(accumulate: true), "Step has updated", "without accumulate");
        _net.Backward();
        Evaluate(_net, First);
        Assert.That(() => _net.Backward(accumulate: true), Throws.Nothing, "of the same parameters");

        Parameter weight = _net.Graph.Parameters[0];
        float[] values = _net.Read(weight);
        _net.Write(weight, values);
        Evaluate(_net, Second);
        Assert.That(() => _net.Backward(accumulate: true), Throws.Nothing, "what was written was there");
        values[0] += 1;
        _net.Write(weight, values);
        Evaluate(_net, Second);
        Refused(() => _net.Backward(accumulate: true), "conv1.weight has been written", "without accumulate");
        _net.TrainStep(First, Labels, 0.1f);
        Evaluate(_net, Second);
        Refused(() => _net.Backward(accumulate: true), "Step has updated", "without accumulate");
    }

    [Test]
    public void ASecondStepMovesByTheSameGradientsOnceMore()
    {
        using IExecutable net = _backend.Compile(Sequential.Of(Shape.Vector(2), new Linear(2)),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        foreach (Parameter parameter in net.Graph.Parameters)
            net.Write(parameter, new float[parameter.Length]);
        net.Forward((float[])[1, 2]);
        net.Backward((float[])[1, -1]);
        net.Step(0.5f);
        net.Step(0.5f);
        Assert.That(net.Read(net.Graph.Parameters[0]), Is.EqualTo(new float[] { -1, -2, 1, 2 }));
    }

    // libtorch promises no equal bits; the numbers themselves are of the size of one.
    private float Tolerance => backend.Deterministic ? 0 : 1e-6f;

    private IExecutable Make()
    {
        IExecutable net = _backend.Compile(_graph, new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()));
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static void Evaluate(IExecutable net, float[] images)
    {
        net.Forward(images);
        net.Loss(Labels);
    }

    private static float[] Differentiate(IExecutable net, float[] images)
    {
        Evaluate(net, images);
        net.Backward();
        return Gradients(net);
    }

    private static float[] Gradients(IExecutable net)
        => [.. net.Graph.Parameters.Where(p => p.Trainable).SelectMany(p => net.ReadGradient(p))];

    private static void Refused(Action call, params string[] says)
    {
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(call)!;
        foreach (string part in says)
            Assert.That(error.Message, Does.Contain(part));
    }
}
