using System.Text.Json;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Whole runs over the smallest of layers, workers in processes of their own. No test looks at how long
/// anything took.</summary>
public sealed class BenchTests
{
    private static readonly string[] Quick = ["--rounds", "1", "--turn", "0.1", "--threads", "1"];

    [Test]
    public void TheJsonHasThePeakAndARowForEveryPassAndBackend()
    {
        CommandLine run = CommandLine.Run(
            ["bench", "--layer", "mb2ic3ih6oc4kh3n\"tiny\"", "--backends", "native,managed", "--json", .. Quick]);
        JsonElement json = run.Json();
        JsonElement[] rows = [.. json.GetProperty("rows").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json),
                Is.EqualTo("processor, peakGflops, memoryGBs, steadiness, peaks, libraries, selfTests, rows, ratios, "
                    + "skipped"));
            Assert.That(json.GetProperty("peakGflops").GetDouble(), Is.Positive);
            Assert.That(json.GetProperty("memoryGBs").GetDouble(), Is.Positive);
            Assert.That(CommandLine.NamesOf(rows[0]),
                Is.EqualTo("shape, model, batch, pass, backend, threads, algorithm, auto, medianMs, minMs, gflops, "
                    + "percentOfPeak, imagesPerSecond, peakMemoryMB, profile"));
            Assert.That(rows.Select(row => $"{row.GetProperty("pass")} {row.GetProperty("backend")}"), Is.EqualTo(
                (string[])["fwd native", "fwd managed", "bwd_d native", "bwd_d managed", "bwd_w native",
                    "bwd_w managed"]));
            Assert.That(rows.Select(row => row.GetProperty("shape").GetString()),
                Is.All.EqualTo("mb2ic3ih6oc4oh4kh3ph0n\"tiny\""));
            Assert.That(rows.Select(row => row.GetProperty("gflops").GetDouble()), Is.All.Positive);
            Assert.That(json.GetProperty("ratios").EnumerateArray()
                .Select(ratio => $"{ratio.GetProperty("backend")} {ratio.GetProperty("rival")}"),
                Is.EqualTo((string[])["native managed", "native managed", "native managed"]));
            Assert.That(run.Error, Does.Contain("tiny, batch 2, bwd_w, 1 thread"));
        });
    }

    [Test]
    public void AShapeBeyondAllSizesIsOneLine()
        => CommandLine.Run("bench", "--layer", "ic1ih1oc1oh16777216kh1sh16777216")
            .IsRefusedWith("oh16777216 needs a padding of 140,737,479,966,720", "character 33");

    [Test]
    public void EveryAlgorithmHasItsTurnAndTheChoiceIsJudged()
    {
        string[] words = ["bench", "--layer", "mb2ic16ih6oc16kh3ph1", "--layer", "mb2ic16ih6oc16kh1", "--pass", "fwd",
            "--algorithm", "all", .. Quick];
        CommandLine run = CommandLine.Run(words);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Match("auto is within 10% of the best in [01] of 1 cases; in all passes on [01] "
            + "of 1 shapes").And.Contain("winograd4 does not support this layer"));
        JsonElement[] rows = [.. CommandLine.Run([.. words, "--json"]).Json().GetProperty("rows").EnumerateArray()];
        Assert.That(rows.Select(row => $"{row.GetProperty("backend")} {row.GetProperty("algorithm")}"), Is.EqualTo(
            (string[])["native:direct direct", "native:winograd2 winograd2", "native:winograd4 winograd4",
                "native:direct direct"]));
        Assert.That(rows.Select(row => row.GetProperty("auto").GetString()),
            Is.EqualTo((string?[])[rows[0].GetProperty("auto").GetString(),
            .. Enumerable.Repeat(rows[0].GetProperty("auto").GetString(), 2), null]));
        Assert.That(rows[0].GetProperty("auto").GetString(), Is.Not.Null);
    }

    [Test]
    public void RowsSayWhichAlgorithmsRan()
    {
        string AlgorithmOf(params string[] words)
            => CommandLine.Run(["bench", "--pass", "fwd,infer", "--json", .. words, .. Quick]).Json()
            .GetProperty("rows")[0].GetProperty("algorithm").GetString()!;
        string[] layer = ["--layer", "mb1ic64ih28oc64kh3ph1"];
        Assert.Multiple(() =>
        {
            Assert.That(AlgorithmOf([.. layer, "--algorithm", "winograd2"]), Is.EqualTo("winograd2"));
            Assert.That(AlgorithmOf([.. layer, "--precision", "accurate"]), Is.EqualTo("direct"));
            Assert.That(AlgorithmOf("--layer", "mb1ic64oc64", "--algorithm", "winograd2"), Is.EqualTo("direct"),
                "a layer that cannot take it");
            Assert.That(AlgorithmOf("--model", "resnet20:1", "--algorithm", "winograd4"),
                Is.EqualTo("direct+winograd4"));
        });
        CommandLine.Run(["bench", .. layer, "--precision", "accurate", "--algorithm", "winograd4"])
            .IsRefusedWith("--precision accurate", "--algorithm winograd4");
    }

    [Test]
    public void ANetworkMayBringItsBatch()
    {
        JsonElement json = CommandLine.Run(
            ["bench", "--model", "digits:3,digits", "--batch", "1,2", "--pass", "infer", "--json", .. Quick]).Json();
        Assert.That(json.GetProperty("rows").EnumerateArray()
            .Select(row => $"{row.GetProperty("model")} {row.GetProperty("batch")}"),
            Is.EqualTo((string[])["digits 3", "digits 1", "digits 2"]));
        CommandLine.Run("bench", "--model", "digits:0").IsRefusedWith("\"digits:0\"");
    }

    [Test]
    public void PeopleSeeThePeakAndATable()
    {
        CommandLine run = CommandLine.Run(["bench", "--model", "digits", "--pass", "train", .. Quick]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("FMA peak").And.Contain("digits").And.Contain("% of peak")
            .And.Not.Contain("infer"));
    }

    [Test]
    public void TheTableIsWrittenIntoItsSectionWithTheCommandThatGivesItAgain()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("PERFORMANCE.md");
        CommandLine.Run("bench", "--layer", "mb2ic4oc4", "--update", file).IsRefusedWith("PERFORMANCE.md");
        File.WriteAllText(file, "# How fast\n<!-- bench linear -->\n<!-- end -->\n");
        CommandLine.Run("bench", "--layer", "mb2ic4oc4", "--update", file).IsRefusedWith("no section \"results\"");
        string[] words = ["bench", "--layer", "mb2ic4oc4n\"one two\"", "--pass", "fwd", "--update", file, "--section",
            "linear", .. Quick];
        Assert.That(CommandLine.Run(words).ExitCode, Is.EqualTo(ExitCode.Ok));
        Assert.That(File.ReadAllText(file), Does.StartWith("# How fast\n<!-- bench linear -->\n")
            .And.EndWith("\n<!-- end -->\n")
            .And.Contain("| one two | 2 | fwd | 1 | ").And.Contain("`convnet bench --layer 'mb2ic4oc4n\"one two\"' "
                + "--pass fwd --update "));
    }

    [Test]
    public void AProfileSaysWhereTheTimeGoes()
    {
        using var folder = new TemporaryFolder();
        string trace = folder.File("trace.json");
        string[] words = ["bench", "--model", "digits:2", "--pass", "train", "--profile", .. Quick];
        CommandLine people = CommandLine.Run([.. words, "--backends", "native,managed"]);
        Assert.That(people.ExitCode, Is.EqualTo(ExitCode.Ok), people.Error);
        Assert.That(people.Output, Does.Contain("digits, batch 2, train, managed, 1 thread: ").And.Contain("% of bound")
            .And.Contain("conv3 + relu3 + maxpool2").And.Contain("between layers"));
        JsonElement profile = CommandLine.Run([.. words, "--trace", trace, "--json"]).Json().GetProperty("rows")[0]
            .GetProperty("profile");
        JsonElement[] layers = [.. profile.GetProperty("layers").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(profile),
                Is.EqualTo("calls, medianMs, totalMs, betweenMs, roofline, layers"));
            Assert.That(CommandLine.NamesOf(profile.GetProperty("roofline")), Is.EqualTo("peakGflops, memoryGBs"));
            Assert.That(CommandLine.NamesOf(layers[0]), Is.EqualTo("node, kind, fused, pass, kernel, algorithm, "
                + "reason, shape, threads, calls, medianMs, totalMs, flops, bytes, "
                + "gflops, gigabytesPerSecond, intensity, boundMs, boundGflops, boundBy, percentOfBound"));
            Assert.That(layers.Select(layer => layer.GetProperty("pass").GetString()), Does.Contain("reorder")
                .And.Contain("forward").And.Contain("loss").And.Contain("backward-data")
                .And.Contain("backward-weights"));
            Assert.That(layers.Select(layer => layer.GetProperty("percentOfBound").GetDouble()), Is.All.Positive);
            Assert.That(File.ReadAllText(trace), Does.Contain("\"training step\"")
                .And.Contain("digits, batch 2, train, native, 1 thread"));
        });
    }

    [Test]
    public void AProfileThatCannotBeIsRefusedBeforeAnythingIsMeasured()
    {
        string[] words = ["bench", "--model", "digits", "--profile"];
        CommandLine.Run([.. words, "--backends", "native,torchsharp"])
            .IsRefusedWith("torchsharp does not support profiling; native and managed do.");
        CommandLine.Run([.. words, "--layer", "mb2ic4oc4n\"tiny\""]).IsRefusedWith("tiny is a layer", "--model");
        CommandLine.Run([.. words, "--trace", "/no/such/folder/trace.json"]).IsRefusedWith("/no/such/folder");
    }

    [Test]
    public void WrongShapesAreNamedWithTheirPlace()
    {
        CommandLine.Run("bench", "--layer", "mb2icx")
            .IsRefusedWith("Shape mb2icx: the number after ic is missing, at character 6.");
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("shapes.txt"), "mb2ic4oc4\nmb2ic4\n");
        CommandLine.Run("bench", "--shapes", folder.File("shapes.txt"))
            .IsRefusedWith("shapes.txt:2: ", "oc is missing");
        CommandLine.Run("bench", "--layer", "mb2ic4oc4", "--algorithm", "fft").IsRefusedWith("fft", "direct");
        CommandLine.Run("bench", "--layer", "mb2ic4oc4", "--backends", "abacus").IsRefusedWith("abacus", "torchsharp");
    }
}
