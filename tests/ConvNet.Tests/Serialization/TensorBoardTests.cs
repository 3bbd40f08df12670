using System.Buffers.Binary;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.TensorBoard;
using ConvNet.TensorBoard.Schema;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>The event files of a training.</summary>
public sealed class TensorBoardTests
{
    private const int Batch = 8, BatchCount = 12;

    private TemporaryFolder _folder = null!;

    private string Events => _folder.File("events");

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    // The examples of RFC 3720, appendix B.4, masked: rotated right by 15 bits, plus 0xa282ead8.
    [TestCase(0x8a9136aau, 0, 0)]
    [TestCase(0x62a8ab43u, 255, 0)]
    [TestCase(0x46dd794eu, 0, 1)]
    public void TheChecksumIsCrc32C(uint crc, int first, int step)
    {
        byte[] data = [.. Enumerable.Range(0, 32).Select(i => (byte)(first + step * i))];
        Assert.That(EventFile.MaskedChecksum(data), Is.EqualTo((crc >> 15 | crc << 17) + 0xa282ead8));
    }

    [Test]
    public void EveryStepAndEveryEpochIsAnEvent()
    {
        var steps = new List<StepReport>();
        TrainingResult result = Train(epochs: 2, new TrainingLogOptions { NormsEvery = 10 }, null, steps.Add).Result;
        Event[] events = Read(Directory.GetFiles(Events).Single());
        Assert.Multiple(() =>
        {
            Assert.That(events[0].FileVersion, Is.EqualTo("brain.Event:2"));
            Assert.That((events[1].SessionLog.Status, events[1].Step),
                Is.EqualTo((SessionLog.Types.SessionStatus.Start, 1L)));
            Assert.That(Values(events, "train/loss"),
                Is.EqualTo(steps.Select(step => (step.Step, (float)step.BatchLoss))));
            Assert.That(Values(events, "train/learning_rate"),
                Is.EqualTo(steps.Select(step => (step.Step, step.LearningRate))));
            Assert.That(Values(events, "epoch/test_accuracy"),
                Is.EqualTo(result.Epochs.Select(epoch => ((long)epoch.Epoch, (float)epoch.TestAccuracy!))));
            Assert.That(Values(events, "epoch/test_loss").Select(value => value.Value), Has.All.Positive);
            Assert.That(Values(events, "weight_norm/conv1.weight").Select(value => value.Step),
                Is.EqualTo((long[])[10, 20]));
            Assert.That(Values(events, "gradient_norm/conv1.weight").Select(value => value.Value),
                Has.Exactly(2).Items.And.All.Positive);
            Assert.That(events.Select(each => each.WallTime), Is.Ordered.And.All.GreaterThan(1.7e9));
        });
    }

    [Test]
    public void AResumedTrainingBeginsAFileThatSupersedesLaterSteps()
    {
        (_, TrainingProgress progress) = Train(epochs: 1, new TrainingLogOptions(), null);
        Assert.That(() => new TensorBoardLog(Events), Throws.InstanceOf<IOException>()
            .With.Message.Contains("another folder"));
        string first = Directory.GetFiles(Events).Single();
        Train(epochs: 2, new TrainingLogOptions { Continues = true }, progress);
        Event[] second = Read(Directory.GetFiles(Events).Single(path => path != first));
        Assert.That((second[1].SessionLog.Status, second[1].Step),
            Is.EqualTo((SessionLog.Types.SessionStatus.Start, BatchCount + 1L)));
        Assert.That(Values(second, "train/loss").Select(value => value.Step),
            Is.EqualTo(Enumerable.Range(BatchCount + 1, BatchCount)));
    }

    [Test]
    public void WhatCannotBeWrittenIsReportedBeforeOrDoesNotEndTheTraining()
    {
        File.WriteAllText(_folder.File("file"), "");
        Assert.That(() => new TensorBoardLog(_folder.File("file")), Throws.InstanceOf<IOException>()
            .With.Message.Contains("Name a folder"));
        var errors = new List<Exception>();
        var log = new TensorBoardLog(Events, new TrainingLogOptions { OnFailure = errors.Add });
        Directory.Delete(Events, recursive: true);
        Assert.That(Train(epochs: 1, log, null).Result.Epochs, Has.Count.EqualTo(1));
        Assert.That(errors, Has.Count.EqualTo(1));
        Assert.That(errors[0].Message, Does.Contain("the events end here"));
    }

    private (TrainingResult Result, TrainingProgress Progress) Train(int epochs, TrainingLogOptions options,
        TrainingProgress? from, Action<StepReport>? onStep = null)
        => Train(epochs, new TensorBoardLog(Events, options), from, onStep);

    private static (TrainingResult Result, TrainingProgress Progress) Train(int epochs, TensorBoardLog log,
        TrainingProgress? from, Action<StepReport>? onStep = null)
    {
        using var backend = new ManagedBackend(threads: 1);
        using IExecutable net = backend.Compile(Sequential.Of(TinyData.Shape, new Conv2d(4, 3), new Relu(),
            new Flatten(), new Linear(TinyData.Classes)),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()));
        net.Initialize(new HeNormal(1));
        var trainer = new Trainer(net, new TrainerOptions
        {
            Epochs = epochs,
            LearningRate = 0.01f,
            Callbacks = [log],
            OnStep = onStep,
        });
        TrainingResult result = trainer.Train(new DataLoader(TinyData.Normalized(TinyData.TrainCount, 1), Batch),
            new DataLoader(TinyData.Normalized(TinyData.TestCount, 2), Batch), from);
        return (result, trainer.Progress);
    }

    private static IEnumerable<(long Step, float Value)> Values(Event[] events, string tag)
        => events.SelectMany(each => (each.Summary?.Value ?? []).Where(value => value.Tag == tag)
            .Select(value => (each.Step, value.SimpleValue)));

    private static Event[] Read(string path)
    {
        var events = new List<Event>();
        ReadOnlySpan<byte> rest = File.ReadAllBytes(path);
        while (rest.Length > 0)
        {
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(rest);
            ReadOnlySpan<byte> body = rest.Slice(12, length);
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]),
                Is.EqualTo(EventFile.MaskedChecksum(rest[..8])));
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(rest[(12 + length)..]),
                Is.EqualTo(EventFile.MaskedChecksum(body)));
            events.Add(Event.Parser.ParseFrom(body));
            rest = rest[(12 + length + 4)..];
        }
        return [.. events];
    }
}
