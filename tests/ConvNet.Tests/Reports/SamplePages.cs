using ConvNet.Data;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Profiling;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Summaries;
using ConvNet.Training;

namespace ConvNet.Tests.Reports;

/// <summary>Pages as the verbs write them, of invented figures; one of them of names that would harm a page that does
/// not escape them.</summary>
internal static class SamplePages
{
    public const string HostileName = "</script></title><script>alert(1)</script><img src=x "
        + "onerror='alert(2)'>&amp;\"'|`*[x](javascript:y)\u001b[31m\uD800é日本";

    public static Origin Origin { get; } = new("./convnet bench --layer 'mb2ic4oc4n\"a b\"'", "abc1234",
        new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public static IReadOnlyDictionary<string, Page> All { get; } = new Dictionary<string, Page>
    {
        ["bench"] = Bench(),
        ["compare"] = Compare("resnet20"),
        ["hostile"] = Compare(HostileName),
        ["roofline"] = new Page("Roofline", "Many layers.", [Roofline(), new RawData(new { })]),
        ["show"] = Show(),
        ["train"] = Train(epochs: 12),
        ["train-one-epoch"] = Train(epochs: 1),
    };

    public static BenchResult BenchResult()
    {
        Case[] cases =
        [
            .. from text in (string[])["mb8ic64ih28oc64oh28kh3ph1", "mb64ic4096oc4096n\"fc7\"",
                "mb2ic16ih40oc158oh40kh3ph1"] from pass in (BenchPass[])[BenchPass.Forward, BenchPass.BackwardWeights]
               select Case.Of(LayerShape.Parse(text), pass, 2),
            .. from batch in (int[])[1, 64] from pass in (BenchPass[])[BenchPass.Train, BenchPass.Infer] from threads
                in (int[])[1, 2] select Case.Of("lenet5", batch, pass, threads),
        ];
        Row RowOf(Case of, string backend, double ms) => new(of, backend, "direct", ms, 0.9 * ms, 300 / ms, 90 / ms,
            1e3 * of.Batch / ms, of.Shape is null ? 12.6 : null);
        return new BenchResult(new Dictionary<int, double> { [1] = 180, [2] = 357 }, 0.91, 52.3,
            [.. cases.SelectMany((of, i) => (Row[])[RowOf(of, "native", 1 + 0.1 * i),
                RowOf(of, "torchsharp", 3 + 0.05 * i), RowOf(of, "managed", 40)])],
            [.. cases.SelectMany(
                (of, i) => (Ratio[])[new(of, "native", "torchsharp", 0.6 + 0.4 * i, 0.5 + 0.4 * i, 0.9 + 0.4 * i),
                new(of, "native", "managed", 40, 35, 44)])],
            [new Skip(cases[0], "libtorch", "it has no layers")],
            new Dictionary<string, string>
            {
                ["native"] = "native 0.1.0 (avx512)",
                ["torchsharp"] = "torchsharp 0.107.0, libtorch 2.10.0"
            });
    }

    private static Page Bench()
    {
        BenchResult result = BenchResult();
        return BenchPage.Of(result, Origin,
            new { rows = result.Rows.Select(row => new { row.Backend, row.MedianMs }) });
    }

    private static Page Compare(string model)
        => ComparePage.Of(CompareResult(model),
        [new ProfiledRun($"native, {model}, batch 64, train, 2 threads", Profile(model), new Roofline(357, 52.3))],
        Origin);

    public static CompareResult CompareResult(string model)
    {
        Speed Fast(double images) => new(new(images, 0.98 * images, 1.03 * images), new(1000 / images, null, null),
            64e3 / images, 7, images / 5, images / 20, 812, images / 30);
        CompareRow RowOf(string backend, int threads, double images) => new(backend, threads)
        {
            Library = $"{backend} 0.1.0",
            Gradients = new(backend.EndsWith("accurate", StringComparison.Ordinal) ? GradientVerdict.Wrong
                : GradientVerdict.Right, 1000, 0, $"the weights of {model} are off by 12 bounds"),
            Training = Fast(images),
            Inference = backend == "managed" ? null : Fast(4 * images),
            Latency = new(1000 / images, images > 100 ? 1800 / images : null, 3000 / images, 200),
            FirstStep = new(900, 120, 12.5),
            PeakMemoryMB = 1e5 / images,
        };
        CompareRow[] rows = [.. from threads in (int[])[1, 2] from backend
            in (string[])["native", "native:accurate", "torchsharp", "managed"]
                                select RowOf(backend, threads, threads * backend.Length * 37.5)];
        BatchComparison Of(int batch, NoiseVerdict noise)
            => new(batch, 42, 60, rows, [new Absence("onednn", null, "all", $"the program cannot read {model}")],
            new Noise(noise, 0.4, 0.93, "Other processes kept 0.4 processors busy."),
                new("native", 2, Confidence.Clear, "it is the fastest",
                $"Take native with 2 threads for {model}: it is 2.1 times as fast as torchsharp."));
        return new(model, "3x32x32", 272_474, new MachineFacts("A processor", 2, "Linux", ".NET 10",
            [new(1, 180), new(2, 357)], 52.3), "abc1234", $"./convnet compare --model {model}",
            [Of(64, NoiseVerdict.Busy), Of(1, NoiseVerdict.Quiet)]);
    }

    public static NetworkProfile Profile(string model)
    {
        LayerProfile[] layers =
        [
            .. from i in Enumerable.Range(1, 20)
               from pass in (ProfiledPass[])[ProfiledPass.Forward, ProfiledPass.BackwardData,
                   ProfiledPass.BackwardWeights]
               let ms = 0.2 + 0.13 * (i % 7) * (int)pass
               select new LayerProfile($"conv{i}", "conv", [$"relu{i}"], pass, "conv forward", "winograd4", "",
                   "16×32×32 → 16×32×32", 60_000_000 * i, 8_000_000 + 100_000 * i, 2) { Calls = 20, MedianMs = ms,
                   TotalMs = 20 * ms },
            new LayerProfile(model, "maxpool", [], ProfiledPass.Forward, "max pool", "", "", "16×32×32 → 16×16×16", 0,
                5_000_000, 2) { Calls = 20, MedianMs = 0.4, TotalMs = 8 },
        ];
        return new NetworkProfile(20, 20 * 61, 60.5, layers, []);
    }

    public static RooflineChart Roofline()
    {
        var random = new Random(3);
        RooflinePoint[] points = [.. from layer in Enumerable.Range(1, 40)
                                     from pass in (string[])["forward", "backward data", "backward weights"]
                                     let intensity = Math.Pow(10, -0.7 + 3 * random.NextDouble())
                                     let share = random.NextDouble() * random.NextDouble() / 30
                                     select new RooflinePoint($"conv{layer}", pass, intensity,
                                         Math.Min(357, 52.3 * intensity) * (0.05 + 0.9 * random.NextDouble()), share)];
        return new RooflineChart("native: layers under the roofline", "What every layer reaches.",
            new Roofline(357, 52.3), points);
    }

    private static Page Show() => ShowPage.Of(View(), Origin, [new Fact("Backend", "managed 0.1.0")],
        new { model = "cifarnet" });

    private static NetworkView View()
    {
        using var backend = new ManagedBackend();
        Graph graph = BuiltInModels.Create("cifarnet");
        using IExecutable network = backend.CompileInference(graph, 4);
        network.Initialize(new HeNormal(1));
        Shape shape = graph.Input.Shape;
        float[] pixels = [.. Enumerable.Range(0, shape.Length).Select(i => 255f * (i % 37) / 36)];
        return NetworkView.Of(network, "cifarnet.safetensors", new ShownSample("a cat.jpg", pixels, 3,
            ["aeroplane", "a class with a name that is too long for a phone"]),
            new Normalization(255, [0.5f, 0.5f, 0.5f], [0.25f, 0.25f, 0.25f]), new NetworkViewOptions(), default);
    }

    private static Page Train(int epochs)
    {
        ModelSummary summary = ModelSummary.Of(BuiltInModels.Create("lenet5"));
        EpochReport[] reports = [.. Enumerable.Range(1, epochs)
            .Select(epoch => new EpochReport(epoch, 2.3 / epoch, 1 - 0.6 / epoch, 1 - 0.7 / epoch, 1.2, 40_000))];
        double[] losses =
            [.. Enumerable.Range(1, 45 * epochs).Select(step => 2.3 / Math.Sqrt(step) * (1 + 0.2 * Math.Sin(step)))];
        var run = new TrainingRun("lenet5", "fashion-mnist", [new Fact("Backend", "native 0.1.0 (avx512, fast)"),
            new Fact("--epochs", $"{epochs}")], summary, new TrainingResult(reports, null), losses)
        {
            View = epochs == 1 ? View() : null,
        };
        return TrainPage.Of(run, Origin, new { epochs = reports });
    }
}
