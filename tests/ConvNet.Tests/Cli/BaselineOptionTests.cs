using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Accepted deviations on the command line.</summary>
public sealed class BaselineOptionTests
{
    private static readonly string[] s_check =
        ["gradcheck", "--layer", "mb2ic3ih8oc4kh3", "--backends", "managed", "--mode", "exact"];

    [Test]
    public void AnUpdateCreatesAFileThatTheNextRunReads()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("accepted.json");
        CommandLine made = Run("--baseline", file, "--update-baseline", "--expires", "2999-12-31", "--reason", "none");
        made.Succeeds();
        Assert.That(made.Error, Does.Contain($"{file}: 0 accepted deviations, 0 removed"));
        Assert.That(BaselineFile.Load(file).Deviations, Is.Empty);
        Run("--baseline", file).Succeeds();
    }

    [Test]
    public void EntriesThatCoverNoDeviationAreReportedAndRemovedByAnUpdate()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("accepted.json");
        AcceptedDeviation gone = new("managed", "fixed", DateOnly.MaxValue) { Layer = "mb2*" },
            elsewhere = new("torchsharp", "reported", DateOnly.MaxValue) { Layer = "mb2*" };
        BaselineFile.Save(file, new Baseline(gone, elsewhere));
        JsonElement unneeded = Run("--baseline", file, "--json").Json().GetProperty("unneeded");
        Assert.That(unneeded.EnumerateArray().Select(each => (each.GetProperty("entry").GetProperty("backend")
            .GetString(), each.GetProperty("compared").GetBoolean())),
            Is.EqualTo(((string?, bool)[])[("managed", true), ("torchsharp", false)]));
        CommandLine updated = Run("--baseline", file, "--update-baseline", "--expires", "2999-12-31", "--reason", "x");
        Assert.That(updated.Error, Does.Contain("1 accepted deviation, 1 removed"));
        Assert.That(BaselineFile.Load(file).Deviations, Is.EqualTo((AcceptedDeviation[])[elsewhere]));
    }

    [Test]
    public void DeviationsOfSeveralSubjectsAreUpdatedTogether()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("accepted.json");
        LayerReport[] wrong = [Wrong("conv1"), Wrong("conv2")];
        var update = new BaselineUse(file, new Baseline(), ("reported", DateOnly.MaxValue));
        Assert.That(wrong.Select(layer => update.Accepted(new GradientReport([layer], [])).Verdict),
            Is.All.EqualTo(Verdict.Accepted));
        using var output = new StringWriter();
        using LossyWriter writer = new(output);
        Terminal terminal = new(writer, writer, json: false, new FilesWritten(), CancellationToken.None);
        Assert.That(update.Finish(terminal), Is.Empty);
        Assert.That(BaselineFile.Load(file).Deviations.Select(each => each.Layer),
            Is.EqualTo((string[])["conv1", "conv2"]));
        // An entry that only one of the subjects needs is needed.
        var use = new BaselineUse(file, BaselineFile.Load(file), null);
        Assert.That(wrong.Select(layer => use.Accepted(new GradientReport([layer], [])).Verdict),
            Is.All.EqualTo(Verdict.Accepted));
        Assert.That(use.Finish(terminal), Is.Empty);
    }

    [TestCase("--update-baseline", "--update-baseline requires --baseline FILE.")]
    [TestCase("--expires 2999-01-01", "--expires requires --update-baseline.")]
    [TestCase("--reason x", "--reason requires --update-baseline.")]
    [TestCase("--baseline FILE", "does not exist. --update-baseline --expires DATE --reason TEXT creates it")]
    [TestCase("--baseline FILE --update-baseline --reason x", "--update-baseline requires --expires DATE")]
    [TestCase("--baseline FILE --update-baseline --expires 2999-01-01", "--update-baseline requires --reason TEXT")]
    [TestCase("--baseline FILE --update-baseline --reason x --expires soon",
        "--expires is \"soon\"; it must be a date")]
    [TestCase("--baseline FILE --update-baseline --reason x --expires 2020-01-01", "2020-01-01, which has passed")]
    [TestCase("--baseline FILE --junit FILE", "--junit and --baseline name the same file")]
    public void WrongOptionsAreRefused(string options, string message)
    {
        using var folder = new TemporaryFolder();
        Run([.. options.Split(' ').Select(word => word == "FILE" ? folder.File("accepted.json") : word)])
            .IsRefusedWith(message);
        Assert.That(folder.File("accepted.json"), Does.Not.Exist);
    }

    [Test]
    public void AWrongFileIsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("accepted.json"), "{ \"format\": \"convnet-gradient-case\" }");
        Run("--baseline", folder.File("accepted.json")).IsRefusedWith("accepted.json", "a baseline of accepted "
            + "deviations has \"convnet-gradient-baseline\"");
    }

    private static CommandLine Run(params string[] options) => CommandLine.Run([.. s_check, .. options]);

    private static LayerReport Wrong(string name) => new("theirs", name, "conv", CheckModes.Real,
        [new TensorReport("dw", 10, 3, 1, 3, 1, 2, 10, 0)]);
}
