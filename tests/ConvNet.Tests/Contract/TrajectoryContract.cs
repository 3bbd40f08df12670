using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Running statistics, schedules and frozen parameters over several steps, on every backend.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class TrajectoryContract(BackendCase backend)
{
    private IBackend _backend = null!;

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void ADyadicMomentumIsExactOnIntegers()
    {
        GradientReport report = GradientCheck.Run(new Sgd(0.5f, 0.25f, nesterov: true), [_backend]);
        LayerReport[] given = [.. report.Layers.Where(layer => layer.Remark.StartsWith("integers",
            StringComparison.Ordinal))];
        Assert.That(given, Has.Length.EqualTo(6));
        Assert.That(given.SelectMany(layer => layer.Tensors).Select(tensor => tensor.WorstInBounds), Is.All.Zero);
    }

    [TestCase(0.1f, 1e-5f)]
    [TestCase(0.5f, 1e-5f)]
    [TestCase(0.25f, 0.5f)]
    [TestCase(1f, 1e-3f)]
    public void RunningStatisticsMoveByTheirMomentum(float momentum, float epsilon)
        => Reports.AssertPasses(GradientCheck.Run(new BatchNorm2d(momentum, epsilon), [new Shape(5, 4, 2)],
            [_backend], Reports.Options(CheckModes.Trajectories, 4)));

    [Test]
    public void AGraphIsCheckedWithItsFrozenParameters()
    {
        Graph graph = Sequential.Of(new Shape(3, 6, 5), new Conv2d(4, 3), new BatchNorm2d(0.5f), new Relu(),
            new Flatten(), new Linear(3));
        GradientReport report = GradientCheck.Run(graph, [_backend],
            Reports.Options(CheckModes.Trajectories, 2) with { Frozen = ["conv1.*"] });
        Reports.AssertPasses(report);
        Assert.That(report.Layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name),
            Does.Contain("conv1.weight").And.Contain("linear1.bias/momentum_buffer"));
    }

    // w ← w − α(w + b − t)·2, in whole multiples of a power of two, which float32 and double represent alike.
    [Test]
    public void TheTrainerMakesEveryStepAtTheRateOfTheSchedule()
    {
        const int Steps = 4;
        using IExecutable net = _backend.Compile(Sequential.Of(Shape.Vector(1), new Linear(1)),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        foreach (Parameter p in net.Graph.Parameters)
            net.Write(p, [p.Index + 1]);
        new Trainer(net, new TrainerOptions { Epochs = Steps, LearningRate = 1, Schedule = new Halved() })
            .Train(new DataLoader(new ArrayDataset(Shape.Vector(1), [1f], [8f]), 1));
        double w = 1, b = 2;
        for (int step = 0; step < Steps; step++)
        {
            double change = Math.ScaleB(1, -step - 2) * 2 * (w + b - 8);
            (w, b) = (w - change, b - change);
        }
        Assert.That(net.Graph.Parameters.Select(p => net.Read(p)[0]), Is.EqualTo((double[])[w, b]));
    }

    private sealed record Halved : LearningRateSchedule
    {
        public override double Rate(double initial, in SchedulePoint point)
            => Math.ScaleB(initial, -(int)point.Step - 2);
    }
}
