using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>gradcheck</c> on itself: <c>--sweep</c>, <c>--canaries</c>, <c>--rules</c>.</summary>
public sealed class SelfCheckTests
{
    private const string Backends = "managed,native:scalar";

    private string _folder = null!;

    private string Log => Path.Combine(_folder, "sweep.jsonl");

    private string Document => Path.Combine(_folder, "report.md");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("convnet-selfcheck-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ASweepThatGoesOnFindsTheSameAsOneThatWasNotInterrupted()
    {
        string[] sweep = ["gradcheck", "--backends", Backends, "--json", "--seed", "3"];
        CommandLine.Run([.. sweep, "--sweep", "4", "--log", Log]);
        // As if the fourth case had been cut off while it was written.
        byte[] written = File.ReadAllBytes(Log);
        File.WriteAllBytes(Log, written[..^20]);
        JsonElement inTwoParts = CommandLine.Run([.. sweep, "--sweep", "7", "--log", Log]).Json(),
            inOne = CommandLine.Run([.. sweep, "--sweep", "7"]).Json();
        Assert.Multiple(() =>
        {
            Assert.That($"{inTwoParts}", Is.EqualTo($"{inOne}"));
            Assert.That(inOne.GetProperty("cases").GetInt32(), Is.EqualTo(7));
            Assert.That(inOne.GetProperty("falseAlarms").GetArrayLength(), Is.Zero);
            Assert.That(inOne.GetProperty("backends").EnumerateArray()
                .Select(backend => backend.GetProperty("name").GetString()), Is.EqualTo(Backends.Split(',')));
            Assert.That(File.ReadLines(Log).Count(), Is.EqualTo(1 + 7), "the backends and a line for every case");
        });
    }

    [Test]
    public void AWholeLogIsReadAndNothingIsCheckedAgain()
    {
        string[] sweep = ["gradcheck", "--sweep", "3", "--backends", Backends, "--log", Log];
        CommandLine first = CommandLine.Run(sweep);
        byte[] written = File.ReadAllBytes(Log);
        CommandLine second = CommandLine.Run(sweep);
        Assert.That(second.Output, Is.EqualTo(first.Output).And.Contain("3 random layers on 2 backends")
            .And.Contain("0 false alarms"));
        Assert.That(second.Error, Is.Empty, "no case to go through");
        Assert.That(File.ReadAllBytes(Log), Is.EqualTo(written));
    }

    [Test]
    public void AFalseAlarmIsExitCode1AndNamesTheCommandThatShowsIt()
    {
        CommandLine.Run("gradcheck", "--sweep", "2", "--backends", Backends, "--log", Log);
        File.WriteAllText(Log, File.ReadAllText(Log)
            .Replace("{\"verdict\":\"Pass\"", "{\"verdict\":\"Fail\"", StringComparison.Ordinal));
        CommandLine run = CommandLine.Run("gradcheck", "--sweep", "2", "--backends", Backends, "--log", Log);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(run.Output, Does.Contain("4 false alarms")
            .And.Contain($"convnet gradcheck --sweep 1 --seed 2 --backends {Backends}"));
    }

    [Test]
    public void CanariesAreCountedByLayerAndKind()
    {
        File.WriteAllText(Document, "before\n<!-- bench canaries -->\nearlier\n<!-- end -->\nafter\n");
        JsonElement json = CommandLine.Run("gradcheck", "--canaries", "--trials", "1", "--backends", "managed",
            "--json", "--update", Document).Json();
        JsonElement[] rows = [.. json.GetProperty("rows").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(json.GetProperty("missed").GetArrayLength(), Is.Zero);
            Assert.That(rows.Select(row => row.GetProperty("case").GetString()).Distinct().Count(),
                Is.EqualTo(Canary.Cases.Count + Canary.LongCases.Count));
            Assert.That(rows.Where(row => row.GetProperty("mode").GetString() == "exact"),
                Is.Not.Empty.And.All.Matches<JsonElement>(
                row => row.GetProperty("caught").GetInt32() == row.GetProperty("injected").GetInt32()));
            Assert.That(File.ReadAllText(Document), Does.StartWith("before\n").And.EndWith("after\n")
                .And.Contain("| term left out").And.Contain("gradcheck --canaries --trials 1")
                .And.Not.Contain("earlier"));
        });
    }

    [Test]
    public void WhatExactModeLetsThroughFailsTheCanaries()
    {
        var fault = new Fault(FaultKind.TermLeftOut, FaultTarget.WeightGradient, Seed: 3);
        SelfCheck result = CanaryTables.Of(new CanaryReport(
            [new CanaryRow("native/avx2", "conv 3×3", fault.Kind, fault.Target, CheckModes.Exact, Injected: 2,
                Caught: 1)],
            [new CanaryMiss("native/avx2", "conv 3×3", CheckModes.Exact, fault, ValuesSeed: 5, Index: 7)]));
        Assert.That(result.Failed);
        Assert.That(result.Findings, Is.EqualTo(new[] { "exact mode missed on native/avx2: term left out in "
            + "WeightGradient of conv 3×3, element 7, fault 3 on the values of seed 5" }));
    }

    [Test]
    public void RulesHaveATableOfFalseAlarmsAndOnesOfWhatTheyCatch()
    {
        SelfCheck result = RuleTables.Of(
        [
            new RuleRow("absolute 1e-3", 512, 1, FaultTarget.Output, null, "managed", Results: 4, Alarms: 0),
            new RuleRow("absolute 1e-3", 512, 1, FaultTarget.Output, FaultKind.TermLeftOut, "managed", Results: 3,
                Alarms: 1),
            new RuleRow("real mode", 512, 1, FaultTarget.Output, null, "managed", Results: 4, Alarms: 1),
        ]);
        Assert.Multiple(() =>
        {
            Assert.That(result.Failed, "real mode called a right result wrong");
            Assert.That(result.Markdown("abc", "./convnet gradcheck --rules"), Does.Contain("| absolute 1e-3")
                .And.Contain("33.3%").And.Contain("0 of 4").And.Contain("commit abc"));
        });
    }

    [TestCase("--sweep", "0")]
    [TestCase("--sweep", "2", "--canaries")]
    [TestCase("--log", "x.jsonl")]
    [TestCase("--canaries", "--trials", "0")]
    [TestCase("--canaries", "--update", "no-such-file.md")]
    public void WrongUsageIsRefused(params string[] args)
        => CommandLine.Run(["gradcheck", .. args, "--backends", "managed"]).IsRefusedWith();

    [Test]
    public void ALogOfOtherBackendsIsRefused()
    {
        CommandLine.Run("gradcheck", "--sweep", "1", "--backends", "managed", "--log", Log);
        CommandLine.Run("gradcheck", "--sweep", "1", "--backends", Backends, "--log", Log)
            .IsRefusedWith(Log, "managed, native:scalar");
    }

    [TestCase("null")]
    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("""{"seed":9,"layer":null,"kind":"conv","values":"Uniform","terms":3,"outcomes":[]}""")]
    [TestCase("""{"seed":9,"layer":"a","kind":"conv","values":"Uniform","terms":3,"outcomes":null}""")]
    [TestCase("""{"seed":9,"layer":"a","kind":"conv","values":"Uniform","terms":3,"outcomes":[null,null]}""")]
    [TestCase("""
        {"seed":9,"layer":"a","kind":"conv","values":"Uniform","terms":3,"outcomes":[
            {"verdict":"Pass","findings":null}]}
        """)]
    public void ALineThatIsNoCaseIsRefusedAndKept(string line)
    {
        string[] sweep = ["gradcheck", "--sweep", "1", "--backends", Backends, "--log", Log];
        CommandLine.Run(sweep);
        string text = $"{File.ReadAllText(Log)}{line}\n";
        File.WriteAllText(Log, text);
        CommandLine.Run(sweep).IsRefusedWith(Log, "not a sweep log");
        Assert.That(File.ReadAllText(Log), Is.EqualTo(text));
    }

    [TestCase("null\n")]
    [TestCase("{}\n")]
    [TestCase("dear diary")]
    [TestCase("dear diary\nnothing\n")]
    public void AFileThatIsNoLogIsRefusedAndKept(string text)
    {
        File.WriteAllText(Log, text);
        CommandLine.Run("gradcheck", "--sweep", "1", "--backends", Backends, "--log", Log)
            .IsRefusedWith(Log, "not a sweep log");
        Assert.That(File.ReadAllText(Log), Is.EqualTo(text));
    }
}
