using System.Collections.Concurrent;
using ConvNet.Cli.Ranks;
using ConvNet.Data;
using ConvNet.Mpi;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>A trainer on each of several ranks trains as one does.</summary>
public sealed class SharedTrainingTests
{
    private const int Batch = 13;

    [Test]
    public void RanksTrainAsOneProcessAndReadNoSampleTwice([Values] bool clips)
    {
        var options = new TrainerOptions { Epochs = 2, LearningRate = 0.05f, ClipNorm = clips ? 1 : null };
        TrainingResult expected = Train(null, options, new Counted(), default);
        Counted counted = new(), tested = new(TinyData.TestCount, 2);
        TrainingResult[] ranks = RankRun.Of(3, communicator
            => Train(communicator, options, counted, default, tested));
        // Each rank reads the images that it needs once in an epoch, and no other rank reads them.
        Assert.That(counted.Reads.Values.Concat(tested.Reads.Values), Is.All.EqualTo(2));
        Assert.That((counted.Reads.Count, tested.Reads.Count), Is.EqualTo((TinyData.TrainCount, TinyData.TestCount)));
        foreach (TrainingResult rank in ranks)
        {
            Assert.That(rank.Test!.Accuracy, Is.EqualTo(expected.Test!.Accuracy));
            foreach ((EpochReport own, EpochReport other) in rank.Epochs.Zip(expected.Epochs))
            {
                Assert.That(own.Loss, Is.EqualTo(other.Loss).Within(1e-5));
                Assert.That(own.TrainAccuracy, Is.EqualTo(other.TrainAccuracy));
                Assert.That(own.TestLoss, Is.EqualTo(other.TestLoss).Within(1e-5));
            }
        }
    }

    [Test]
    public void ARankThatStopsOrIsCancelledEndsTheTrainingOfAll([Values] bool cancels)
    {
        using var source = new CancellationTokenSource();
        (int Steps, string? Stopped)[] ranks = RankRun.Of(3, communicator =>
        {
            int steps = 0;
            var options = new TrainerOptions
            {
                Epochs = 2,
                Callbacks = [new AtStep(3, trainer =>
                {
                    if (communicator.Rank == 1 && cancels)
                        source.Cancel();
                    else if (communicator.Rank == 1)
                        trainer.Stop("rank 1 says so");
                })],
                OnStep = _ => steps++,
            };
            try
            {
                TrainingResult result = Train(communicator, options, new Counted(),
                    communicator.Rank == 1 ? source.Token : default);
                return (steps, result.Stopped);
            }
            catch (OperationCanceledException)
            {
                return (steps, "cancelled");
            }
        });
        Assert.That(ranks, Is.All.EqualTo((3, cancels ? "cancelled" : "rank 1 says so")));
    }

    [Test]
    public void ALoaderOfAnotherShareIsRefused()
    {
        using var backend = new ManagedBackend();
        using IExecutable net = backend.Compile(Network(), new TrainingSpec(4, new SoftmaxCrossEntropy(), new Sgd()));
        var loader = new DataLoader(TinyData.Normalized(8, 1), 4, new() { Share = new BatchShare(1, 2) });
        Assert.That(() => new Trainer(net, new TrainerOptions()).Train(loader), Throws.ArgumentException
            .With.Message.Contains("rank 1 of 2").And.Message.Contains("that of whole"));
        Assert.That(() => Evaluation.Of(net, loader), Throws.ArgumentException
            .With.Message.Contains("the network evaluates that of whole"));
    }

    [Test]
    public void RanksThatWouldTrainDifferentlyAreNamed()
    {
        static RankFacts Of(string seed, string? error = null) => new([new("--seed", seed), new("the images", "9")],
            error);
        Assert.Multiple(() =>
        {
            Assert.That(RankFacts.Problem([Of("1"), RankFacts.Parse(Of("1").ToText())]), Is.Null);
            Assert.That(RankFacts.Problem([Of("1"), Of("2"), Of("1"), Of("1")]), Is.EqualTo("The ranks would train "
                + "differently: --seed is not the same on all. Ranks 0, 2 and 3: 1. Rank 1: 2. Start all with the same "
                + "program, options and files."));
            Assert.That(RankFacts.Problem([Of("1"), Of("1", "x is missing.")]),
                Is.EqualTo("Not all ranks can train. Rank 0: no error. Rank 1: x is missing."));
            Assert.That(RankFacts.Problem([Of("1", "x is wrong."), Of("1", "x is wrong.")]),
                Is.EqualTo("x is wrong."));
            // The others do not have what one rank does for all.
            RankFacts saves = Of("1", "y has checkpoints.") with { IsForAll = true };
            Assert.That(RankFacts.Problem([RankFacts.Parse(saves.ToText()), Of("1"), Of("1")]),
                Is.EqualTo("y has checkpoints."));
            Assert.That(RankFacts.Problem([saves, Of("1", "x is missing.")]),
                Is.EqualTo("Not all ranks can train. Rank 0: y has checkpoints. Rank 1: x is missing."));
        });
    }

    [Test]
    public void SynchronizingNothingIsRefused()
    {
        using var data = new TinyData();
        CommandLine.Run("train", "--data", data.Folder, "--model", data.Model, "--sync-batchnorm")
            .IsRefusedWith("--sync-batchnorm", "no batch normalisation", "Omit");
    }

    private static TrainingResult Train(ICommunicator? communicator, TrainerOptions options, IDataset data,
        CancellationToken cancellation, IDataset? tested = null)
    {
        IBackend native = new NativeBackend(1);
        using IBackend backend = communicator is null ? native : new DataParallelBackend(native, communicator);
        using IExecutable net = backend.Compile(Network(),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)) { Seed = 1 });
        net.Initialize(new HeNormal(1));
        var loader = new DataLoader(data, Batch, new DataLoaderOptions
        {
            Shuffle = true,
            Seed = 1,
            Transforms = [new RandomHorizontalFlip()],
            Share = (backend as DataParallelBackend)?.Share ?? BatchShare.Whole,
        });
        var test = new DataLoader(tested ?? TinyData.Normalized(TinyData.TestCount, 2), Batch,
            new DataLoaderOptions { Share = loader.Options.Share });
        return new Trainer(net, options).Train(loader, test, cancellation: cancellation);
    }

    private static Graph Network() => Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1), new Relu(),
        new MaxPool2d(2), new Flatten(), new Linear(TinyData.Classes));

    // Counts how often each sample is read.
    private sealed class Counted(int count = TinyData.TrainCount, int seed = 1) : IDataset
    {
        private readonly ArrayDataset _data = TinyData.Normalized(count, seed);

        public ConcurrentDictionary<int, int> Reads { get; } = new();

        public int Count => _data.Count;

        public IReadOnlyList<InputShape> InputShapes => _data.InputShapes;

        public IReadOnlyList<TargetDescription> Targets => _data.Targets;

        public void Read(int index, Sample sample)
        {
            Reads.AddOrUpdate(index, 1, (_, before) => before + 1);
            _data.Read(index, sample);
        }
    }

    private sealed class AtStep(int step, Action<Trainer> act) : TrainingCallback
    {
        public override void OnStep(Trainer trainer, in StepReport report)
        {
            if (report.Step == step)
                act(trainer);
        }
    }
}
