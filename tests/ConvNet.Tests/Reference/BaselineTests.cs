using System.Globalization;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>What a baseline accepts, and what it does not.</summary>
public sealed class BaselineTests
{
    private static readonly DateOnly s_today = new(2026, 5, 15), s_later = new(2026, 6, 30);

    // The error of dw of conv1 is 2.4 bounds in real mode; in exact mode, three of its elements are wrong.
    private static readonly GradientReport s_report = new(
    [
        Layer("theirs", "conv1", CheckModes.Real, Tensor("y"), Tensor("dw", 2.4, failed: 2)),
        Layer("theirs", "conv1", CheckModes.Exact, Tensor("dw", double.PositiveInfinity, failed: 3)),
        Layer("theirs", "conv2", CheckModes.Real, Tensor("dw")),
        Layer("ours", "conv1", CheckModes.Real, Tensor("dw")),
    ], []);

    [Test]
    public void AnAcceptedDeviationIsNeitherWrongNorPassed()
    {
        GradientReport accepted = Accepting(Entry() with { Mode = CheckModes.Real, MostInBounds = 2.5 },
            Entry() with { Mode = CheckModes.Exact, MostElements = 3 });
        Assert.Multiple(() =>
        {
            Assert.That(accepted.Verdict, Is.EqualTo(Verdict.Accepted));
            Assert.That((accepted.Failed, accepted.Failures.Count(), accepted.Accepted.Count()), Is.EqualTo((0, 0, 2)));
            Assert.That(accepted.Layers[0].Tensors.Select(tensor => tensor.Verdict),
                Is.EqualTo((Verdict[])[Verdict.Pass, Verdict.Accepted]));
            Assert.That(accepted.Summary, Does.StartWith("accepted: ").And.EndsWith(", 2 deviations accepted"));
            Assert.That(accepted.ToString(), Does.Contain("accepted until 2026-06-30: reported"));
            Assert.That(accepted.Unneeded, Is.Empty);
            Assert.That(() => accepted.ThrowIfFailed(), Throws.Nothing);
        });
    }

    [Test]
    public void AnythingElseStillFails()
    {
        GradientReport accepted = Accepting(Entry() with { Mode = CheckModes.Real });
        Assert.That(accepted.Failures.Select(row => (row.Layer.Mode, row.Tensor.Name)),
            Is.EqualTo(((CheckModes, string)[])[(CheckModes.Exact, "dw")]));
        Assert.That(() => accepted.ThrowIfFailed(), Throws.TypeOf<GradientCheckException>());
    }

    [TestCase(2.4, Verdict.Accepted)]
    [TestCase(2.39, Verdict.Fail)]
    public void AWorseDeviationFails(double most, Verdict expected)
    {
        LayerReport real = Accepting(Entry() with { MostInBounds = most }).Layers[0];
        Assert.That(real.Verdict, Is.EqualTo(expected));
        Assert.That(real.ToString().Contains("worse than the baseline accepts, which is an error of 2.39 bounds",
            StringComparison.Ordinal), Is.EqualTo(expected == Verdict.Fail));
    }

    [TestCase(3, Verdict.Accepted)]
    [TestCase(2, Verdict.Fail)]
    public void MoreElementsFail(int most, Verdict expected)
    {
        LayerReport exact = Accepting(Entry() with { MostElements = most }).Layers[1];
        Assert.That(exact.Verdict, Is.EqualTo(expected));
        Assert.That(exact.ToString().Contains("which is 2 elements", StringComparison.Ordinal),
            Is.EqualTo(expected == Verdict.Fail));
    }

    [TestCase("2026-05-15", Verdict.Accepted)]
    [TestCase("2026-05-14", Verdict.Fail)]
    public void ADateThatHasPassedFails(string expires, Verdict expected)
    {
        GradientReport report = Accepting(Entry(DateOnly.ParseExact(expires, "yyyy-MM-dd",
            CultureInfo.InvariantCulture)));
        Assert.That(report.Layers[0].Verdict, Is.EqualTo(expected));
        Assert.That(report.ToString().Contains("accepted until 2026-05-14, which has passed: reported",
            StringComparison.Ordinal), Is.EqualTo(expected == Verdict.Fail));
    }

    [Test]
    public void ALaterEntryStandsInForOneThatHasExpired()
        => Assert.That(Accepting(Entry(s_today.AddDays(-1)), Entry()).Verdict, Is.EqualTo(Verdict.Accepted));

    [Test]
    public void AnEntryThatCoversNoDeviationIsReported()
    {
        AcceptedDeviation gone = Entry() with { Layer = "conv2" }, elsewhere = new("others", "reported", s_later);
        GradientReport report = Accepting(Entry(), gone, elsewhere);
        Assert.That(report.Unneeded, Is.EqualTo((UnneededDeviation[])[new(gone, true), new(elsewhere, false)]));
        Assert.That(report.ToString(), Does.Contain("accepted deviation no longer needed: dw of conv2 on theirs, every "
            + "mode, until 2026-06-30; remove it").And.Contain("this check did not compare it"));
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Accepted), "it is no failure");
    }

    [TestCase("conv?", "*", "d*", ExpectedResult = Verdict.Accepted)]
    [TestCase("*", "conv", "dw", ExpectedResult = Verdict.Accepted)]
    [TestCase("conv", "*", "dw", ExpectedResult = Verdict.Fail)]
    [TestCase("*", "linear", "dw", ExpectedResult = Verdict.Fail)]
    [TestCase("conv1", "*", "y", ExpectedResult = Verdict.Fail)]
    public Verdict PatternsSelectLayerKindAndTensor(string layer, string kind, string tensor)
        => Accepting(Entry() with { Layer = layer, Kind = kind, Tensor = tensor }).Verdict;

    [Test]
    public void APlanOperationIsNamedByItsTitle()
    {
        LayerReport step = Layer("theirs", "conv1 + relu1 + maxpool1", CheckModes.Real, Tensor("dw", 3, failed: 1));
        var report = new GradientReport([step], []);
        Assert.That(report.Accepting(new Baseline(Entry() with { Layer = step.Layer }), s_today).Verdict,
            Is.EqualTo(Verdict.Accepted));
    }

    [Test]
    public void TheReferenceIsNotAccepted()
    {
        Assert.That(() => new AcceptedDeviation("reference", "x", s_later), Throws.ArgumentException
            .With.Message.Contains("The reference has no accepted deviations"));
        Assert.That(() => new AcceptedDeviation("*", "x", s_later), Throws.ArgumentException
            .With.Message.Contains("name exactly one backend"));
        Assert.That(() => new AcceptedDeviation("theirs", " ", s_later), Throws.ArgumentException
            .With.Message.Contains("The reason is empty"));
        LayerReport wrong = Layer("reference", "conv1", CheckModes.ForwardMode, Tensor("dw", 9, failed: 1));
        var report = new GradientReport([.. s_report.Layers, wrong], []);
        Baseline updated = new Baseline().Updated(report, "reported", s_later, s_today);
        Assert.That(report.Accepting(updated, s_today).Failures.Select(row => row.Layer.Backend),
            Is.EqualTo((string[])["reference"]));
    }

    [Test]
    public void AnUpdateAcceptsWhatIsThereAndDropsWhatIsNot()
    {
        AcceptedDeviation kept = Entry() with { Mode = CheckModes.Real, Tensor = "d?" },
            expired = Entry(s_today.AddDays(-1)) with { Mode = CheckModes.Exact },
            gone = Entry() with { Layer = "conv2" }, elsewhere = new("others", "reported", s_later);
        Baseline updated = new Baseline(kept, expired, gone, elsewhere).Updated(s_report, "new", s_later, s_today);
        AcceptedDeviation made = new AcceptedDeviation("theirs", "new", s_later)
        {
            Layer = "conv1",
            Tensor = "dw",
            Mode = CheckModes.Exact,
            MostElements = 3,
        };
        Assert.That(updated.Deviations, Is.EqualTo((AcceptedDeviation[])[kept, elsewhere, made]));
        Assert.That(s_report.Accepting(updated, s_today).Verdict, Is.EqualTo(Verdict.Accepted));
        Assert.That(new Baseline().Updated(s_report, "new", s_later, s_today).Deviations
            .Select(each => (each.MostInBounds, each.MostElements)),
            Is.EqualTo(((double, int)[])[(double.PositiveInfinity, 3), (2.4, int.MaxValue)]));
    }

    [Test]
    public void AFileComesBack()
    {
        var baseline = new Baseline(Entry() with { Mode = CheckModes.EndToEnd, MostInBounds = 2.5 },
            Entry() with { Kind = "conv", Tensor = "*", MostElements = 7 });
        Assert.That(BaselineFile.Read(BaselineFile.Write(baseline)).Deviations, Is.EqualTo(baseline.Deviations));
        using var folder = new TemporaryFolder();
        BaselineFile.Save(folder.File("accepted.json"), baseline);
        Assert.That(BaselineFile.Load(folder.File("accepted.json")).Deviations, Is.EqualTo(baseline.Deviations));
    }

    [Test]
    public void TheDocumentShowsAFile()
    {
        string json = File.ReadAllText(Repository.Path("docs", "gradient-validation.md")).Split("```json\n")[1]
            .Split("```")[0];
        Assert.That(BaselineFile.Read(json).Deviations.Single(), Is.EqualTo(new AcceptedDeviation("torchsharp",
            "https://example.org/issues/123", new DateOnly(2027, 6, 30))
        {
            Layer = "conv*",
            Mode = CheckModes.Real,
            Tensor = "dw",
            MostInBounds = 2.5,
        }));
    }

    [TestCase("\"backend\": \"torchsharp\",", "", "deviation 1: \"backend\" is missing.")]
    [TestCase("\"torchsharp\"", "\"reference\"", "deviation 1: The reference has no accepted deviations")]
    [TestCase("\"layer\": \"conv*\",", "", "\"layer\" and \"kind\" are missing; name at least one")]
    [TestCase("\"real\"", "\"reel\"", "the mode \"reel\" is unknown; use one of exact, real, segments, end to end")]
    [TestCase("\"real\"", "\"finite differences\"", "is unknown")]
    [TestCase("2.5", "-1", "\"accepted\" is -1; it must be the largest error in units of its bound")]
    [TestCase("2.5", "\"all\"", "or \"any\".")]
    [TestCase("2027-06-30", "30.06.2027", "\"expires\" is \"30.06.2027\"; it must be a date such as 2027-06-30.")]
    [TestCase("\"tensor\"", "\"tensors\"", "\"tensors\" is unknown; the known properties are backend, ")]
    [TestCase("\"version\": 1", "\"version\": 2", "version 2 of the format is not supported")]
    [TestCase("\"deviations\"", "\"deviation\"", "\"deviations\" is missing")]
    [TestCase("\"https://example.org/issues/123\"", "\"\"", "The reason is empty.")]
    public void AWrongFileIsRefused(string good, string bad, string message)
    {
        string json = File.ReadAllText(Repository.Path("docs", "gradient-validation.md")).Split("```json\n")[1]
            .Split("```")[0];
        Assert.That(json, Does.Contain(good));
        Assert.That(() => BaselineFile.Read(json.Replace(good, bad, StringComparison.Ordinal), "accepted.json"),
            Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("accepted.json")
                .And.Message.Contains(message));
    }

    private static GradientReport Accepting(params AcceptedDeviation[] entries)
        => s_report.Accepting(new Baseline(entries), s_today);

    private static AcceptedDeviation Entry(DateOnly? expires = null)
        => new("theirs", "reported", expires ?? s_later) { Layer = "conv1", Tensor = "dw" };

    private static LayerReport Layer(string backend, string name, CheckModes mode, params TensorReport[] tensors)
        => new(backend, name, "conv", mode, tensors);

    private static TensorReport Tensor(string name, double inBounds = 0.5, int failed = 0)
        => new(name, 10, inBounds, 1, 0, 1, 2, failed, 0);
}
