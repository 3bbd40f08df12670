using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>The log of a training, whole and after a kill.</summary>
public sealed class TrainingLogTests
{
    private const int Batch = 8, BatchCount = 12, Epochs = 3;

    private readonly ManagedBackend _backend = new(threads: 1);
    private readonly ArrayDataset _train = TinyData.Normalized(TinyData.TrainCount, 1),
        _test = TinyData.Normalized(TinyData.TestCount, 2);

    private TemporaryFolder _folder = null!;

    private string Records => _folder.File("log/log.jsonl");

    private string Table => _folder.File("log/epochs.csv");

    private DataLoader Loader => new(_train, Batch, new DataLoaderOptions { Shuffle = true, Seed = 4 });

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [Test]
    public void EveryStepAndEveryEpochIsRecorded()
    {
        (TrainingResult result, List<StepReport> steps, _) = Train(new TrainingLogOptions { NormsEvery = 5 });
        JsonElement[] log = Read();
        JsonElement[] own = Of(log, "step"), norms = Of(log, "norms"), epochs = Of(log, "epoch");
        Assert.Multiple(() =>
        {
            Assert.That(own.Select(line => line.GetProperty("loss").GetDouble()),
                Is.EqualTo(steps.Select(step => step.BatchLoss)));
            Assert.That(own.Select(line => line.GetProperty("step").GetInt64()),
                Is.EqualTo(Enumerable.Range(1, Epochs * BatchCount)));
            Assert.That(own[13].GetProperty("batch").GetInt32(), Is.EqualTo(2));
            Assert.That(own.Select(line => line.GetProperty("learningRate").GetSingle()),
                Is.Ordered.Descending.And.All.InRange(0, 0.02f), "a cosine");
            Assert.That(own.Select(line => line.GetProperty("imagesPerSecond").GetDouble()), Has.All.Positive);
            Assert.That(norms.Select(line => line.GetProperty("step").GetInt64()),
                Is.EqualTo((long[])[5, 10, 15, 20, 25, 30, 35]));
            JsonElement weight = norms[0].GetProperty("parameters").GetProperty("conv1.weight");
            Assert.That(weight.GetProperty("weight").GetDouble(), Is.Positive);
            Assert.That(weight.GetProperty("gradient").GetDouble(), Is.Positive);
            Assert.That(epochs.Select(line => line.GetProperty("testAccuracy").GetDouble()),
                Is.EqualTo(result.Epochs.Select(epoch => epoch.TestAccuracy)));
            long[][] confusion = [.. epochs[^1].GetProperty("test")[0].GetProperty("confusion").EnumerateArray()
                .Select(row => row.EnumerateArray().Select(count => count.GetInt64()).ToArray())];
            Assert.That(confusion.SelectMany(row => row).Sum(), Is.EqualTo(TinyData.TestCount));
            Assert.That(Enumerable.Range(0, TinyData.Classes).Sum(i => confusion[i][i]),
                Is.EqualTo(result.Test!.Correct));
            Assert.That(log[0].GetProperty("kind").GetString(), Is.EqualTo("start"));
            Assert.That(log[^1].GetProperty("kind").GetString(), Is.EqualTo("end"));
            Assert.That(File.ReadAllLines(Table), Has.Length.EqualTo(1 + Epochs));
            Assert.That(File.ReadAllLines(Table)[0],
                Does.StartWith("epoch,loss,train_accuracy,test_accuracy,test_loss"));
        });
    }

    [TestCase(17, false)]
    [TestCase(24, true)]
    public void ATrainingThatWasKilledHasNoLineTwice(int savedAt, bool isCut)
    {
        Train(new TrainingLogOptions());
        JsonElement[] whole = Read();
        string[] table = File.ReadAllLines(Table);
        File.Delete(Records);
        File.Delete(Table);
        (_, _, TrainingProgress progress) = Train(new TrainingLogOptions(), failAt: 30, savedAt: savedAt);
        if (isCut)
        {
            File.AppendAllText(Records, "{\"kind\":\"step\",\"epo");
            File.AppendAllText(Table, "9,0.5,1,1,0.1,12");
        }
        Train(new TrainingLogOptions { Continues = true }, from: progress);
        JsonElement[] log = Read();
        Assert.That(Of(log, "step").Select(Place), Is.EqualTo(Of(whole, "step").Select(Place)));
        Assert.That(Of(log, "epoch").Select(line => line.GetProperty("epoch").GetInt32()),
            Is.EqualTo((int[])[1, 2, 3]));
        Assert.That(Of(log, "start"), Has.Length.EqualTo(2));
        Assert.That(File.ReadAllLines(Table).Select(row => row.Split(',')[0]),
            Is.EqualTo(table.Select(row => row.Split(',')[0])));

        static (int, int) Place(JsonElement line)
            => (line.GetProperty("epoch").GetInt32(), line.GetProperty("batch").GetInt32());
    }

    [Test]
    public void TheEndSaysWhatEndedTheTraining([Values] bool isCancelled)
    {
        using var cancelling = new CancellationTokenSource();
        var options = new TrainingLogOptions
        {
            OnRecord = line =>
            {
                if (isCancelled && line.Contains("\"step\":4,", StringComparison.Ordinal))
                    cancelling.Cancel();
            },
        };
        if (isCancelled)
            Assert.That(() => Train(options, cancellation: cancelling.Token),
                Throws.InstanceOf<OperationCanceledException>());
        else
            Train(options, failAt: 4);
        JsonElement end = Of(Read(), "end").Single();
        Assert.That((end.GetProperty("stopped").GetString(), end.GetProperty("failure").GetString()), Is.EqualTo(
            isCancelled ? ("interrupted", (string?)null) : (null, "as abruptly as a kill")));
    }

    [Test]
    public void ALogOfAnotherTrainingIsNotWrittenOver()
    {
        Train(new TrainingLogOptions());
        byte[] before = File.ReadAllBytes(Records);
        Assert.That(() => new TrainingLog(_folder.File("log")), Throws.TypeOf<IOException>()
            .With.Message.Contains("contains the log of a training"));
        Assert.That(() => new TrainingLog(Records), Throws.TypeOf<IOException>().With.Message.Contains("is a file"));
        Assert.That(() => new TrainingLog(_folder.File("new"), new TrainingLogOptions { NormsEvery = 0 }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(File.ReadAllBytes(Records), Is.EqualTo(before));
    }

    [Test]
    public void PicturesAreLoggedOfEpochsAndOnlyShownWithinThem()
    {
        List<string> received = [];
        int made = 0, glimpses = 0;
        Train(new TrainingLogOptions
        {
            Pictures = _ => new LoggedPictures { Examined = ++made },
            Glimpses = _ => new LoggedPictures { Examined = -++glimpses },
            BetweenGlimpses = TimeSpan.Zero,
            OnRecord = received.Add,
        });
        JsonElement[] pictures = Of(Read(), "pictures");
        Assert.That(pictures.Select(line => (line.GetProperty("epoch").GetInt32(),
            line.GetProperty("examined").GetInt32())), Is.EqualTo(((int, int)[])[(0, 1), (1, 2), (2, 3), (3, 4)]));
        Assert.That(glimpses, Is.EqualTo(Epochs * BatchCount));
        Assert.That(received.Where(line => !line.Contains("\"examined\":-", StringComparison.Ordinal)),
            Is.EqualTo(File.ReadAllLines(Records)), "everything else is received as it is logged");
        Assert.That(received, Has.Exactly(glimpses).Contains("\"examined\":-"));
        Train(new TrainingLogOptions
        {
            Continues = true,
            OnRecord = received.Add,
            Glimpses = _ => throw new InvalidOperationException("before the time"),
            BetweenGlimpses = TimeSpan.FromHours(1),
        });
        Assert.That(Of(Read(), "pictures"), Is.Empty, "the training began anew");
    }

    private JsonElement[] Read() => [.. File.ReadAllLines(Records).Select(line =>
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    })];

    private static JsonElement[] Of(JsonElement[] log, string kind)
        => [.. log.Where(line => line.GetProperty("kind").GetString() == kind)];

    // failAt ends the training after a step as abruptly as a kill; the progress of savedAt is returned.
    private (TrainingResult Result, List<StepReport> Steps, TrainingProgress Saved) Train(TrainingLogOptions log,
        TrainingProgress? from = null, int? failAt = null, int? savedAt = null,
        CancellationToken cancellation = default)
    {
        using IExecutable network = _backend.Compile(Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1),
            new Relu(), new Flatten(), new Linear(TinyData.Classes)),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(5));
        using var own = new TrainingLog(_folder.File("log"), log);
        var steps = new List<StepReport>();
        TrainingProgress saved = TrainingProgress.Start;
        Trainer? trainer = null;
        trainer = new Trainer(network, new TrainerOptions
        {
            Epochs = Epochs,
            LearningRate = 0.02f,
            Schedule = new CosineSchedule(),
            OnStep = step =>
            {
                steps.Add(step);
                if (step.Step == savedAt)
                    saved = trainer!.Progress;
                if (step.Step == failAt)
                    throw new TimeoutException("as abruptly as a kill");
            },
            Callbacks = [own],
        });
        try
        {
            return (trainer.Train(Loader, new DataLoader(_test, Batch), from, cancellation), steps, saved);
        }
        catch (TimeoutException)
        {
            return (new TrainingResult([], null), steps, saved);
        }
    }
}
