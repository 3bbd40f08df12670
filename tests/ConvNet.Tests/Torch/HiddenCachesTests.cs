using ConvNet.Backends;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>The backend where oneDNN believes that the first-level cache has one byte, as behind a processor that hides
/// its caches.</summary>
/// <remarks>oneDNN keeps what it has compiled, so all that is to meet the fault runs in a process of its own: this
/// assembly, as a program.</remarks>
[TestFixture]
public sealed class HiddenCachesTests
{
    private const string CouldNotHide = "could not hide";

    private static readonly Lazy<CommandResult> s_child = new(() =>
        Repository.Run(Repository.Root, "dotnet", ["exec", typeof(HiddenCachesTests).Assembly.Location,
            Program.HiddenCaches]));

    [Test]
    public void PaddedConvolutionsAreRight([Values("conv", "convtranspose")] string kind)
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Some.StartsWith("padded self-test: passed"));
        string[] padded = [.. lines.Where(line => line.StartsWith($"padded {kind}: ", StringComparison.Ordinal))];
        Assert.That(padded, Has.Length.GreaterThan(20));
        Assert.That(padded, Is.All.EndsWith("Pass"));
    }

    [Test]
    public void WithoutPaddingTheSelfTestFailsAndAutoTakesAnotherBackend()
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Some.StartsWith("unpadded self-test: failed"));
        Assert.That(lines, Has.Member("auto takes managed"));
        foreach (string kind in (string[])["conv", "convtranspose"])
            Assert.That(lines.Where(line => line.StartsWith($"unpadded {kind}: ", StringComparison.Ordinal)),
                Has.Some.EndsWith("Fail"), kind);
    }

    [Test]
    public void AProcessorThatTellsItsCachesNeedsNoPadding()
    {
        using var backend = new TorchSharpBackend();
        string[] found = [.. backend.Info.Limits.Select(limit => limit.What)];
        if (PaddedChannels.AreNeededHere)
            Assert.That(found, Has.Some.Contains("hides the size of its caches"));
        else
            Assert.That(found, Has.None.Contain("caches"));
    }

    [Test]
    public void TheDoctorCallsItWrongWithoutPaddingAndRightWithIt()
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Member("doctor unpadded exit: 1").And.Member("doctor padded exit: 0"));
        Assert.That(lines, Has.Some.StartsWith("doctor unpadded output:").And.Contains("wrong")
            .And.Contains("failed its self-test: conv"));
        Assert.That(lines, Has.Some.StartsWith(
            "doctor unpadded error: convnet: torchsharp:unpadded computes wrong results on this machine"));
    }

    [TestCase("train")]
    [TestCase("eval")]
    [TestCase("gradcheck")]
    public void AVerbThatGoesOnWithItSaysSo(string verb)
    {
        string[] lines = Lines();
        const string warning = "error: convnet: warning: torchsharp:unpadded failed its self-test: conv";
        Assert.That(lines, Has.Member($"{verb} unpadded exit: 0").And.Member($"{verb} padded exit: 0"));
        Assert.That(lines, Has.One.Match($"^{verb} unpadded {warning}.*convnet doctor --backend torchsharp:unpadded"));
        Assert.That(lines, Has.None.StartsWith($"{verb} padded error: convnet: warning"));
        Assert.That(lines, Has.Some.Match($"^{verb} unpadded output: .*\"finding\": \"failed its self-test: conv"),
            "the document");
    }

    [Test]
    public void ItIsMeasuredAsWrongAndNeverRecommended()
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Some.StartsWith("bench: torchsharp:unpadded failed its self-test: conv")
            .And.None.StartsWith("bench: torchsharp:padded"));
        Assert.That(lines, Has.Some.StartsWith("compare: torchsharp:unpadded: gradients wrong: "));
        Assert.That(lines, Has.Member("compare takes torchsharp:padded"));
    }

    /// <summary>What the process of its own does; writes a line for each finding.</summary>
    public static void RunHidden()
    {
        using TorchSharpBackend padded = new(threads: 1, padding: ChannelPadding.Always),
            unpadded = new(threads: 1, padding: ChannelPadding.Never);
        // oneDNN looks at the caches when it is first used: a convolution of full blocks, which is right either way.
        using (IExecutable first = unpadded.CompileInference(Sequential.Of(new Shape(16, 4, 4), new Conv2d(16, 3)), 1))
        {
            first.Initialize(new HeNormal(1));
            first.Infer(new float[16 * 16], new float[16 * 4]);
        }
        if (!Findings.HiddenCaches.Hide())
        {
            Console.WriteLine(CouldNotHide);
            return;
        }
        foreach ((string name, IBackend backend)
            in new (string, IBackend)[] { ("padded", padded), ("unpadded", unpadded) })
        {
            Console.WriteLine($"{name} self-test: {SelfTest.Of(backend).Finding}");
            foreach ((Layer layer, Shape input) in Convolutions())
            {
                GradientReport report = GradientCheck.Run(Sequential.Of(input, layer), [backend],
                    new GradientCheckOptions { BatchSize = 2, Modes = CheckModes.Exact });
                Console.WriteLine($"{name} {layer.Kind}: {layer}, on {input}: {report.Verdict}");
            }
        }
        RunVerbs();
        RunMeasurements();
        BackendChoice choice = AutoBackend.Choose(
            new BackendCandidate("torchsharp", () => new TorchSharpBackend(threads: 1, padding: ChannelPadding.Never)),
            new BackendCandidate("managed", () => new ManagedBackend()));
        using IBackend taken = choice.Backend;
        Console.WriteLine($"auto takes {choice.Name}");
    }

    private static void RunVerbs()
    {
        using var data = new TinyData();
        string model = data.File("tiny.safetensors");
        foreach (string variant in (string[])["padded", "unpadded"])
        {
            string backend = $"torchsharp:{variant}";
            Tell("doctor", variant, "doctor", "--backend", backend);
            Tell("train", variant, "train", "--data", data.Folder, "--model", data.Model, "--epochs", "1", "--backend",
                backend, "--threads", "1", "--save", model, "--json");
            Tell("eval", variant, "eval", "--load", model, "--data", data.Folder, "--backend", backend, "--threads",
                "1", "--json");
            Tell("gradcheck", variant, "gradcheck", "--layer", "mb2ic4oc4", "--backends", backend, "--json");
        }
    }

    private static void Tell(string verb, string variant, params string[] words)
    {
        CommandLine run = CommandLine.Run(words);
        Console.WriteLine($"{verb} {variant} exit: {run.ExitCode}");
        foreach (string line in run.Output.Split('\n'))
            Console.WriteLine($"{verb} {variant} output: {line}");
        foreach (string line in run.Error.Split('\n'))
            Console.WriteLine($"{verb} {variant} error: {line}");
    }

    // With workers in this process, in which the caches are hidden.
    private static void RunMeasurements()
    {
        static Graph Network() => Sequential.Of(new Shape(20, 6, 6), new Conv2d(17, 3), new Flatten(), new Linear(3));
        static IWorker Start(string backend) => new WorkerLoop(Bench.Of(backend, (_, _) => Network()));
        string[] backends = [.. BackendRegistry.All.Where(backend => backend.Padding is not null)
            .Select(backend => backend.Name)];
        BenchResult bench = BenchRun.Measure([Case.Of("network", 2, BenchPass.Infer, 1)],
            new BenchSettings { Backends = backends, Rounds = 1, TurnMilliseconds = 1, WarmMilliseconds = 0 },
            Start, () => TimeSpan.Zero, _ => { });
        foreach (string sentence in bench.SelfTestWarnings)
            Console.WriteLine($"bench: {sentence}");
        TimeSpan now = TimeSpan.Zero;
        // Every look at the clock takes three seconds, so that few turns are taken.
        BatchComparison comparison = CompareRun.Measure(Network(),
            new CompareSettings
            {
                Model = "network",
                Batch = 2,
                Backends = backends,
                Threads = [1],
                TurnMilliseconds = 1
            },
            Start, new MachineMeter(busy: () => null), () => now += TimeSpan.FromSeconds(3), _ => { });
        foreach (string remark in CompareText.RemarksOf(comparison))
            Console.WriteLine($"compare: {remark}");
        Console.WriteLine($"compare takes {comparison.Recommendation.Backend}");
    }

    private static IEnumerable<(Layer Layer, Shape Input)> Convolutions() =>
        from channels in (int[])[1, 3, 8, 9, 17, 33, 48]
        from filters in (int[])[6, 16, 20]
        from stride in (int[])[1, 2]
        from groups in (int[])[1, 2]
        where groups == 1 || channels > 17
        from layer in (Layer[])
        [
            new Conv2d(filters * groups, 3, stride, padding: 1, groups: groups, rounding: Rounding.Floor),
            new ConvTranspose2d(filters * groups, 3, stride, padding: 1, groups: groups),
        ]
        select (layer, new Shape(channels * groups, 6, 7));

    private static string[] Lines()
    {
        string output = s_child.Value.Output;
        if (output.Contains(CouldNotHide, StringComparison.Ordinal))
            Assert.Ignore("oneDNN's copy of the cache sizes was not found in this process; it is looked for on Linux "
                + "x64 only.");
        Assert.That(s_child.Value.ExitCode, Is.Zero, output);
        return output.Split('\n', StringSplitOptions.TrimEntries);
    }
}
