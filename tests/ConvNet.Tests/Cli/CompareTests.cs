using System.Text.Json;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>A whole comparison of the smallest network, workers in processes of their own. No test looks at how long
/// anything took.</summary>
public sealed class CompareTests
{
    [Test]
    public void ThePeoplesTableTheDocumentAndTheSectionOfAFile()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("choosing.md");
        File.WriteAllText(file, "# Which\n<!-- bench digits -->\n<!-- end -->\n");
        CommandLine run = CommandLine.Run("compare", "--model", "digits", "--batch", "2", "--threads", "1",
            "--backends", "native,managed", "--seconds", "1", "--json",
            "--update", file, "--section", "digits");
        JsonElement json = run.Json(), comparison = json.GetProperty("comparisons")[0];
        JsonElement[] rows = [.. comparison.GetProperty("rows").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, input, parameters, machine, commit, command, "
                + "comparisons, recommendation"));
            Assert.That(CommandLine.NamesOf(comparison),
                Is.EqualTo("batch, seconds, limitSeconds, rows, absent, noise, recommendation"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("recommendation")),
                Is.EqualTo("backend, threads, confidence, reason, sentence"));
            Assert.That(rows.Select(row => row.GetProperty("backend").GetString()),
                Is.EqualTo((string[])["native", "managed"]));
            foreach (JsonElement row in rows)
            {
                Assert.That(row.GetProperty("gradients").GetProperty("verdict").GetString(), Is.EqualTo("right"),
                    $"{row}");
                Assert.That(row.GetProperty("training").GetProperty("rounds").GetInt32(), Is.Positive);
                Assert.That(row.GetProperty("training").GetProperty("percentOfBandwidth").GetDouble(), Is.Positive);
                Assert.That(row.GetProperty("inference").GetProperty("imagesPerSecond").GetProperty("value")
                    .GetDouble(), Is.Positive);
                Assert.That(row.GetProperty("latency").GetProperty("p50Ms").GetDouble(), Is.Positive);
                Assert.That(row.GetProperty("firstStep").GetProperty("coldMs").GetDouble(),
                    Is.GreaterThan(row.GetProperty("firstStep").GetProperty("compileMs").GetDouble()));
            }
            Assert.That(File.ReadAllText(file), Does.StartWith("# Which\n<!-- bench digits -->\n")
                .And.EndWith("\n<!-- end -->\n")
                .And.Contain("| native | 1 | ").And.Contain("`convnet compare --model digits ")
                    .And.Contain(json.GetProperty("recommendation").GetProperty("sentence").GetString()!));
            Assert.That(run.Error, Does.Contain("training with batches of 2"));
        });
    }

    [Test]
    public void PeopleSeeTablesAndTheRecommendationLast()
    {
        CommandLine run = CommandLine.Run("compare", "--model", "digits", "--input", "1x4x4", "--batch", "1",
            "--threads", "1", "--backends", "native", "--seconds", "1");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("FMA peak").And.Contain("1×4×4").And.Contain("time / fastest")
            .And.Contain("% of memory rate"));
        Assert.That(run.Output.TrimEnd().Split('\n')[^1], Does.Contain("native on 1 thread"));
    }

    [Test]
    public void WrongUsageIsRefusedBeforeAnythingIsMeasured()
    {
        CommandLine.Run("compare", "--model", "vgg99").IsRefusedWith("\"vgg99\"", "resnet20");
        CommandLine.Run("compare", "--model", "digits", "--batch", "0").IsRefusedWith("--batch", "\"0\"");
        CommandLine.Run("compare", "--model", "digits", "--seconds", "0").IsRefusedWith("--seconds");
        CommandLine.Run("compare", "--model", "digits", "--backends", "abacus")
            .IsRefusedWith("\"abacus\"", "native:accurate");
        CommandLine.Run("compare", "--model", "digits", "--backends", "auto")
            .IsRefusedWith("auto selects a backend");
        CommandLine.Run("compare", "--model", "digits", "--input", "1x1x1").IsRefusedWith("1×1×1");
        CommandLine.Run("compare", "--model", "digits", "--update", "no-such-file.md").IsRefusedWith("no-such-file.md");
    }
}
