using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>Checkpoints that a program saves while it trains.</summary>
public sealed class CheckpointFolderTests
{
    private const int Batch = 8, BatchCount = 12;

    private static readonly TrainerOptions s_options = new() { Epochs = 3, LearningRate = 0.02f };

    private readonly ManagedBackend _backend = new(threads: 1);
    private readonly ArrayDataset _train = TinyData.Normalized(TinyData.TrainCount, 1),
        _test = TinyData.Normalized(TinyData.TestCount, 2);

    private TemporaryFolder _folder = null!;

    private string Runs => _folder.File("runs");

    private DataLoader Loader => new(_train, Batch, new DataLoaderOptions { Shuffle = true, Seed = 4 });

    private DataLoader Tests => new(_test, Batch);

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [Test]
    public void TheLastCheckpointsAndTheBestAreKept()
    {
        var saved = new List<string>();
        var options = new CheckpointOptions { Every = CheckpointInterval.Steps(5), Keep = 2 };
        (IExecutable network, _) = Train(options, saved);
        using (network)
        {
            Assert.That(Names(), Is.EqualTo((string[])["epoch-0003-batch-000011.safetensors",
                "epoch-0004-batch-000000.safetensors"]), "the end is saved too");
            // 36 steps, and the end; the best epochs besides.
            Assert.That(saved.Count(file => !file.EndsWith("best.safetensors", StringComparison.Ordinal)),
                Is.EqualTo(8));
            TrainingProgress last = CheckpointFolder.FindNewest(Runs)!.Model.Training!.Progress;
            double[] accuracies = [.. last.Epochs.Select(epoch => epoch.TestAccuracy!.Value)];
            var best = SavedModel.Load(Path.Combine(Runs, "best.safetensors"));
            Assert.That(best.Training!.Progress.Epochs, Has.Count.EqualTo(1 + Array.IndexOf(accuracies,
                accuracies.Max())));
            Assert.That(last.Epochs, Has.All.Matches<EpochResult>(epoch => epoch is
            { Completed: true, TrainAccuracy: > 0, Loss: > 0 }), "the history is complete");
            Assert.That(Directory.GetFiles(Runs), Has.Length.EqualTo(4), "and the file of the lock");
        }
    }

    [TestCase(17)]
    [TestCase(24, Description = "between the last step of an epoch and its test")]
    public void WhatIsLostIsComputedAgainBitForBit(int step)
    {
        (IExecutable whole, List<EpochReport> expected) = Train(new CheckpointOptions());
        using (whole)
        {
            Directory.Delete(Runs, recursive: true);
            // Without OnInterrupted, as a killed program has none.
            Assert.That(() => Train(new CheckpointOptions { Every = CheckpointInterval.Steps(1), Keep = 1 },
                failAt: step), Throws.TypeOf<TimeoutException>());
            FoundCheckpoint found = CheckpointFolder.FindNewest(Runs)!;
            SavedTraining training = found.Model.Training!;
            using IExecutable network = _backend.Compile(found.Model.Graph, training.Spec);
            found.Model.LoadStateInto(network);
            var reports = new List<EpochReport>();
            using var folder = CheckpointFolder.Open(Runs);
            TrainingResult result = new Trainer(network, training.Options with
            {
                OnEpoch = reports.Add,
                Callbacks = [new CheckpointCallback(folder, training)],
            }).Train(Loader, Tests, training.Progress);
            Assert.That(reports.Select(epoch => (epoch.Epoch, epoch.Loss, epoch.TrainAccuracy, epoch.TestAccuracy)),
                Is.EqualTo(expected.Skip(1).Select(epoch => (epoch.Epoch, epoch.Loss, epoch.TrainAccuracy,
                    epoch.TestAccuracy))), "every epoch is reported once, with its test");
            Assert.That(result.Epochs, Is.EqualTo(reports));
            foreach ((NamedTensor own, NamedTensor other) in network.SaveState().Tensors
                .Zip(whole.SaveState().Tensors))
                Assert.That(own.Values, Is.EqualTo(other.Values), own.Name);
        }
    }

    [Test]
    public void ADamagedCheckpointIsNamedAndTheOneBeforeIsTaken()
    {
        Train(new CheckpointOptions { Every = CheckpointInterval.Steps(5) }).Network.Dispose();
        string[] files = [.. Names().Select(name => Path.Combine(Runs, name))];
        byte[] last = File.ReadAllBytes(files[2]), middle = File.ReadAllBytes(files[1]);
        last[^7] ^= 1;
        File.WriteAllBytes(files[2], last);
        FoundCheckpoint found = CheckpointFolder.FindNewest(Runs)!;
        Assert.That(found.File, Is.EqualTo(files[1]));
        Assert.That(found.Damaged.Single(), Does.StartWith(files[2]).And.Contain("does not match its checksum"));
        File.WriteAllBytes(files[1], middle[..^100]);
        found = CheckpointFolder.FindNewest(Runs)!;
        Assert.That(found.File, Is.EqualTo(files[0]));
        Assert.That(found.Damaged, Has.Count.EqualTo(2));
        Assert.That(CheckpointFolder.FindBefore(files[2])!.File, Is.EqualTo(files[0]));
        Assert.That(CheckpointFolder.FindBefore(files[0]), Is.Null);
        File.WriteAllBytes(files[0], []);
        Assert.That(() => CheckpointFolder.FindNewest(Runs), Throws.TypeOf<InvalidDataException>()
            .With.Message.StartsWith(Runs).And.Message.Contains(files[0]).And.Message.Contains(files[2]));
        Assert.That(CheckpointFolder.FindNewest(_folder.File("none")), Is.Null);
    }

    [Test]
    public void AFolderBelongsToOneTraining()
    {
        using (var folder = CheckpointFolder.Open(Runs))
        {
            Assert.That(() => CheckpointFolder.Open(Runs), Throws.TypeOf<IOException>().With.Message.Contains(Runs)
                .And.Message.Contains("another program"));
        }
        Train(new CheckpointOptions()).Network.Dispose();
        Assert.That(() => Train(new CheckpointOptions()), Throws.TypeOf<IOException>()
            .With.Message.Contains("contains checkpoints of another training"));
        Assert.That(() => CheckpointFolder.Open(_folder.File("runs/lock")), Throws.TypeOf<IOException>()
            .With.Message.Contains("is a file"));
    }

    [Test]
    public void AFailureIsReportedAndTheTrainingGoesOn()
    {
        var failures = new List<Exception>();
        var options = new CheckpointOptions { Every = CheckpointInterval.Steps(6), OnFailure = failures.Add };
        string blocked = Path.Combine(Runs, "epoch-0001-batch-000006.safetensors");
        Directory.CreateDirectory(blocked);
        Train(options).Network.Dispose();
        Assert.That(failures.Single().Message, Does.StartWith(blocked));
        Assert.That(Names(), Has.Length.EqualTo(3));
        Directory.Delete(Runs, recursive: true);
        Directory.CreateDirectory(blocked);
        Assert.That(() => Train(options with { OnFailure = null }), Throws.TypeOf<IOException>());
    }

    [Test]
    public void ACheckpointMovesBetweenBackends()
    {
        Assert.That(() => Train(new CheckpointOptions { Every = CheckpointInterval.Steps(1), Keep = 1 }, failAt: 17),
            Throws.TypeOf<TimeoutException>());
        FoundCheckpoint found = CheckpointFolder.FindNewest(Runs)!;
        SavedTraining training = found.Model.Training!;
        using IBackend native = new NativeBackend();
        float[][] weights = [.. ((IBackend[])[_backend, native]).Select(backend =>
        {
            using IExecutable network = backend.Compile(found.Model.Graph, training.Spec);
            found.Model.LoadStateInto(network);
            new Trainer(network, training.Options).Train(Loader, Tests, training.Progress);
            return network.SaveState().Tensors[0].Values;
        })];
        Assert.That(weights[1], Is.EqualTo(weights[0]).Within(1e-4f));
    }

    [TestCase("500steps", "500steps")]
    [TestCase("1step", "1steps")]
    [TestCase("30s", "30s")]
    [TestCase("10min", "600s")]
    [TestCase("0.5h", "1800s")]
    [TestCase("epoch", "epoch")]
    [TestCase("5epochs", "5epochs")]
    public void AnIntervalIsRead(string text, string canonical)
    {
        var interval = CheckpointInterval.Parse(text);
        Assert.That($"{interval}", Is.EqualTo(canonical));
        Assert.That(CheckpointInterval.Parse(canonical), Is.EqualTo(interval));
    }

    [TestCase("")]
    [TestCase("0steps")]
    [TestCase("1.5steps")]
    [TestCase("-1min")]
    [TestCase("10")]
    [TestCase("10 fortnights")]
    [TestCase("1.2.3s")]
    [TestCase("99999999999999999999h")]
    public void WhatIsNoIntervalIsRefused(string text) => Assert.That(() => CheckpointInterval.Parse(text),
        Throws.TypeOf<FormatException>().With.Message.Contains("500steps").And.Message.Contains("10min"));

    private string[] Names() => [.. Directory.GetFiles(Runs, "epoch-*.safetensors")
        .Select(file => Path.GetFileName(file)!).Order()];

    // Trains with checkpoints; failAt ends it after a step as abruptly as a kill.
    private (IExecutable Network, List<EpochReport> Epochs) Train(CheckpointOptions options, List<string>? saved = null,
        int? failAt = null)
    {
        var spec = new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Adam());
        IExecutable network = _backend.Compile(Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1),
            new BatchNorm2d(), new Relu(), new Dropout(0.25f), new Flatten(), new Linear(TinyData.Classes)), spec);
        network.Initialize(new HeNormal(5));
        using var folder = CheckpointFolder.Open(Runs);
        var training = new SavedTraining(spec, s_options, Loader.Options, _train.Count, TrainingProgress.Start);
        var epochs = new List<EpochReport>();
        var trainer = new Trainer(network, s_options with
        {
            OnEpoch = epochs.Add,
            Callbacks = [new CheckpointCallback(folder, training, options: options)
            { OnSaved = saved is null ? null : saved.Add }, new FailAt(failAt)],
        });
        Assert.That(Loader.BatchCount, Is.EqualTo(BatchCount));
        try
        {
            trainer.Train(Loader, Tests);
        }
        catch
        {
            network.Dispose();
            throw;
        }
        return (network, epochs);
    }

    private sealed class FailAt(int? step) : TrainingCallback
    {
        public override void OnStep(Trainer trainer, in StepReport report)
        {
            if (report.Step == step)
                throw new TimeoutException("as abruptly as a kill");
        }
    }
}
