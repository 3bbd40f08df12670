using System.Text;
using System.Text.Json;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>The annotations of CI systems.</summary>
[NonParallelizable]
public sealed class AnnotationTests
{
    [Test]
    public void GitHubGetsAnErrorForEachFailedComparison()
    {
        string line = Annotations.GitHub(ResultOf(1)).Single();
        Assert.That(line, Does.StartWith("::error title=Gradient check%3A conv0 on theirs%2C real::dw of conv0 on "
            + "theirs, real: element 3 is 1, but 2 in "));
        Assert.That(line, Does.EndWith("%0Areproduce: convnet gradcheck --layer x"));
        Assert.That(line, Does.Contain("100%25 wrong").And.Not.Contain("\n"));
    }

    [TestCase(10, 10, "conv9")]
    [TestCase(11, 10, "and 2 more comparisons are wrong")]
    [TestCase(500, 10, "and 491 more comparisons are wrong")]
    public void ThereAreNoMoreThanGitHubShows(int failures, int lines, string last)
    {
        string[] written = [.. Annotations.GitHub(ResultOf(failures))];
        Assert.That(written, Has.Length.EqualTo(lines).And.All.StartsWith("::error "));
        Assert.That(written[^1], Does.Contain(last));
    }

    [Test]
    public void AzureGetsIssues()
    {
        string line = Annotations.Azure(ResultOf(1)).Single();
        Assert.That(line,
            Does.StartWith("##vso[task.logissue type=error]Gradient check: conv0 on theirs, real: dw of "));
        Assert.That(line, Does.Contain("100%AZP25 wrong").And.Contain("%0Areproduce: ").And.Not.Contain("\n"));
        Assert.That(Annotations.AzureSummary("/a%b.md"), Is.EqualTo("##vso[task.uploadsummary]/a%AZP25b.md"));
    }

    [Test]
    public void AcceptedDeviationsAreANoticeAndUnneededEntriesAWarning()
    {
        GradcheckResult failing = ResultOf(1);
        var baseline = new Baseline(new AcceptedDeviation("theirs", "reported", DateOnly.MaxValue) { Layer = "conv0" },
            new AcceptedDeviation("ours", "reported", DateOnly.MaxValue));
        GradcheckResult accepted = failing with { Report = failing.Report.Accepting(baseline) };
        string[] lines = [.. Annotations.GitHub(accepted)];
        Assert.That(lines, Has.Length.EqualTo(2));
        Assert.That(lines[0],
            Does.StartWith("::notice title=Gradient check of net%3A 1 accepted deviation::dw of conv0")
            .And.Contain("accepted until 9999-12-31: reported"));
        Assert.That(lines[1], Does.StartWith("::warning title=").And.Contain("no longer needed: * of * on ours"));
        Assert.That(Annotations.Azure(accepted), Has.All.StartsWith("##vso[task.logissue type=warning]"));
    }

    [Test]
    public void TheSummaryIsAppendedToTheFileOfTheStep()
    {
        using var folder = new TemporaryFolder();
        string summary = folder.File("summary.md");
        File.WriteAllText(summary, "before\n");
        using (Setting("GITHUB_STEP_SUMMARY", summary))
            Check("github").Succeeds();
        Assert.That(File.ReadAllText(summary),
            Does.StartWith("before\n\n### Gradient check of mb1ic2ih3oc2oh3kh1ph0: pass\n"));
    }

    [Test]
    public void AzureReadsTheSummaryFromTheFolderOfTheJob()
    {
        using var folder = new TemporaryFolder();
        using (Setting("AGENT_TEMPDIRECTORY", folder.Path))
        {
            CommandLine run = Check("azure");
            run.Succeeds();
            string file = Directory.GetFiles(folder.Path).Single();
            Assert.That(run.Output, Does.StartWith($"##vso[task.uploadsummary]{file}\n"));
            Assert.That(File.ReadAllText(file), Does.StartWith("### Gradient check of mb1ic2ih3oc2oh3kh1ph0: pass\n"));
            CommandLine json = Check("azure", "--markdown", folder.File("own.md"), "--json");
            using (JsonDocument.Parse(json.Output))
                Assert.That(json.Error, Does.Contain($"##vso[task.uploadsummary]{folder.File("own.md")}\n"));
        }
    }

    [Test]
    public void OutsideOfAJobThereIsNoSummary()
    {
        using (Setting("GITHUB_STEP_SUMMARY", null))
        using (Setting("AGENT_TEMPDIRECTORY", null))
        {
            Check("github").Succeeds();
            CommandLine azure = Check("azure");
            azure.Succeeds();
            Assert.That(azure.Output, Does.Not.Contain("##vso"));
        }
        Check("gitlab").IsRefusedWith("--annotations is \"gitlab\"; it takes github or azure.");
    }

    [Test]
    public void ALongSummaryIsCutAtALine()
    {
        string text = string.Concat(Enumerable.Range(0, 100).Select(i => $"line ü {i}\n"));
        Assert.That(AnnotationOptions.Cut(text, Encoding.UTF8.GetByteCount(text)), Is.EqualTo(text));
        for (int most = 0; most < Encoding.UTF8.GetByteCount(text); most += 37)
        {
            string cut = AnnotationOptions.Cut(text, most);
            Assert.That(Encoding.UTF8.GetByteCount(cut), Is.LessThanOrEqualTo(most));
            if (cut.Length == 0)
                continue;
            string[] lines = cut.Split('\n');
            Assert.That(lines[^2], Is.EqualTo("The summary is cut here: the limit of the job summary is reached."));
            Assert.That(lines[..^3], Is.EqualTo(text.Split('\n')[..(lines.Length - 3)]));
        }
    }

    private static CommandLine Check(string system, params string[] more) => CommandLine.Run([
        "gradcheck", "--layer", "mb1ic2ih3oc2kh1", "--backends", "managed", "--mode", "exact", "--annotations", system,
        .. more]);

    private static GradcheckResult ResultOf(int failures) => new("net", [], new GradientReport(
        [.. Enumerable.Range(0, failures).Select(i => new LayerReport("theirs", $"conv{i}", "conv", CheckModes.Real,
            [new TensorReport("dw", 10, 3, 1, 3, 1, 2, 10, 0)], "100% wrong")),
            new LayerReport("ours", "conv0", "conv", CheckModes.Real,
                [new TensorReport("dw", 10, 0, 0, 0, 1, 1, 0, 0)])],
        []), TimeSpan.Zero, "convnet gradcheck --layer x");

    private static EnvironmentSetting Setting(string name, string? value) => new EnvironmentSetting(name, value);

    private sealed class EnvironmentSetting : IDisposable
    {
        private readonly string _name;
        private readonly string? _before;

        public EnvironmentSetting(string name, string? value)
        {
            (_name, _before) = (name, Environment.GetEnvironmentVariable(name));
            Environment.SetEnvironmentVariable(name, value);
        }

        public void Dispose() => Environment.SetEnvironmentVariable(_name, _before);
    }
}
