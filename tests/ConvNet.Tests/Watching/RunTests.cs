using System.Text.Json;
using ConvNet.Serialization;
using ConvNet.Serve;
using ConvNet.Serve.Runs;
using NUnit.Framework;

namespace ConvNet.Tests.Watching;

/// <summary>What the records of a log add up to, and logs that are incomplete, damaged or written anew.</summary>
public sealed class RunTests
{
    private TemporaryFolder _folder = null!;

    private string Log => _folder.File(TrainingLog.RecordsName);

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [TestCase(1)]
    [TestCase(599)]
    [TestCase(600)]
    [TestCase(601)]
    [TestCase(12_345)]
    public void CurvesHaveBoundedPointsAndTheMeansOfAllSteps(int steps)
    {
        var curves = new StepCurves();
        var random = new Random(3);
        double[] losses = [.. Enumerable.Range(0, steps).Select(_ => random.NextDouble())];
        for (int i = 0; i < steps; i++)
            curves.Add(new StepPoint(i + 1, losses[i], 1, 1.0 / (i + 1), null, null));
        (long Step, double Loss, double Rate)[] expected = [.. losses.Chunk(curves.StepsOfPoint).Index().Select(chunk
            => ((long)chunk.Index * curves.StepsOfPoint + chunk.Item.Length, chunk.Item.Average(),
                1.0 / (chunk.Index * curves.StepsOfPoint + chunk.Item.Length)))];
        Assert.That(curves.Points, Has.Count.EqualTo(expected.Length).And.Count.LessThanOrEqualTo(StepCurves.Most));
        Assert.That(steps <= StepCurves.Most ? steps : StepCurves.Most / 2,
            Is.LessThanOrEqualTo(curves.Points.Count), "no more points than needed are merged");
        foreach ((StepPoint point, (long step, double loss, double rate)) in curves.Points.Zip(expected))
        {
            Assert.That(point.Step, Is.EqualTo(step));
            Assert.That(point.Loss, Is.EqualTo(loss).Within(1e-12));
            Assert.That(point.LearningRate, Is.EqualTo(rate));
        }
    }

    [Test]
    public void NormsHaveBoundedPointsAtEqualDistances()
    {
        var curves = new NormCurves();
        for (int i = 1; i <= 1_000; i++)
        {
            var norms = new Dictionary<string, (double?, double?)> { ["w"] = (i, 2 * i) };
            if (i > 700)
                norms.Add("late", (1, null));
            curves.Add(10 * i, norms);
        }
        long[] distances = [.. curves.Steps.Zip(curves.Steps.Skip(1), (a, b) => b - a).Distinct()];
        Assert.That(distances, Has.Length.EqualTo(1));
        Assert.That(curves.Steps, Has.Count.InRange(NormCurves.Most / 2, NormCurves.Most));
        Assert.That(curves.Of("w"), Is.EqualTo(curves.Steps.Select(step => ((double?)step / 10, (double?)step / 5))));
        Assert.That(curves.Of("late").Select(each => each.Weight),
            Is.EqualTo(curves.Steps.Select(step => step > 7_000 ? (double?)1 : null)));
    }

    [Test]
    public void TimeLeftFollowsThePaceSinceTheLastStart()
    {
        var run = new WatchedRun("run", null);
        run.Add(Start);
        Assert.That(run.Summary.SecondsLeft, Is.Null);
        run.Add(Step(10, seconds: 100));
        Assert.That((run.Summary.Seconds, run.Summary.SecondsLeft), Is.EqualTo((100d, 900d)));
        run.Add(Start);
        run.Add(Step(20, seconds: 5));
        Assert.That((run.Summary.Seconds, run.Summary.SecondsLeft), Is.EqualTo((105d, 40d)));
        run.Add("""{"kind":"end","stopped":"the time limit has passed"}""");
        Assert.That(run.Summary, Is.EqualTo(run.Summary with
        {
            Status = RunStatus.Stopped,
            Stopped = "the time limit has passed",
            SecondsLeft = null,
        }));
        run.Add(Start);
        run.Add("""{"kind":"end","stopped":null,"failure":"the loss is not finite"}""");
        Assert.That((run.Summary.Status, run.Summary.Problem),
            Is.EqualTo((RunStatus.Failed, "the loss is not finite")));
    }

    [Test]
    public void TheBestEpochIsTheFirstWithTheHighestAccuracyOrWithoutOneTheLowestLoss()
    {
        var run = new WatchedRun("run", null);
        run.Add(Epoch(1, 0.5, null));
        run.Add(Epoch(2, 0.4, null));
        run.Add(Epoch(3, 0.6, null));
        Assert.That(run.Summary.BestEpoch!.Epoch, Is.EqualTo(2));
        run.Add(Epoch(4, 0.7, 0.8));
        run.Add(Epoch(5, 0.6, 0.9));
        run.Add(Epoch(6, 0.1, 0.9));
        Assert.That((run.Summary.BestEpoch!.Epoch, run.Summary.LastEpoch!.Epoch), Is.EqualTo((5, 6)));
    }

    [Test]
    public void PicturesWithinAnEpochAreShownUntilItsEnd()
    {
        var run = new WatchedRun("run", null);
        run.Add("""{"kind":"pictures","epoch":0}""");
        run.Add("""{"kind":"pictures","epoch":0,"step":7}""");
        Assert.That(Shown(), Is.EqualTo((0, 7, 1)));
        run.Add("""{"kind":"pictures","epoch":1}""");
        Assert.That(Shown(), Is.EqualTo((1, (int?)null, 2)));

        (int Last, int? Glimpse, int Epochs) Shown()
        {
            using var document = JsonDocument.Parse(run.Json(RunSection.Pictures));
            JsonElement shown = document.RootElement, glimpse = shown.GetProperty("glimpse");
            return (shown.GetProperty("last").GetProperty("epoch").GetInt32(), glimpse.ValueKind == JsonValueKind.Null
                ? null : glimpse.GetProperty("step").GetInt32(), shown.GetProperty("epochs").GetArrayLength());
        }
    }

    [TestCase(WatchedRun.MostEpochs, 1)]
    [TestCase(WatchedRun.MostEpochs + 1, 2)]
    [TestCase(3 * WatchedRun.MostEpochs - 1, 3)]
    public void APageShowsABoundedNumberOfEpochsUpToTheLast(int epochs, int every)
    {
        var run = new WatchedRun("run", null);
        for (int epoch = 1; epoch <= epochs; epoch++)
            run.Add(Epoch(epoch, 0.5, null));
        using var document = JsonDocument.Parse(run.Json(RunSection.Epochs));
        int[] shown = [.. document.RootElement.GetProperty("epochs").EnumerateArray()
            .Select(epoch => epoch.GetProperty("epoch").GetInt32())];
        Assert.That(document.RootElement.GetProperty("every").GetInt32(), Is.EqualTo(every));
        Assert.That(shown, Has.Length.LessThanOrEqualTo(WatchedRun.MostEpochs));
        Assert.That(shown[^1], Is.EqualTo(epochs));
        Assert.That(shown.Zip(shown.Skip(1), (a, b) => b - a), Has.All.EqualTo(every));
    }

    [Test]
    public void AManyClassedConfusionMatrixIsReducedToItsWorstPairs()
    {
        var run = new WatchedRun("run", null);
        int classes = Confusion.MostShown + 1;
        long[][] matrix = [.. Enumerable.Range(0, classes).Select(truth => Enumerable.Range(0, classes)
            .Select(guess => guess == truth ? 100L : guess < truth ? truth : 0).ToArray())];
        object[] test = [new { confusion = matrix }];
        run.Add(JsonSerializer.Serialize(new { kind = "epoch", epoch = 1, test }));
        using var document = JsonDocument.Parse(run.Json(RunSection.Confusion));
        Assert.That(document.RootElement.GetProperty("matrix").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(document.RootElement.GetProperty("pairs")[0].EnumerateArray().Select(value => value.GetInt64()),
            Is.EqualTo((long[])[classes - 1, 0, classes - 1]));
    }

    [Test]
    public void ALineThatIsStillWrittenIsReadWhenItIsWhole()
    {
        File.WriteAllText(Log, $"{Start}\n{Step(1, 1)}\n{Step(2, 2)[..20]}");
        var run = new WatchedRun("run", null);
        var file = new LogFile(_folder.Path, run);
        Assert.That((file.Read(), run.Summary.Step), Is.EqualTo((true, 1L)));
        Assert.That(file.Read(), Is.False);
        File.AppendAllText(Log, $"{Step(2, 2)[20..]}\n");
        Assert.That((file.Read(), run.Summary.Step), Is.EqualTo((true, 2L)));
    }

    [Test]
    public void ALogThatIsWrittenAnewIsReadAnew()
    {
        File.WriteAllText(Log, $"{Start}\n{Step(1, 1)}\n{Epoch(1, 0.5, 0.5)}\n{Step(2, 2)}\n");
        var run = new WatchedRun("run", null);
        var file = new LogFile(_folder.Path, run);
        file.Read();
        (int, int) before = run.VersionOf(RunSection.Epochs);
        AtomicFile.Write(Log, "the log", stream => stream.Write(System.Text.Encoding.UTF8.GetBytes($"{Start}\n")));
        Assert.That((file.Read(), run.Summary.Step, run.Summary.LastEpoch), Is.EqualTo((true, 0L, (EpochPoint?)null)));
        Assert.That(run.VersionOf(RunSection.Epochs), Is.Not.EqualTo(before), "so that pages are sent it again");
    }

    [TestCase("nonsense", "it is no JSON")]
    [TestCase("[]", "it is no JSON object")]
    [TestCase("""{"kind":"step","epoch":1,"loss":1}""", "\"step\" is missing")]
    [TestCase("""{"kind":"step","epoch":1,"step":-1}""", "\"step\" is -1")]
    [TestCase("""{"kind":"step","epoch":1,"step":1,"loss":"<b>"}""", "\"loss\" is \"<b>\"; it takes a number")]
    [TestCase("""{"kind":"step","epoch":1,"step":1,"loss":1e999}""", "\"loss\" is 1e999; it takes a number")]
    [TestCase("""{"kind":7}""", "\"kind\" is 7; it takes a text")]
    [TestCase("""{"kind":"start","epochs":3,"classes":[1]}""", "\"classes\"")]
    [TestCase("""{"kind":"norms","step":1,"parameters":[]}""", "\"parameters\" is []; it takes an object")]
    [TestCase("""{"kind":"epoch","epoch":1,"test":[{"confusion":[[1,2],[3]]}]}""", "\"confusion\" has 2 rows")]
    [TestCase("""{"kind":"epoch","epoch":1,"test":[{"confusion":[[-1]]}]}""", "\"confusion\"")]
    [TestCase("""{"kind":"pictures","epoch":1,"filters":{"name":"f","png":"PHN2Zz4="}}""", "\"png\" is no PNG file")]
    [TestCase("""{"kind":"pictures","epoch":1,"mistakes":[{"sample":1,"truth":0}]}""", "\"guess\" is missing")]
    public void ADamagedLineIsNamed(string line, string words)
    {
        File.WriteAllText(Log, $"{Start}\n{line}\n{Step(1, 1)}\n");
        Assert.That(() => LogPage.Open([_folder.Path]), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains($"{Log}, line 2 is damaged").And.Message.Contains(words));
    }

    [Test]
    public void RecordsOfOtherKindsAndOldRecordsAreFine()
    {
        var run = new WatchedRun("run", null);
        foreach (string line in (string[])["{}", """{"kind":"future","step":"x"}""", """
            {"kind":"start","time":"2026-01-01T00:00:00Z","epoch":1,"batch":0,"epochs":3,"parameters":7}
            """, """{"kind":"step","epoch":1,"batch":1,"step":1,"loss":null,"learningRate":0.1}"""])
            run.Add(line);
        Assert.That(run.Summary, Is.EqualTo(new RunSummary
        {
            Name = "run",
            Started = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
            Parameters = 7,
            Epochs = 3,
            Epoch = 1,
            Step = 1,
            LearningRate = 0.1,
        }));
    }

    private const string Start = """{"kind":"start","epoch":1,"batch":0,"epochs":3}""";

    private static string Step(int step, double seconds) => JsonSerializer.Serialize(new
    {
        kind = "step",
        epoch = 1,
        step,
        steps = 100,
        loss = 0.5,
        seconds,
    });

    private static string Epoch(int epoch, double loss, double? accuracy) => JsonSerializer.Serialize(new
    {
        kind = "epoch",
        epoch,
        loss,
        testAccuracy = accuracy,
    });
}
