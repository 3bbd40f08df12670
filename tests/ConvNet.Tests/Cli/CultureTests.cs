using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Cli.Verbs;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Reports;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Tests.Reports;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Numbers are read and written by the invariant culture, whatever the user's is: in every option, in every
/// file, in errors.</summary>
public sealed class CultureTests
{
    private static readonly string[] s_numbers = ["0.25", "1e-3", "2", "-3", "1.5"];

    private static IEnumerable<TestCaseData> NumericOptions => from verb in App.Describe().Subcommands.OfType<Verb>()
                                                               from option in verb.Options
                                                               where (Nullable.GetUnderlyingType(
                                                                   option.ValueType) ?? option.ValueType).IsPrimitive
                                                                   && option.ValueType != typeof(bool)
                                                               select new TestCaseData(verb.Name, option.Name)
                                                                   .SetArgDisplayNames(verb.Name, option.Name);

    [TestCaseSource(nameof(NumericOptions))]
    public void EveryNumericOptionIsReadAlike(string verb, string option)
    {
        foreach (string number in s_numbers)
        {
            string Read()
            {
                ParseResult command = App.Describe().Parse([verb, option, number]);
                var result = command.GetResult(option) as System.CommandLine.Parsing.OptionResult;
                return command.Errors.Any(error => error.SymbolResult == result)
                    ? "refused"
                    : string.Create(CultureInfo.InvariantCulture, $"{result!.GetValueOrDefault<object>():R}");
            }
            Assert.That(UnderComma(Read), Is.EqualTo(Read()), number);
        }
    }

    private static IEnumerable<TestCaseData> Texts
    {
        get
        {
            static TestCaseData Case(string name, Func<string> write)
                => new TestCaseData(write).SetArgDisplayNames(name);
            var graph = Sequential.Of(new Shape(2, 8, 8), new Conv2d(3, 3, padding: 1),
                new BatchNorm2d(momentum: 0.25f), new Dropout(0.5f), new Flatten(), new Linear(2));
            foreach ((string name, Page page) in SamplePages.All)
            {
                yield return Case($"HTML {name}", () => Written(stream => HtmlPage.Write(page, stream)));
                yield return Case($"Markdown {name}", () => Written(stream => MarkdownPage.Write(page, stream)));
            }
            yield return Case("graph", () => GraphJson.Write(graph));
            yield return Case("graph read", ()
                => GraphJson.Write(GraphJson.Read(Under(CultureInfo.InvariantCulture, () => GraphJson.Write(graph)),
                "here")));
            yield return Case("case file", () => ReadBack(path
                => GradientCaseFile.Save(path, new GraphGradientCase(graph,
                new GradientCheckOptions { Seed = 1_234_567 }))));
            yield return Case("case file read", () => Temporary(path =>
            {
                Under(CultureInfo.InvariantCulture, () => Done(()
                    => GradientCaseFile.Save(path, new GraphGradientCase(graph,
                    new GradientCheckOptions { Seed = 1_234_567 }))));
                return ReadBack(again => GradientCaseFile.Save(again, GradientCaseFile.Load(path)));
            }));
            yield return Case("saved model", () => Temporary(path =>
            {
                Save(path, graph);
                SavedModel saved = SavedModel.Load(path);
                return Convert.ToHexString(File.ReadAllBytes(path))
                    + JsonSerializer.Serialize(saved.Normalization!.Mean) + GraphJson.Write(saved.Graph);
            }));
            yield return Case("layer shape", ()
                => $"{LayerShape.Parse("mb2ic16ih14oc32kh3ph1")} {LayerShape.Parse("bnorm:mb4ic32ih7")} "
                + $"{Shape.Parse("3x1024x1024")}");
            yield return Case("Markdown of bench", ()
                => MarkdownReport.Of(SamplePages.BenchResult(), "abc", "convnet bench"));
            yield return Case("Markdown of compare", () => CompareMarkdown.Of(SamplePages.CompareResult("digits")));
            yield return Case("trace", ()
                => ReadBack(path => ChromeTrace.Write(path, [("a", "b", SamplePages.Profile("digits"))])));
            yield return Case("plan", () =>
            {
                using var backend = new NativeBackend(threads: 1);
                using NativePlan plan = backend.Compile(BuiltInModels.Create("digits"),
                    new TrainingSpec(32, new SoftmaxCrossEntropy(), new Sgd(0.9f)));
                PlanDescription description = plan.Explain();
                IEnumerable<PlannedCall> calls = description.Layers.SelectMany(layer => layer.Calls);
                return $"{description.Memory}{string.Join('\n', calls)}";
            });
            yield return Case("loss", () =>
            {
                using var backend = new ManagedBackend(threads: 1);
                using IExecutable network = backend.Compile(Sequential.Of(Shape.Vector(2), new Linear(2)),
                    new TrainingSpec(1, new SoftmaxCrossEntropy(), new Sgd()));
                network.Initialize(new HeNormal(1));
                var data = new ConvNet.Data.ArrayDataset(Shape.Vector(2), 2, [float.NaN, 1], [0]);
                return Assert.Throws<NonFiniteLossException>(()
                    => new Trainer(network, new TrainerOptions { LearningRate = 0.5f })
                        .Train(new ConvNet.Data.DataLoader(data, 1)))!.Message;
            });
            yield return Case("errors", () => string.Join('\n', ErrorsOf(
                () => new Sgd(1.5f),
                () => new Sgd(0.5f, -0.25f),
                () => new Dropout(1.5f),
                () => new BatchNorm2d(momentum: 1.5f),
                () => new BatchNorm2d(epsilon: -0.5f),
                () => new Shape(1 << 20, 1 << 20, 1),
                () => new ConvNet.Data.ArrayDataset(Shape.Vector(3), 2, new float[123_456], [0]))));
        }
    }

    [TestCaseSource(nameof(Texts))]
    public void WhatIsWrittenIsTheSame(Func<string> write)
        => Assert.That(UnderComma(write), Is.EqualTo(Under(CultureInfo.InvariantCulture, write)));

    [Test]
    public void ATrainingIsTheSame()
    {
        using var data = new TinyData();
        string Trained()
        {
            CommandLine run = CommandLine.Run("train", "--backend", "managed", "--data", data.Folder, "--model",
                data.Model, "--epochs", "1", "--lr", "0.005", "--momentum", "0.5", "--json");
            JsonElement json = run.Json();
            return $"{json.GetProperty("epochs")[0].GetProperty("loss")} {json.GetProperty("testAccuracy")} "
                + $"{run.Error.Split("epoch 1/1")[0]}";
        }
        Assert.That(UnderComma(Trained), Is.EqualTo(Trained()));
    }

    [Test]
    public void AProcessUnderGermanLocaleReadsAPoint()
    {
        using var folder = new TemporaryFolder();
        CommandResult run = Repository.Run(folder.Path, "dotnet",
            ["exec", typeof(App).Assembly.Location, "train", "--lr", "0,02"],
            new Dictionary<string, string?> { ["LANG"] = "de_DE.UTF-8", ["LC_ALL"] = "de_DE.UTF-8" });
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(run.Output, Does.Contain("--lr is \"0,02\"; it takes a finite number above 0, for example 0.02."));
    }

    private static IEnumerable<string> ErrorsOf(params Func<object>[] makers)
        => makers.Select(make => Assert.Catch<ArgumentException>(() => make())!.Message);

    private static string UnderComma(Func<string> action)
    {
        using var comma = new CommaCulture();
        return action();
    }

    private static T Under<T>(CultureInfo culture, Func<T> action)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = culture;
        try
        {
            return action();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static bool Done(Action action)
    {
        action();
        return true;
    }

    private static void Save(string path, Graph graph)
    {
        using var backend = new ManagedBackend(threads: 1);
        using IExecutable network = backend.CompileInference(graph, 1);
        network.Initialize(new HeNormal(1));
        SavedModel.Save(path, network, new ConvNet.Data.Normalization(255, [0.25f, 0.5f], [0.125f, 1.5f]));
    }

    private static string Temporary(Func<string, string> use)
    {
        using var folder = new TemporaryFolder();
        return use(folder.File("f"));
    }

    private static string ReadBack(Action<string> write) => Temporary(path =>
    {
        write(path);
        return File.ReadAllText(path);
    });

    private static string Written(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
