using System.Text.Json;
using System.Text.RegularExpressions;
using ConvNet.Cli;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>What docs/watching-a-run.md says about records and commands is so.</summary>
public sealed partial class WatchingPageTests
{
    private static readonly string s_page = File.ReadAllText(Repository.Path("docs", "watching-a-run.md"));

    [Test]
    public void TheTableHasTheKindsOfRecordsOfALog()
    {
        using var data = new TinyData();
        string log = data.File("log");
        CommandLine.Run("train", "--backend", "managed", "--data", data.Folder, "--model", data.Model, "--epochs", "1",
            "--batch", "8", "--log", log, "--log-norms", "5").Succeeds();
        IEnumerable<string> kinds = File.ReadLines(Path.Combine(log, TrainingLog.RecordsName)).Select(line =>
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.GetProperty("kind").GetString()!;
        }).Distinct();
        Assert.That(KindInTable().Matches(s_page).Select(match => match.Groups[1].Value), Is.EquivalentTo(kinds));
    }

    [Test]
    public void TheCommandsParse()
    {
        string[] lines = [.. s_page.Split('\n').Where(line => line.StartsWith("./convnet ", StringComparison.Ordinal))];
        Assert.That(lines, Has.Length.AtLeast(5));
        foreach (string line in lines)
            Assert.That(App.Describe().Parse(line.Split(' ')[1..]).Errors, Is.Empty, line);
    }

    [Test]
    public void TheExamplePassesRecordsOn()
    {
        using var backend = new ManagedBackend(threads: 1);
        using IExecutable network = backend.Compile(Sequential.Of(TinyData.Shape, new Flatten(),
            new Linear(TinyData.Classes)), new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        using var output = new StringWriter();
        TextWriter before = Console.Out;
        Console.SetOut(output);
        try
        {
            // <example>
            var options = new TrainingLogOptions { NormsEvery = 50, OnRecord = Console.WriteLine };
            var log = new TrainingLog(options);
            var trainer = new Trainer(network, new TrainerOptions { Epochs = 5, Callbacks = [log] });
            // </example>
            trainer.Train(new DataLoader(TinyData.Normalized(TinyData.TrainCount, 1), 8));
        }
        finally
        {
            Console.SetOut(before);
        }
        Assert.That(output.ToString().Split('\n'), Has.Length.GreaterThan(5 * 12)
            .And.Some.Contains("\"kind\":\"norms\""));
        string source = File.ReadAllText(Repository.Path("tests", "ConvNet.Tests", "Docs", "WatchingPageTests.cs"));
        string[] example = [.. source.Split('\n').SkipWhile(line => line.Trim() != "// <example>").Skip(1)
            .TakeWhile(line => line.Trim() != "// </example>").Select(line => line.Trim())];
        Assert.That(s_page, Does.Contain($"```csharp\n{string.Join('\n', example)}\n```"));
    }

    [GeneratedRegex(@"^\| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex KindInTable();
}
