using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>The learning-rate range test.</summary>
public sealed class LearningRateTestTests
{
    private const int Batch = 8;

    private readonly ManagedBackend _backend = new(threads: 1);
    private readonly ArrayDataset _train = TinyData.Normalized(TinyData.TrainCount, 1);

    private DataLoader Loader => new(_train, Batch, new DataLoaderOptions { Shuffle = true, Seed = 4 });

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [Test]
    public void TheRateRisesGeometricallyAndTheStateStays()
    {
        using IExecutable network = Compile();
        TrainingState before = network.SaveState();
        var test = LearningRateTest.Run(network, Loader, 1e-5f, 1e-1f, steps: 41);
        TrainingState after = network.SaveState();
        Assert.Multiple(() =>
        {
            Assert.That(test.Points, Has.Count.EqualTo(41));
            Assert.That(test.Points.Select((point, i) => point.LearningRate / (1e-5 * Math.Pow(10, i / 10.0))),
                Has.All.EqualTo(1).Within(1e-5));
            Assert.That(test.Points[0].Smoothed, Is.EqualTo(test.Points[0].Loss).Within(1e-12), "without bias");
            Assert.That(test.Points[1].Smoothed, Is.EqualTo((0.9 * test.Points[0].Loss + test.Points[1].Loss) / 1.9)
                .Within(1e-12));
            Assert.That(test.Suggestion, Is.InRange(1e-4f, 1e-1f));
            Assert.That((after.Step, after.Pass), Is.EqualTo((before.Step, before.Pass)));
            foreach ((NamedTensor own, NamedTensor other) in after.Tensors.Zip(before.Tensors))
                Assert.That(own.Values, Is.EqualTo(other.Values), own.Name);
        });
    }

    [Test]
    public void ItEndsWhenTheLossExplodes()
    {
        using IExecutable network = Compile();
        var test = LearningRateTest.Run(network, Loader, 1e-3f, 1e6f, steps: 100);
        Assert.That(test.Points, Has.Count.InRange(5, 99));
        Assert.That(test.Points.Select(point => point.Loss), Has.All.Matches<double>(double.IsFinite));
    }

    [Test]
    public void WhatCannotBeIsRefused()
    {
        using IExecutable network = Compile();
        Assert.Multiple(() =>
        {
            foreach ((float lowest, float highest) in ((float, float)[])[(0, 1), (1, 1), (1, float.PositiveInfinity)])
                Assert.That(() => LearningRateTest.Run(network, Loader, lowest, highest),
                    Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => LearningRateTest.Run(network, Loader, steps: 19),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
        });
    }

    private IExecutable Compile()
    {
        IExecutable network = _backend.Compile(Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1),
            new BatchNorm2d(), new Relu(), new Dropout(0.25f), new Flatten(), new Linear(TinyData.Classes)),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Adam()) { KeepGradients = false });
        network.Initialize(new HeNormal(5));
        return network;
    }
}
