using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Tests.Contract;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Cases on the command line: from files, from the generator, and those that failures leave.</summary>
public sealed class GradcheckCaseTests
{
    [Test]
    public void RandomGraphsGoByTheirSeeds()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--random", "3", "--seed", "7", "--backends",
            "managed,native:scalar", "--mode", "exact", "--json").Json();
        Assert.That(json.GetProperty("verdict").GetString(), Is.EqualTo("pass"));
        Assert.That(json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("layer").GetString())
            .Distinct(),
            Is.EqualTo((string[])["random graph 7", "random graph 8", "random graph 9"]));
        Assert.That(json.GetProperty("layers").EnumerateArray().Count(), Is.EqualTo(3 * 2 * 2),
            "three graphs, two backends, layers and segments");
        Assert.That(json.GetProperty("caseFile").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void ACaseIsCheckedAsItsFileSays()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("case.json");
        var made = new LayerGradientCase(new Conv2d(5, 3), [new Shape(2, 4, 7)],
            new GradientCheckOptions { Modes = CheckModes.Real, BatchSize = 3 });
        GradientCaseFile.Save(file, made);
        JsonElement layer = CommandLine.Run("gradcheck", "--case", file, "--backends", "native:scalar", "--json").Json()
            .GetProperty("layers").EnumerateArray().Single();
        Assert.That((layer.GetProperty("layer").GetString(), layer.GetProperty("mode").GetString()),
            Is.EqualTo((file, "real")));
        Assert.That(layer.GetProperty("tensors")[0].GetProperty("elements").GetInt32(), Is.EqualTo(3 * 5 * 2 * 5),
            "a batch of three");
    }

    [Test]
    public void AWrongCaseIsRefused()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("case.json");
        File.WriteAllText(file, GradientCaseFile.Write(RandomCases.Graph(3))[..200]);
        CommandLine.Run("gradcheck", "--case", file, "--json").IsRefusedWith(file, "is not valid JSON");
        CommandLine.Run("gradcheck", "--case", folder.File("none.json")).IsRefusedWith("none.json");
        CommandLine.Run("gradcheck", "--random", "0").IsRefusedWith("--random is \"0\"");
    }

    [Test]
    public void AFileForTheCaseThatIsThereIsLeftAlone()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("case.json");
        File.WriteAllText(file, "mine");
        CommandLine.Run("gradcheck", "--random", "1", "--case-out", file).IsRefusedWith(file, "already exists");
        Assert.That(File.ReadAllText(file), Is.EqualTo("mine"));
    }

    [Test]
    public void AFailureOfALayerGivesALineWithItsDescriptorAndAFile()
    {
        using var folder = new TemporaryFolder();
        var fault = new Fault(FaultKind.TermLeftOut, FaultTarget.WeightGradient);
        using var variant = new BackendVariant("managed", new FaultyBackend(new ManagedBackend(threads: 1), fault));
        Reproduction again = Reproduce(folder, variant, Sequential.Of(new Shape(3, 9, 8), new Conv2d(5, 3, padding: 1),
            new Relu(), new MaxPool2d(2, rounding: Rounding.Floor), new Flatten(), new Linear(4)));
        Assert.That(again.Command, Is.EqualTo("convnet gradcheck --layer mb1ic1ih1oc1oh1kh1ph0 --mode exact --seed 1 "
            + "--batch 1 --backends managed --threads 1"));
        Assert.That(GradientCaseFile.Load(again.CaseFile).Run([variant]).Verdict, Is.EqualTo(Verdict.Fail),
            "the file fails as well");
        RunsAndPassesWithoutTheFault(again);
    }

    [Test]
    public void AFailureOfSeveralLayersGivesALineWithTheFile()
    {
        using var folder = new TemporaryFolder();
        using var variant = new BackendVariant("managed", new PlantedBackend(new ManagedBackend(threads: 1),
            new Fault(FaultKind.SignFlipped, FaultTarget.InputGradient),
            graph => graph.Nodes.Any(node => node.Layer is Relu && node.Inputs[0].Layer is Conv2d)));
        Reproduction again =
            Reproduce(folder, variant, Sequential.Of(new Shape(3, 9, 8), new MaxPool2d(2, rounding: Rounding.Floor),
            new Conv2d(5, 3, padding: 1), new Relu(), new Flatten(), new Linear(4)));
        Assert.That(again.Command, Is.EqualTo($"convnet gradcheck --case {again.CaseFile} --backends managed "
            + "--threads 1"));
        Assert.That(GradientCaseFile.Load(again.CaseFile).Run([variant]).Verdict, Is.EqualTo(Verdict.Fail));
        RunsAndPassesWithoutTheFault(again);
    }

    private static Reproduction Reproduce(TemporaryFolder folder, BackendVariant variant, Graph graph)
    {
        var subject = new Subject("network", new GraphGradientCase(graph, new GradientCheckOptions()));
        GradientReport report = subject.Check([variant]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        Reproduction? again = Reproduction.Of(subject, report, [variant], Precision.Fast, folder.File("failure.json"),
            TestContext.Out.WriteLine);
        Assert.That(again, Is.Not.Null);
        return again!;
    }

    private static void RunsAndPassesWithoutTheFault(Reproduction again)
    {
        string[] words = again.Command.Split(' ');
        Assert.That(words[0], Is.EqualTo("convnet"));
        CommandLine run = CommandLine.Run(words[1..]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("pass: "));
    }
}
