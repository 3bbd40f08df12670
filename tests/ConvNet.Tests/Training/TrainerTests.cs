using ConvNet.Data;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

public sealed class TrainerTests
{
    private readonly ManagedBackend _backend = new(threads: 1);
    private readonly ArrayDataset _train = TinyData.Normalized(TinyData.TrainCount, 1),
        _test = TinyData.Normalized(TinyData.TestCount, 2);

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [Test]
    public void ATinyNetworkLearnsTinyData()
    {
        using IExecutable network = Compile();
        TrainingResult result = new Trainer(network, new TrainerOptions { Epochs = 4, LearningRate = 0.1f })
            .Train(Shuffled(_train), InOrder(_test));
        Assert.Multiple(() =>
        {
            Assert.That(result.Epochs.Select(epoch => epoch.Epoch), Is.EqualTo((int[])[1, 2, 3, 4]));
            Assert.That(result.Epochs.Select(epoch => epoch.Loss), Is.Ordered.Descending);
            Assert.That(result.Epochs[^1].TestAccuracy, Is.EqualTo(1));
            Assert.That(result.Test?.Correct, Is.EqualTo(TinyData.TestCount));
            Assert.That(result.Epochs.Select(epoch => epoch.Seconds), Has.All.Positive);
            Assert.That(result.Epochs.Select(epoch => epoch.ImagesPerSecond * epoch.Seconds), Has.All.EqualTo(90)
                .Within(1e-6));
        });
    }

    [Test]
    public void TheSameSeedGivesTheSameBits()
    {
        (TrainingResult Result, float[] Weights) first = Run(seed: 3), second = Run(seed: 3), other = Run(seed: 4);
        Assert.That(second.Weights, Is.EqualTo(first.Weights));
        Assert.That(second.Result.Epochs.Select(WithoutTimes), Is.EqualTo(first.Result.Epochs.Select(WithoutTimes)));
        Assert.That(other.Weights, Is.Not.EqualTo(first.Weights));

        (TrainingResult, float[]) Run(ulong seed)
        {
            using IExecutable network = Compile();
            TrainingResult result = new Trainer(network, new TrainerOptions { Epochs = 2 })
                .Train(Shuffled(_train, seed: seed), InOrder(_test));
            return (result, Weights(network));
        }

        static object WithoutTimes(EpochReport epoch)
            => (epoch.Epoch, epoch.Loss, epoch.TrainAccuracy, epoch.TestAccuracy, epoch.Outputs[0]);
    }

    [Test]
    public void AnEpochReportsTheMeanOverAllItsImages()
    {
        using IExecutable network = Compile(batchSize: 8), whole = Compile(batchSize: TinyData.TrainCount);
        EpochReport epoch = new Trainer(network, new TrainerOptions { Epochs = 1, LearningRate = 0 })
            .Train(Shuffled(_train)).Epochs[0];
        whole.Forward(_train.Inputs);
        Assert.That(epoch.Loss, Is.EqualTo(whole.Loss(_train.Labels)).Within(1e-5),
            "a smaller last batch counts by its images");
        Assert.That(epoch.TrainAccuracy, Is.EqualTo(Evaluation.Of(whole, InOrder(_train)).Accuracy));
        Assert.That(epoch.TestAccuracy, Is.Null);
    }

    [Test]
    public void TheScheduleSetsTheRateOfEveryStep()
    {
        using IExecutable network = Compile(batchSize: 45), byHand = Compile(batchSize: 45);
        new Trainer(network, new TrainerOptions
        {
            Epochs = 2,
            LearningRate = 0.1f,
            Schedule = new CosineSchedule(),
        }).Train(Shuffled(_train, 45, seed: 1));
        float[] rates = [0.1f, 0.085355339f, 0.05f, 0.014644661f];
        int step = 0;
        foreach (int epoch in (int[])[1, 2])
        {
            foreach (Batch batch in Shuffled(_train, 45, seed: 1).Epoch(epoch))
                byHand.TrainStep(batch.Inputs, batch.Targets, rates[step++]);
        }
        Assert.That(Weights(network), Is.EqualTo(Weights(byHand)).Within(1e-6f));
        Assert.That(new ConstantSchedule().Rate(0.1f, new SchedulePoint(3, 4, 2)), Is.EqualTo(0.1f));
    }

    [Test]
    public void ProgressIsReportedAfterEveryStep()
    {
        var steps = new List<StepReport>();
        using IExecutable network = Compile(batchSize: 40);
        TrainingResult result = new Trainer(network, new TrainerOptions { Epochs = 2, OnStep = steps.Add })
            .Train(Shuffled(_train, 40));
        Assert.That(steps.Select(s => (s.Epoch, s.Step, s.Steps)),
            Is.EqualTo(((int, long, long)[])[(1, 1, 6), (1, 2, 6), (1, 3, 6), (2, 4, 6), (2, 5, 6), (2, 6, 6)]));
        Assert.That(steps[^1].Loss, Is.EqualTo(result.Epochs[1].Loss));
        Assert.That(steps[^1].Accuracy, Is.EqualTo(result.Epochs[1].TrainAccuracy));
        Assert.That((40 * steps[3].BatchLoss + 40 * steps[4].BatchLoss + 10 * steps[5].BatchLoss) / 90,
            Is.EqualTo(result.Epochs[1].Loss).Within(1e-12));
    }

    [Test]
    public void CancellationEndsBetweenTwoSteps()
    {
        using var cancellation = new CancellationTokenSource();
        using IExecutable network = Compile(), three = Compile();
        int steps = 0;
        var options = new TrainerOptions
        {
            OnStep = step =>
            {
                steps++;
                if (step.Step == 3)
                    cancellation.Cancel();
            },
        };
        Assert.That(() => new Trainer(network, options)
            .Train(Shuffled(_train, seed: 2), InOrder(_test), cancellation: cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(steps, Is.EqualTo(3));
        foreach (Batch batch in Shuffled(_train, seed: 2).Epoch(1).Take(steps))
            three.TrainStep(batch.Inputs, batch.Targets, options.LearningRate);
        Assert.That(Weights(network), Is.EqualTo(Weights(three)));
    }

    [Test]
    public void ANaNInAParameterIsTracedToItsLayerBeforeTheStepIsMade()
    {
        using IExecutable network = Compile();
        Parameter bias = network.Graph["conv1"].Parameters[1];
        network.Write(bias, [0, float.NaN, 0, 0]);
        float[] before = Weights(network);
        NonFiniteLossException error = FailureOf(() => new Trainer(network, new TrainerOptions())
            .Train(Shuffled(_train)));
        Assert.Multiple(() =>
        {
            Assert.That(error.Step, Is.EqualTo(1));
            Assert.That(error.Origin.Place, Is.EqualTo(NonFinitePlace.Parameter));
            Assert.That(error.Origin.Node!.Name, Is.EqualTo("conv1"));
            Assert.That(error.Message, Does.Contain("step 1").And.Contain("conv1.bias")
                .And.Contain("learning rate below 0.05"));
            Assert.That(Weights(network), Is.EqualTo(before));
        });
    }

    [Test]
    public void ANaNThatALayerMakesIsTracedToIt()
    {
        var graph = Sequential.Of(TinyData.Shape, new Conv2d(4, 3), new Relu(), new Flatten(), new RootOfMinusOne(),
            new Linear(3));
        using IExecutable network = _backend.Compile(graph, new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        NonFiniteLossException error = FailureOf(() => new Trainer(network, new TrainerOptions())
            .Train(Shuffled(_train)));
        Assert.That((error.Origin.Place, error.Origin.Node!.Name),
            Is.EqualTo((NonFinitePlace.Output, "rootofminusone1")));
    }

    [Test]
    public void ATrainingThatExplodesStopsAtTheFirstLossThatIsNotFinite()
    {
        using IExecutable network = Compile();
        var steps = new List<StepReport>();
        var options = new TrainerOptions { LearningRate = 1e25f, OnStep = steps.Add };
        NonFiniteLossException error = FailureOf(() => new Trainer(network, options).Train(Shuffled(_train)));
        Assert.That(error.Step, Is.EqualTo(steps.Count + 1).And.GreaterThan(1));
        Assert.That(steps.Select(step => double.IsFinite(step.Loss)), Has.All.True);
        Assert.That(error.Origin.Node, Is.Not.Null);
    }

    [Test]
    public void ANaNInTheImagesIsTracedToThem()
    {
        float[] images = _train.Inputs.ToArray();
        images[^1] = float.NaN;
        using IExecutable network = Compile();
        var damaged = new ArrayDataset(_train.Shape, TinyData.Classes, images, _train.Labels.ToArray());
        NonFiniteLossException error = FailureOf(() => new Trainer(network, new TrainerOptions())
            .Train(Shuffled(damaged)));
        Assert.That(error.Origin.Place, Is.EqualTo(NonFinitePlace.Input));
        Assert.That(error.Message, Does.Contain("Correct the data"));
    }

    [Test]
    public void TheCheckCanBeTurnedOff()
    {
        using IExecutable network = Compile();
        network.Write(network.Graph["conv1"].Parameters[1], [0, float.NaN, 0, 0]);
        float[] before = Weights(network);
        TrainingResult result = new Trainer(network, new TrainerOptions { Epochs = 1, StopAtNonFiniteLoss = false })
            .Train(Shuffled(_train));
        Assert.That(result.Epochs[0].Loss, Is.NaN);
        Assert.That(Weights(network), Is.EqualTo(before), "no step is made against a loss that is not finite");
    }

    [TestCaseSource(typeof(Backends), nameof(Backends.All))]
    public void OneNaNImageLeavesTheRunningStatisticsOfTheBatchBeforeIt(BackendCase backend)
    {
        Graph graph = Sequential.Of(TinyData.Shape, new Conv2d(4, 3), new BatchNorm2d(), new Relu(), new Flatten(),
            new Linear(TinyData.Classes));
        float[] images = _train.Inputs.ToArray();
        images[50] = float.NaN;
        var damaged = new ArrayDataset(_train.Shape, TinyData.Classes, images, _train.Labels.ToArray());
        using IBackend opened = backend.Open();
        using IExecutable network =
            opened.Compile(graph, new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd(0.9f)));
        network.Initialize(new HeNormal(1));
        float[] before = Weights(network);
        var options = new TrainerOptions { Epochs = 1, OnStep = _ => before = Weights(network) };
        NonFiniteLossException error = FailureOf(() => new Trainer(network, options).Train(Shuffled(damaged)));
        Assert.That(error.Origin.Place, Is.EqualTo(NonFinitePlace.Input));
        Assert.That(Weights(network), Is.EqualTo(before));
        Assert.That(before, Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void WeightsThatOverflowInTheLastStepAreFoundBehindIt([Values(1e30f, 3e38f)] float learningRate)
    {
        using IExecutable network = Compile(batchSize: TinyData.TrainCount);
        DataLoader all = Shuffled(_train, TinyData.TrainCount);
        var options = new TrainerOptions { Epochs = 1, LearningRate = learningRate };
        NonFiniteLossException error = FailureOf(() => new Trainer(network, options).Train(all));
        Assert.That(error.Message, Does.Contain("after step 1:").And.Contain("Use a learning rate below"));
        Assert.That(error.Origin.Place,
            Is.EqualTo(learningRate > 1e30f ? NonFinitePlace.Parameter : NonFinitePlace.Output));
        Assert.That(error.Origin.Node, Is.Not.Null);
        Assert.That(() => new Trainer(network, options with { StopAtNonFiniteLoss = false }).Train(all),
            Throws.Nothing);
    }

    [Test]
    public void AsManyEpochsAsThereAreNumbersTakeNoMemory()
    {
        using var cancellation = new CancellationTokenSource();
        using IExecutable network = Compile();
        var options = new TrainerOptions { Epochs = int.MaxValue, OnEpoch = _ => cancellation.Cancel() };
        Assert.That(() => new Trainer(network, options).Train(Shuffled(_train), cancellation: cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void OptionsThatDescribeNothingAreRefused()
    {
        using IExecutable network = Compile();
        float[] before = Weights(network);
        Assert.Multiple(() =>
        {
            Assert.That(() => new Trainer(network, new TrainerOptions { Schedule = null! }), Throws.ArgumentException
                .With.Message.Contains("schedule"));
            Assert.That(() => new Trainer(network, new TrainerOptions { Schedule = new NaNFromStep(0) })
                    .Train(Shuffled(_train)),
                Throws.InvalidOperationException
                    .With.Message.Contains("The learning rate that NaNFromStep returns for step 1"));
            Assert.That(Weights(network), Is.EqualTo(before));
            Assert.That(() => new ArrayDataset(default, 3, [], [0]), Throws.ArgumentException
                .With.Message.Contains("default shape"));
            Assert.That(() => new PixelSet(default, 255, 1, [], [0]), Throws.ArgumentException
                .With.Message.Contains("default shape"));
            Assert.That(() => new MulticlassSvm(float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("margin"));
            Assert.That(() => new Sgd(float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new Sgd(0, float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new Sgd { Groups = [null!] }, Throws.ArgumentException.With.Message.Contains("null"));
            Assert.That(() => new NormalInitializer(-1, 1), Throws.InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("standard deviation"));
            Assert.That(() => new UniformInitializer(double.NaN, 1), Throws.InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("limit"));
            Assert.That(() => new ConstantInitializer(float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("initial value"));
        });
    }

    [Test]
    public void WhatCannotBeTrainedIsRefused()
    {
        using IExecutable network = Compile(), inference = _backend.CompileInference(Graph(), 8);
        using IExecutable regression =
            _backend.Compile(Graph(), new TrainingSpec(8, new MeanSquaredError(), new Sgd()));
        var options = new TrainerOptions();
        var small = new ArrayDataset(new Shape(1, 2, 2), 3, new float[4], [0]);
        var many = new ArrayDataset(TinyData.Shape, 4, new float[36], [0]);
        var values = new ArrayDataset(TinyData.Shape, new float[36], [1f]);
        TrainingProgress At(int epoch, int batch) => TrainingProgress.Start with { Position = new(epoch, batch) };
        Assert.Multiple(() =>
        {
            Assert.That(() => new Trainer(inference, options),
                Throws.ArgumentException.With.Message.Contains("inference only"));
            Assert.That(() => new Trainer(regression, options).Train(InOrder(_train)), Throws.ArgumentException
                .With.Message.Contains("MeanSquaredError takes values, but the data set has one class for each "
                    + "sample"));
            Assert.That(() => new Trainer(network, options with { Epochs = 0 }), Throws.InstanceOf<ArgumentException>()
                .With.Message.Contains("number of epochs is 0"));
            Assert.That(() => new Trainer(network, options with { LearningRate = float.NaN }),
                Throws.InstanceOf<ArgumentException>().With.Message.Contains("learning rate"));
            Assert.That(() => new Trainer(network, options).Train(Shuffled(_train, 9)), Throws.ArgumentException
                .With.Message.Contains("batches of 9").And.Message.Contains("compiled for 8"));
            Assert.That(() => new Trainer(network, options).Train(InOrder(values)),
                Throws.ArgumentException
                    .With.Message.Contains("takes one class for each sample, but the data set has values"));
            Assert.That(() => new Trainer(network, options).Train(Shuffled(_train), from: At(12, 0)),
                Throws.ArgumentException.With.Message.Contains("completed 11 epochs, more than its 10"));
            Assert.That(() => new Trainer(network, options).Train(Shuffled(_train), from: At(1, 12)),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("no batch 12 of epoch 1"));
            Assert.That(() => new Trainer(network, options).Train(Shuffled(small)),
                Throws.ArgumentException.With.Message.Contains("1×6×6").And.Message.Contains("1×2×2"));
            Assert.That(() => new Trainer(network, options).Train(Shuffled(_train), InOrder(many)),
                Throws.ArgumentException.With.Message.Contains("3 outputs, but the data set 4 classes"));
        });
    }

    [Test]
    public void TheConfusionMatrixCountsEveryImage()
    {
        // Scores are the image itself: the guess is the place of its largest value, the first of equals.
        var graph = Sequential.Of(Shape.Vector(3), new Relu());
        using IExecutable network = _backend.CompileInference(graph, 2);
        var data = new ArrayDataset(Shape.Vector(3), 3, [9, 1, 0, 0, 1, 9, 5, 5, 0, 0, 0, 1, 0, 2, 1], [0, 1, 0, 2, 1]);
        var evaluation = Evaluation.Of(network, InOrder(data, 2));
        Assert.Multiple(() =>
        {
            Assert.That((evaluation.Count, evaluation.Correct, evaluation.Accuracy), Is.EqualTo((5, 4L, 0.8)));
            Assert.That((evaluation[0, 0], evaluation[1, 1], evaluation[1, 2], evaluation[2, 2]),
                Is.EqualTo((2L, 1L, 1L, 1L)));
            var classes = (ClassEvaluation)evaluation.Outputs[0];
            Assert.That(classes.PerClass.Select(each => each with { CrossEntropy = 0 }),
                Is.EqualTo((ClassMetrics[])[new(0, 2, 2, 2), new(1, 2, 1, 1), new(2, 1, 2, 1)]));
            Assert.That(classes.PerClass.Select(each => (each.Precision, each.Recall)),
                Is.EqualTo(((double, double)[])[(1, 1), (1, 0.5), (0.5, 1)]));
            Assert.That(classes.PerClass.Select(each => each.IntersectionOverUnion),
                Is.EqualTo((double[])[1, 0.5, 0.5]));
            Assert.That(classes.MacroF1, Is.EqualTo((1 + 2 / 3.0 + 2 / 3.0) / 3).Within(1e-12));
            Assert.That(classes.MeanIntersectionOverUnion, Is.EqualTo(2 / 3.0).Within(1e-12));
            // The wrong one has the second largest score, and (5, 5, 0) names the first of two equal scores.
            Assert.That((classes.TopAccuracy(1), classes.TopAccuracy(2), classes.TopAccuracy(9)),
                Is.EqualTo((0.8, 1.0, 1.0)));
            Assert.That(() => classes.TopAccuracy(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(new ClassMetrics(0, 0, 0, 0) is
            { Precision: 0, Recall: 0, F1: 0, IntersectionOverUnion: 0 });
        });
    }

    private static NonFiniteLossException FailureOf(Action training)
        => Assert.Throws<NonFiniteLossException>(training)!;

    private static DataLoader Shuffled(IDataset data, int batchSize = 8, ulong seed = 0)
        => new(data, batchSize, new DataLoaderOptions { Shuffle = true, Seed = seed });

    private static DataLoader InOrder(IDataset data, int batchSize = 8) => new(data, batchSize);

    private static Graph Graph() => Sequential.Of(TinyData.Shape,
        new Conv2d(4, 3, padding: 1), new Relu(), new MaxPool2d(2), new Flatten(), new Linear(TinyData.Classes));

    private IExecutable Compile(int batchSize = 8)
    {
        IExecutable network =
            _backend.Compile(Graph(), new TrainingSpec(batchSize, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        return network;
    }

    private static float[] Weights(IExecutable network)
    {
        var all = new List<float>();
        foreach (Parameter parameter in network.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            network.Read(parameter, values);
            all.AddRange(values);
        }
        return [.. all];
    }

    private sealed record NaNFromStep(long First) : LearningRateSchedule
    {
        public override double Rate(double initial, in SchedulePoint point)
            => point.Step < First ? initial : double.NaN;
    }

    /// <summary>A layer of one's own that goes wrong: y = √(−1).</summary>
    private sealed record RootOfMinusOne : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f) => f.Y.Fill(T.Sqrt(T.NegativeOne));

        public override void Backward<T>(in Frame<T> f) => f.DX(0).Clear();
    }
}
