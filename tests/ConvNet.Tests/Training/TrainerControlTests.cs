using ConvNet.Data;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>What changes the gradients of a step, and what ends a training early.</summary>
public sealed class TrainerControlTests
{
    private const int Batch = 8;

    private readonly ManagedBackend _backend = new(threads: 1);
    private readonly ArrayDataset _train = TinyData.Normalized(TinyData.TrainCount, 1),
        _test = TinyData.Normalized(TinyData.TestCount, 2);

    private DataLoader Loader => new(_train, Batch, new DataLoaderOptions { Shuffle = true, Seed = 4 });

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [TestCase(1, 0.05f, null)]
    [TestCase(1, null, 0.002f)]
    [TestCase(5, null, null)]
    [TestCase(5, 0.05f, 0.002f)]
    public void AStepIsMadeWithTheMeanGradientOfItsBatchesAndClipped(int batches, float? norm, float? value)
    {
        using IExecutable network = Compile(), byHand = Compile(), plain = Compile();
        var options = new TrainerOptions
        {
            Epochs = 2,
            LearningRate = 0.02f,
            AccumulateBatches = batches,
            ClipNorm = norm,
            ClipValue = value,
        };
        new Trainer(network, options).Train(Loader);
        foreach (int epoch in (int[])[1, 2])
        {
            // Twelve batches: the last step of an epoch has two of five.
            foreach (Batch[] group in Loader.Epoch(epoch).Chunk(batches))
            {
                for (int i = 0; i < group.Length; i++)
                {
                    byHand.Forward(group[i].Inputs);
                    byHand.Loss(group[i].Targets);
                    byHand.Backward(accumulate: i > 0);
                }
                byHand.ScaleGradients(1f / group.Length);
                if (norm is { } most)
                    byHand.ClipGradientNorm(most);
                if (value is { } limit)
                    byHand.ClipGradientValue(limit);
                byHand.Step(options.LearningRate);
            }
        }
        new Trainer(plain, options with { AccumulateBatches = 1, ClipNorm = null, ClipValue = null }).Train(Loader);
        Assert.That(Weights(network), Is.EqualTo(Weights(byHand)));
        Assert.That(Weights(network), Is.Not.EqualTo(Weights(plain)));
        Assert.That(network.SaveState().Step, Is.EqualTo(2 * ((12 + batches - 1) / batches)));
    }

    [Test]
    public void AStepOfSeveralBatchesIsNotInterrupted()
    {
        using IExecutable whole = Compile(), network = Compile();
        var options = new TrainerOptions { Epochs = 2, LearningRate = 0.02f, AccumulateBatches = 5 };
        new Trainer(whole, options).Train(Loader);
        using var stop = new CancellationTokenSource();
        var seen = new List<int>();
        var trainer = new Trainer(network, options with
        {
            OnStep = step =>
            {
                seen.Add((int)step.Step);
                if (step.Step == 17)
                    stop.Cancel();
            },
        });
        Assert.That(() => trainer.Train(Loader, cancellation: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(seen, Is.EqualTo((int[])[5, 10, 12, 17]), "one report for each step, counted in batches");
        Assert.That(trainer.Progress.Position, Is.EqualTo(new LoaderPosition(2, 5)));
        new Trainer(network, options).Train(Loader, from: trainer.Progress);
        Assert.That(Weights(network), Is.EqualTo(Weights(whole)));
    }

    [Test]
    public void ATrainingStopsWhenItNoLongerImprovesAndResumedStopsAtOnce()
    {
        using IExecutable network = Compile();
        var options = new TrainerOptions
        {
            Epochs = 50,
            LearningRate = 0,
            Callbacks = [new EarlyStopping(patience: 3)],
        };
        var trainer = new Trainer(network, options);
        TrainingResult result = trainer.Train(Loader, new DataLoader(_test, Batch));
        Assert.That(result.Epochs, Has.Count.EqualTo(4), "the first epoch is the best");
        Assert.That(result.Stopped, Is.EqualTo("the accuracy has not risen for 3 epochs"));
        TrainingResult again = new Trainer(network, options).Train(Loader, new DataLoader(_test, Batch),
            trainer.Progress);
        Assert.That(again.Epochs, Is.Empty);
        Assert.That(again.Stopped, Is.EqualTo(result.Stopped));
        Assert.That(again.Test!.Accuracy, Is.EqualTo(result.Test!.Accuracy));
    }

    [Test]
    public void AnImprovementMustBeLargeEnough()
    {
        EpochResult[] losses = [.. new[] { 1, 0.9, 0.85, 0.84, 0.5, 0.49 }.Select(loss => new EpochResult(loss, null))];
        int Since(double minDelta, int epochs) => new EarlyStopping(1, minDelta, EpochMetric.Loss)
            .EpochsWithoutImprovement(losses[..epochs]);
        Assert.That(Enumerable.Range(0, 7).Select(epochs => Since(0.08, epochs)),
            Is.EqualTo((int[])[0, 0, 0, 1, 2, 0, 1]));
        Assert.That(Enumerable.Range(0, 7).Select(epochs => Since(0, epochs)), Has.All.Zero);
        Assert.That(() => new EarlyStopping(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new EarlyStopping(1, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new EarlyStopping(1).EpochsWithoutImprovement(losses),
            Throws.InvalidOperationException.With.Message.Contains("test accuracy"));
    }

    [Test]
    public void AResultThatTheTestWillNotHaveIsMissedBeforeTheFirstStep()
    {
        var values = new DataLoader(new ArrayDataset(new Shape(1, 1, 1), [1, 2, 3, 4], [2, 4, 6, 8]), 4);
        using IExecutable network = Compile(), regression = _backend.Compile(
            Sequential.Of(new Shape(1, 1, 1), new Linear(1)), new TrainingSpec(4, new MeanSquaredError(), new Sgd()));
        regression.Initialize(new HeNormal(1));
        var stopping = new EarlyStopping(patience: 3);
        Assert.Multiple(() =>
        {
            Missed(network, Loader, null, new() { Callbacks = [stopping] },
                "EarlyStopping follows the test accuracy, but there are no test samples");
            Missed(network, Loader, null, new() { Schedule = new PlateauSchedule(EpochMetric.TestLoss) },
                "PlateauSchedule follows the test loss, but there are no test samples");
            Missed(regression, values, values, new() { Callbacks = [stopping] }, "compared with values, not classes");
            Missed(regression, values, values, new() { Schedule = new PlateauSchedule(EpochMetric.TestAccuracy) },
                "Follow the test loss (EpochMetric.TestLoss)");
        });
        var options = new TrainerOptions
        {
            Epochs = 2,
            LearningRate = 0.001f,
            Callbacks = [new EarlyStopping(patience: 3, metric: EpochMetric.TestLoss)],
        };
        Assert.That(new Trainer(regression, options).Train(values, values).Epochs, Has.Count.EqualTo(2));

        static void Missed(IExecutable network, DataLoader train, DataLoader? test, TrainerOptions options, string why)
        {
            Assert.That(() => new Trainer(network, options).Train(train, test),
                Throws.ArgumentException.With.Message.Contains(why));
            Assert.That(network.SaveState().Step, Is.Zero);
        }
    }

    // An epoch has 12 batches: 3 steps of 4, or 3 of which the last has 2 of 5.
    [TestCase(1, 2, ExpectedResult = 12)]
    [TestCase(4, 1, ExpectedResult = 6)]
    [TestCase(4, 2, ExpectedResult = 3)]
    [TestCase(5, 2, ExpectedResult = 3)]
    [TestCase(5, 4, ExpectedResult = 1)]
    public long AveragesCountTheStepsOfAccumulatedBatches(int batches, int every)
    {
        using IExecutable network = Compile();
        var trainer = new Trainer(network, new TrainerOptions
        {
            Epochs = 2,
            LearningRate = 0.02f,
            AccumulateBatches = batches,
            Averaging = new ExponentialAveraging(0.9, every),
        });
        trainer.Train(Loader);
        return trainer.Averages!.Count;
    }

    [Test]
    public void ATrainerWithAveragesTrainsOnce()
    {
        using IExecutable network = Compile();
        var trainer = new Trainer(network, new TrainerOptions { Epochs = 1, Averaging = new ExponentialAveraging() });
        trainer.Train(Loader);
        Assert.That(() => trainer.Train(Loader), Throws.ArgumentException.With.Message.Contains("12 times. Use a new "
            + "Trainer, or pass the Progress"));
        Assert.That(trainer.Train(Loader, from: trainer.Progress).Epochs, Is.Empty);
        using IExecutable other = Compile();
        Assert.That(() => trainer.Averages!.Values(other.Graph.Parameters[0]).Length,
            Throws.ArgumentException.With.Message.Contains("belongs to another graph"));
    }

    [Test]
    public void ATimeLimitEndsTheTrainingAfterAStep()
    {
        using IExecutable network = Compile();
        var trainer = new Trainer(network, new TrainerOptions
        {
            Epochs = int.MaxValue,
            Callbacks = [new TimeLimit(TimeSpan.FromMilliseconds(50))],
        });
        TrainingResult result = trainer.Train(Loader, new DataLoader(_test, Batch));
        Assert.That(result.Stopped, Does.Contain("time limit"));
        Assert.That(result.Test, Is.Not.Null);
        Assert.That(network.SaveState().Step, Is.Positive.And.EqualTo((trainer.Progress.Position.Epoch - 1) * 12
            + trainer.Progress.Position.Batch));
        Assert.That(() => new TimeLimit(TimeSpan.Zero), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void WhatCannotBeIsRefused()
    {
        using IExecutable fused = Compile(keepGradients: false), network = Compile();
        var options = new TrainerOptions();
        Assert.Multiple(() =>
        {
            Assert.That(() => new Trainer(fused, options with { ClipNorm = 1 }),
                Throws.ArgumentException.With.Message.Contains("KeepGradients: true"));
            Assert.That(() => new Trainer(network, options with { ClipNorm = 0 }),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("clipped by norm to 0"));
            Assert.That(() => new Trainer(network, options with { ClipValue = float.NaN }),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("clipped by value to NaN"));
            Assert.That(() => new Trainer(network, options with { AccumulateBatches = 0 }),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("batches of a step is 0"));
            Assert.That(() => new Trainer(network, options with { Callbacks = [null!] }),
                Throws.ArgumentException.With.Message.Contains("callback is null"));
        });
    }

    [Test]
    public void ValidationSamplesAreHeldBackFromEveryClass()
    {
        (IDataset train, IDataset held) = ValidationSplit.Of(_train, new DataSplit(0.2, 3));
        (IDataset again, _) = ValidationSplit.Of(_train, new DataSplit(0.2, 3));
        (IDataset other, _) = ValidationSplit.Of(_train, new DataSplit(0.2, 4));
        Assert.That((train.Count, held.Count), Is.EqualTo((72, 18)));
        Assert.That(Classes(held).GroupBy(label => label).Select(group => group.Count()), Has.All.EqualTo(6));
        Assert.That(Inputs(again), Is.EqualTo(Inputs(train)));
        Assert.That(Inputs(other), Is.Not.EqualTo(Inputs(train)));
        Assert.That(() => ValidationSplit.Of(_train, new DataSplit(0.001, 3)),
            Throws.ArgumentException.With.Message.Contains("0 to validate with"));

        static IEnumerable<int?> Classes(IDataset data) => Enumerable.Range(0, data.Count).Select(data.ClassOf);
        static float[] Inputs(IDataset data) => new DataLoader(data, data.Count).Epoch(1).Single().Input.ToArray();
    }

    private IExecutable Compile(bool keepGradients = true)
    {
        IExecutable network = _backend.Compile(Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1), new Relu(),
            new MaxPool2d(2), new Flatten(), new Linear(TinyData.Classes)),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()) { KeepGradients = keepGradients });
        network.Initialize(new HeNormal(5));
        return network;
    }

    private static float[] Weights(IExecutable network)
        => [.. network.SaveState().Tensors.SelectMany(tensor => tensor.Values)];
}
