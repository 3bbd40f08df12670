using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Models;
using ConvNet.Summaries;
using NUnit.Framework;
using Spectre.Console;

namespace ConvNet.Tests.Cli;

public sealed class SummaryTests
{
    // name, output, weights, biases, receptive field, multiply-adds; worked out by hand.
    private static readonly (string Name, int[] Output, long Weights, long Biases, int Field,
        long MultiplyAdds)[] LeNet5 =
    [
        ("conv1", [6, 28, 28], 150, 6, 5, 117_600),
        ("relu1", [6, 28, 28], 0, 0, 5, 0),
        ("maxpool1", [6, 14, 14], 0, 0, 6, 0),
        ("conv2", [16, 10, 10], 2_400, 16, 14, 240_000),
        ("relu2", [16, 10, 10], 0, 0, 14, 0),
        ("maxpool2", [16, 5, 5], 0, 0, 16, 0),
        ("flatten1", [400, 1, 1], 0, 0, 16, 0),
        ("linear1", [120, 1, 1], 48_000, 120, 32, 48_000),
        ("relu3", [120, 1, 1], 0, 0, 32, 0),
        ("linear2", [84, 1, 1], 10_080, 84, 32, 10_080),
        ("relu4", [84, 1, 1], 0, 0, 32, 0),
        ("linear3", [10, 1, 1], 840, 10, 32, 840),
    ];

    [Test]
    public void ALayerCountsWhatItsBackwardPassReads()
    {
        var summary = ModelSummary.Of(Sequential.Of(new Shape(3, 4, 4), new Conv2d(5, 3, padding: 1),
            new BatchNorm2d(),
            new Relu(), new MaxPool2d(2), new Flatten()));
        Assert.That(summary.Layers.Select(layer => layer.SavedBytes),
            Is.EqualTo((long[])[4 * 3 * 16, 4 * (5 * 16 + 2 * 5), 4 * 5 * 16, 4 * 5 * 16, 0]));
    }

    [Test]
    public void TheJsonHasEveryLayerOfLeNet5()
    {
        JsonElement json = CommandLine.Run("summary", "--model", "lenet5", "--json").Json();
        JsonElement[] layers = [.. json.GetProperty("layers").EnumerateArray()];
        Assert.That(layers, Has.Length.EqualTo(LeNet5.Length));
        for (int i = 0; i < layers.Length; i++)
        {
            (string name, int[] output, long weights, long biases, int field, long multiplyAdds) = LeNet5[i];
            Assert.Multiple(() =>
            {
                Assert.That(layers[i].GetProperty("name").GetString(), Is.EqualTo(name));
                Assert.That(layers[i].GetProperty("type").GetString(), Is.EqualTo(name[..^1]));
                Assert.That(layers[i].GetProperty("output").EnumerateArray().Select(size => size.GetInt32()),
                    Is.EqualTo(output), name);
                Assert.That(layers[i].GetProperty("weights").GetInt64(), Is.EqualTo(weights), name);
                Assert.That(layers[i].GetProperty("biases").GetInt64(), Is.EqualTo(biases), name);
                Assert.That(layers[i].GetProperty("parameters").GetInt64(), Is.EqualTo(weights + biases), name);
                Assert.That(layers[i].GetProperty("receptiveField").GetInt32(), Is.EqualTo(field), name);
                Assert.That(layers[i].GetProperty("multiplyAdds").GetInt64(), Is.EqualTo(multiplyAdds), name);
                Assert.That(layers[i].GetProperty("activationBytes").GetInt64(),
                    Is.EqualTo(4 * output[0] * output[1] * output[2]), name);
            });
        }
        JsonElement totals = json.GetProperty("totals");
        Assert.That(totals.GetProperty("parameters").GetInt64(), Is.EqualTo(61_706));
        Assert.That(totals.GetProperty("multiplyAdds").GetInt64(), Is.EqualTo(LeNet5.Sum(layer => layer.MultiplyAdds)));
    }

    [TestCaseSource(typeof(BuiltInModels), nameof(BuiltInModels.Names))]
    public void EveryBuiltInModelHasASummaryThatIsWholeAt80Columns(string model)
    {
        Graph graph = BuiltInModels.Create(model);
        using var output = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        console.Profile.Width = 80;
        Tables.Write(console, ModelSummary.Of(graph));
        Assert.That(output.ToString().Split('\n').Max(line => line.TrimEnd().Length), Is.LessThanOrEqualTo(80));
        Assert.That(output.ToString(), Does.Contain($"{graph.ParameterCount:N0}").And.Not.Contain("…"));
    }

    [Test]
    public void TheImageSizeChangesCostsButNotTheParametersOfConvolutions()
    {
        JsonElement small = Layer("3x64x64"), large = Layer("3x224x224");
        Assert.That(large.GetProperty("parameters").GetInt64(), Is.EqualTo(small.GetProperty("parameters").GetInt64()));
        Assert.That(large.GetProperty("multiplyAdds").GetInt64(),
            Is.GreaterThan(small.GetProperty("multiplyAdds").GetInt64()));

        static JsonElement Layer(string input) => CommandLine.Run("summary", "--model", "resnet18", "--input", input,
            "--json").Json().GetProperty("layers")[0];
    }

    [Test]
    public void PeopleSeeTheFormulaOfEverySizeAndTheTotals()
    {
        CommandLine run = CommandLine.Run("summary", "--model", "lenet5");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("(28 − 5 + 2·2) / 1 + 1 = 28").And.Contain("16·5·5 = 400")
            .And.Contain("61,706"));
    }

    [Test]
    public void ANarrowTerminalShowsTheFormulasInATableBelow()
    {
        using var output = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        console.Profile.Width = 80;
        Tables.Write(console, ModelSummary.Of(BuiltInModels.Create("resnet20")));
        string[] lines = output.ToString().Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(lines.Max(line => line.TrimEnd().Length), Is.LessThanOrEqualTo(80));
            Assert.That(output.ToString(), Does.Match(
                "\\n layer2\\.0\\.conv1 .* \\(32 − 3 \\+ 2·1\\) / 2 \\+ 1 = *\\n *16\\.5, rounded down *\\n"));
            Assert.That(lines, Has.Some.StartsWith(" layer1.0.add "));
            Assert.That(output.ToString(), Does.Contain("40,813,184").And.Not.Contain("…"));
        });
    }

    [Test]
    public void RowsAndColumnsHaveFormulasOfTheirOwnWhereTheyDiffer()
    {
        var graph = Sequential.Of(new Shape(1, 9, 7), new Conv2d(2, (3, 5), stride: (2, 1)));
        Assert.That(ModelSummary.Of(graph).Layers[0].Formula,
            Is.EqualTo("(9 − 3 + 2·0) / 2 + 1 = 4 × (7 − 5 + 2·0) / 1 + 1 = 3"));
    }

    [Test]
    public void AGraphWithBranchesSaysWhatEachLayerReads()
    {
        CommandLine run = CommandLine.Run("summary", "--model", "resnet20");
        Assert.That(run.Output, Does.Contain("layer1.0.add (layer1.0.bn2, relu)"));
    }

    [Test]
    public void ThePlanSaysForEveryLayerWhatRunsAndWhy()
    {
        JsonElement json = CommandLine.Run("summary", "--model", "lenet5", "--plan", "--batch", "4", "--json").Json();
        JsonElement conv = json.GetProperty("layers")[1], call = conv.GetProperty("calls")[0];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json),
                Is.EqualTo("model, purpose, isa, precision, threads, batchSize, layers, memory"));
            Assert.That(CommandLine.NamesOf(conv),
                Is.EqualTo("name, kind, fused, reads, writes, gradient, weights, calls"));
            Assert.That(CommandLine.NamesOf(call), Is.EqualTo("pass, kernel, algorithm, reason, flops, bytes, "
                + "workspaceBytes, threads"));
            Assert.That(json.GetProperty("purpose").GetString(), Is.EqualTo("training"));
            Assert.That(json.GetProperty("memory").GetProperty("arena").GetInt64(), Is.Positive);
        });
    }

    [Test]
    public void PeopleSeeThePlanOfInferenceAsATable()
    {
        CommandLine run = CommandLine.Run("summary", "--model", "lenet5", "--plan", "--batch", "4", "--inference");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("conv1 + relu1").And.Contain("direct, pixels in the lanes")
            .And.Contain("arena")
            .And.Not.Contain("backward"));
    }

    [Test]
    public void ThePlanOfTorchSharpSaysForEveryLayerWhichCallItIsAndWhatIsPaddedAndWhy()
    {
        JsonElement json = CommandLine.Run("summary", "--model", "lenet5", "--plan", "--backend", "torchsharp:padded",
            "--batch", "4", "--json").Json();
        string[] calls = [.. json.GetProperty("layers").EnumerateArray()
            .Select(layer => $"{layer.GetProperty("name")}: {layer.GetProperty("calls")[0].GetProperty("kernel")}")];
        JsonElement conv = json.GetProperty("layers")[0].GetProperty("calls")[0];
        Assert.Multiple(() =>
        {
            Assert.That(calls.Take(3), Is.EqualTo((string[])["conv1: conv2d", "relu1: relu", "maxpool1: max_pool2d"]));
            Assert.That(conv.GetProperty("algorithm").GetString(),
                Is.EqualTo("padded with zeros: 16 filters instead of 6"));
            Assert.That(conv.GetProperty("reason").GetString(), Does.StartWith("6 filters do not fill blocks of 16")
                .And.Contain("hides its cache sizes"));
        });
        CommandLine people = CommandLine.Run("summary", "--model", "lenet5", "--plan", "--backend",
            "torchsharp:unpadded", "--batch", "4");
        Assert.That(people.Output, Does.Contain("conv2d backward").And.Contain("autograd").And.Not.Contain("padded"));
    }

    [Test]
    public void ABackendWithoutAPlanIsRefused()
        => CommandLine.Run("summary", "--plan", "--backend", "managed")
            .IsRefusedWith("managed", "--backend native or torchsharp");

    [Test]
    public void APlanThatNoMachineHasTheMemoryForIsShown()
    {
        string[] words = ["summary", "--model", "resnet18", "--plan", "--batch", "2000", "--json"];
        JsonElement json = CommandLine.Run(words).Json();
        Assert.That(json.GetProperty("memory").GetProperty("total").GetInt64(), Is.GreaterThan(20_000_000_000));
    }

    [Test]
    public void AnImageThatANetworkDoesNotTakeIsOneLineWithSizesThatFit()
    {
        CommandLine run = CommandLine.Run("summary", "--model", "vgg11", "--input", "3x40x100");
        run.IsRefusedWith("does not accept 3×40×100", "features.10", "Images of 3×32×96 and 3×64×128 fit");
        Assert.That(run.Error, Does.Not.Contain("(Parameter").And.Not.Contain("rounding"));
        Assert.That(CommandLine.Run("summary", "--model", "vgg11", "--input", "3x64x128").ExitCode, Is.Zero);
    }
}
