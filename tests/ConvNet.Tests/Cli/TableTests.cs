using System.Globalization;
using System.Text.RegularExpressions;
using ConvNet.Backends;
using ConvNet.Cli;
using ConvNet.Cli.Gradcheck;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Summaries;
using ConvNet.Tests.Reports;
using ConvNet.Training;
using NUnit.Framework;
using Spectre.Console;

namespace ConvNet.Tests.Cli;

/// <summary>Every table that people see is whole on every terminal.</summary>
public sealed partial class TableTests
{
    private const int Wide = 4000;

    private static readonly Lazy<SelfCheck> s_sweep = new(() =>
    {
        using var managed = new BackendVariant("managed", new ManagedBackend());
        using var native = new BackendVariant("native:scalar", new NativeBackend(threads: null, NativeIsa.Scalar));
        using var nowhere = new LossyWriter(TextWriter.Null);
        return Sweep.Run(2, 1, [managed, native], null,
            new Terminal(nowhere, nowhere, json: false, new FilesWritten(), CancellationToken.None));
    });

    private static readonly (string Name, Action<IAnsiConsole> Write)[] s_tables =
    [
        ("train: summary of lenet5", people => Tables.Write(people, ModelSummary.Of(BuiltInModels.Create("lenet5")))),
        ("summary of vgg11", people => Tables.Write(people, ModelSummary.Of(BuiltInModels.Create("vgg11")))),
        ("summary of resnet20", people => Tables.Write(people, ModelSummary.Of(BuiltInModels.Create("resnet20")))),
        ("confusion matrix", people => people.Write(Tables.Of(Confusion(), []))),
        ("plan of training", people => WritePlan(people, training: true)),
        ("plan of inference", people => WritePlan(people, training: false)),
        ("plan of torchsharp", WriteTorchPlan),
        ("backends", people => people.Write(BackendsVerb.TableOf(Backends()))),
        ("doctor", people => DoctorVerb.Write(people, Backends())),
        ("gradcheck", people => GradcheckTable.Write(people, Check(), details: false)),
        ("gradcheck --details", people => GradcheckTable.Write(people, Check(), details: true)),
        ("gradcheck --canaries", people => CanaryTables.Of(Canaries()).Write(people)),
        ("gradcheck --rules", people => RuleTables.Of(Rules()).Write(people)),
        ("gradcheck --sweep", people => s_sweep.Value.Write(people)),
        ("bench", people => BenchTables.Write(people, SamplePages.BenchResult())),
        ("bench --profile", people => BenchTables.Write(people, Profiled())),
        ("import", people => people.Write(ImportVerb.TableOf([new("", "Exp", "no layer computes it", ["layers.0.exp"]),
            new("com.microsoft", "FusedConv", "the domain com.microsoft is not known", ["a.b.c.d.e.f.g.h.i", "b"])]))),
        ("onnx-conformance", people => people.Write(OnnxConformanceVerb.TableOf([.. Conformance()]))),
        ("compare", people => CompareTables.Write(people, SamplePages.CompareResult("resnet20"))),
    ];

    private static IEnumerable<ConformanceResult> Conformance()
    {
        var each = new ConformanceCase("node", "test", "folder");
        yield return new ConformanceResult(each, ConformanceOutcome.Passed, []);
        yield return new ConformanceResult(each, ConformanceOutcome.Unsupported, [("MeanVarianceNormalization",
            "no layer computes it"), ("Conv", "it works on a tensor of 5 dimensions; maps have 4")]);
    }

    private static IEnumerable<TestCaseData> Cases => from table in s_tables
                                                      from width in (int[])[80, 100, 120, 200]
                                                      select new TestCaseData(table.Write,
                                                          width).SetArgDisplayNames(table.Name, $"{width}");

    [TestCaseSource(nameof(Cases))]
    public void ATableIsWhole(Action<IAnsiConsole> write, int width)
    {
        string text = Render(write, width);
        string[] lines = text.Split('\n');
        ILookup<string, string> shown = Words(text).ToLookup(word => word);
        string unbroken = string.Concat(Words(text));
        IEnumerable<string> lost = Words(Render(write, Wide)).GroupBy(word => word)
            .Where(word => word.Key.Length <= width ? shown[word.Key].Count() < word.Count()
                : !unbroken.Contains(word.Key, StringComparison.Ordinal))
            .Select(word => word.Key);
        Assert.Multiple(() =>
        {
            Assert.That(lines.Where(line => line.TrimEnd().Length > width), Is.Empty,
                "lines that the terminal would break");
            Assert.That(lost, Is.Empty, "words and numbers that are cut or broken");
            Assert.That(Words(text), Has.None.EqualTo("…"));
            Assert.That(shown, Has.Count.GreaterThan(10), text);
        });
    }

    [Test]
    public void ANameOfAnyLengthAndANarrowTerminalLeaveATableWhole([Values(20, 40, 80)] int width)
    {
        string name = string.Concat(Enumerable.Range(0, 60).Select(i => $"part{i}"));
        var table = new TextTable(1, "layer", TableHead.Figure("weights"), TableHead.Prose("why"));
        table.Add(name, "118,013,952", "nothing else would have had room");
        string text = Render(people => people.Write(table), width);
        Assert.That(text.Split('\n').Select(line => line.TrimEnd().Length), Is.All.LessThanOrEqualTo(width));
        Assert.That(string.Concat(Words(text)), Does.Contain(name));
        Assert.That(Words(text), Has.Some.EqualTo("118,013,952").And.Some.EqualTo("room"));
    }

    [Test]
    public void ATableWithoutRowsHasItsHeads()
        => Assert.That(Words(Render(people => people.Write(new TextTable(1, "layer", "output")), 80)),
            Is.EqualTo((string[])["layer", "output"]));

    [Test]
    public void ACommandToCopyIsOneLine()
    {
        GradcheckResult failed = Check() with
        {
            Reproduce = $"convnet gradcheck --case {new string('a', 100)}.json "
            + "--backends managed"
        };
        Assert.That(Render(people => GradcheckTable.Write(people, failed, details: false), 80).Split('\n'),
            Has.One.EqualTo($"reproduce: {failed.Reproduce}"));
    }

    [Test]
    public void TheBarIsOneLineAndEveryEpochStays([Values(80, 100, 200)] int width)
    {
        string[] lines = Train(width, height: 24);
        string[] bars = [.. lines.Where(line => line.Contains('━'))];
        Assert.Multiple(() =>
        {
            Assert.That(bars, Is.Not.Empty.And.All.Length.LessThanOrEqualTo(width).And.Some.Contains("loss 12.3456")
                .And.None.Contains("…"));
            Assert.That(Epochs(lines), Is.EqualTo(TenEpochs));
        });
    }

    [Test]
    public void EveryEpochStaysOnATerminalOfAnyHeight([Range(1, 8)] int height)
        => Assert.That(Epochs(Train(80, height)), Is.EqualTo(TenEpochs));

    private static IEnumerable<string> TenEpochs => Enumerable.Range(1, 10).Select(epoch
        => $"epoch {epoch}/10  loss 0.5000  train 100.00%  test 90.00%  12.34 s  123,456 images/s");

    private static IEnumerable<string> Epochs(string[] lines) => lines.Select(line => line.TrimEnd())
        .Where(line => line.StartsWith("epoch ", StringComparison.Ordinal));

    // Trains for ten epochs on a terminal and returns what it shows, without escape sequences.
    private static string[] Train(int width, int height)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole people = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(output),
        });
        (people.Profile.Width, people.Profile.Height) = (width, height);
        var trained = new TrainingResult([], null);
        var tenEpochs = new TrainerOptions { Epochs = 10, LearningRate = 0.1f };
        TrainingResult result = TrainProgress.Bar(people, tenEpochs, "test", options =>
        {
            for (int epoch = 1; epoch <= 10; epoch++)
            {
                options.OnStep?.Invoke(new StepReport(epoch, epoch, 10, 12.3456, 12.3456, 1, 1_234_567));
                options.OnEpoch!(new EpochReport(epoch, 0.5, 1, 0.9, 12.34, 123_456));
            }
            return trained;
        });
        Assert.That(result, Is.SameAs(trained));
        return [.. Escape().Replace(output.ToString(), "").Split('\n', '\r')];
    }

    private static string Render(Action<IAnsiConsole> write, int width)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole people = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(output)
        });
        people.Profile.Width = width;
        write(people);
        return output.ToString();
    }

    // Heads of paragraphs end in a colon.
    private static IEnumerable<string> Words(string text)
        => text.Split((char[])[' ', '\n', '\r', '─'], StringSplitOptions.RemoveEmptyEntries).Select(word
            => word.TrimEnd(':'));

    // Ten classes with thousands of images each: the scores are the pixels.
    private static Evaluation Confusion()
    {
        const int classes = 10, each = 1234;
        float[] pixels = new float[classes * classes * each];
        int[] labels = [.. Enumerable.Range(0, classes * each).Select(i => i % classes)];
        for (int i = 0; i < labels.Length; i++)
            pixels[i * classes + (i % 7 == 0 ? i / classes % classes : labels[i])] = 1;
        using var managed = new ManagedBackend();
        using IExecutable network = managed.CompileInference(Sequential.Of(Shape.Vector(classes), new Flatten()), 64);
        return Evaluation.Of(network,
            new DataLoader(new ArrayDataset(Shape.Vector(classes), classes, pixels, labels), network.BatchSize));
    }

    private static void WritePlan(IAnsiConsole people, bool training)
    {
        using var native = new NativeBackend();
        Graph graph = BuiltInModels.Create("resnet20");
        using NativePlan plan = training ? native.Compile(graph, new TrainingSpec(2, new SoftmaxCrossEntropy(),
            new Sgd(0.9f))) : native.CompileInference(graph, 2);
        PlanTable.Write(people, plan.Explain());
    }

    private static void WriteTorchPlan(IAnsiConsole people)
    {
        using var torch = new TorchSharpBackend(padding: ChannelPadding.Always);
        PlanTable.Write(people, torch.Explain(BuiltInModels.Create("resnet20"),
            new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd(0.9f))));
    }

    private static BackendProbe[] Backends() =>
    [
        new("managed", true, "0.1.0", "vector256", "accurate", 2, null, null, null,
            new SelfTestResult(true, 24_464, 501,
            "passed its self-test of 24,464 values in 501 ms"), []),
        new("native", true, "0.1.0", "avx512", "fast", 128,
            "/home/somebody/source/repositories/convnative/src/ConvNet.Cli/bin/Release/net10.0/runtimes/linux-x64"
                + "/native/libconvnet.so", 3_123_456, null,
            new SelfTestResult(false, 24_464, 326, "dw of conv1, element 12, is 3 and should be 4"),
            [new BackendLimit("128 threads run on 2 processors.",
                "The threads share the processors, and each call waits for the slowest of them.",
                "Use at most 2 threads, or do not set the number.")]),
        new("torchsharp", false, null, null, null, null, null, null,
            "This build has no libtorch; eng/setup torch installs one and the next build finds it.", null, []),
    ];

    private static GradcheckResult Check()
    {
        TensorReport right = new("gradient of layer1.0.conv1.weight", 11_796_480, 0.123, 1_234_567, 118_013_952,
            -1.23456789e-5, -1.23456788e-5, 0, 0);
        TensorReport wrong = right with { Name = "dw", WorstInBounds = double.PositiveInfinity, Failed = 12_345_678 };
        string[] names = ["managed", "native:avx512", "native:avx2", "native:scalar", "native:accurate", "torchsharp"];
        LayerReport[] layers =
        [
            .. from layer in (string[])["conv1", "layer1.0.conv1…layer4.1.conv2", "a layer between others"]
               from mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real, CheckModes.EndToEnd]
               from name in names
               select new LayerReport(name, layer, "conv", mode, [right,
                   name == "native:avx2" ? wrong : right with { Name = "dx" }]),
            new LayerReport("reference", "conv1", "conv", CheckModes.ForwardMode, [right]),
        ];
        return new GradcheckResult("resnet18", [], new GradientReport(layers,
            [new ExactGap("bn1", "its mean rounds on whole numbers")]), TimeSpan.FromSeconds(12), null);
    }

    private static CanaryReport Canaries() => new(
        [.. from layer in Canary.Cases.Concat(Canary.LongCases)
            from kind in Enum.GetValues<FaultKind>()
            from mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real]
            select new CanaryRow("native:avx512", layer.Name, kind, FaultTarget.Output, mode, Injected: 1_234,
                Caught: mode == CheckModes.Exact ? 1_234 : 1_233)], []);

    private static RuleRow[] Rules() =>
    [
        .. from rule in RuleComparison.Rules
           from terms in RuleComparison.Lengths
           from scale in RuleComparison.Scales
           from kind in Enum.GetValues<FaultKind>().Select(kind => (FaultKind?)kind).Prepend(null)
           select new RuleRow(rule, terms, scale, FaultTarget.Output, kind, "managed", Results: 12_345,
               Alarms: kind is null ? 0 : 12_345),
    ];

    private static BenchResult Profiled()
    {
        BenchResult result = SamplePages.BenchResult();
        return result with
        {
            Rows = [.. result.Rows.Select(row => row.Case.Shape is null && row.Backend == "native"
            ? row with { Profile = SamplePages.Profile("resnet20") } : row)]
        };
    }

    [GeneratedRegex("\u001b\\[[0-9;?]*[A-Za-z]")]
    private static partial Regex Escape();
}
