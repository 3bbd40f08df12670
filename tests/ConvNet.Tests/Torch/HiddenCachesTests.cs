using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>The backend where oneDNN believes that the first-level cache has one byte, as behind a processor that hides its caches.</summary>
/// <remarks>oneDNN keeps what it has compiled, so all that is to meet the fault runs in a process of its own: this assembly, as a program.</remarks>
[TestFixture]
public sealed class HiddenCachesTests
{
    private const string CouldNotHide = "could not hide";

    private static readonly Lazy<CommandResult> s_child = new(() =>
        Repository.Run(Repository.Root, "dotnet", ["exec", typeof(HiddenCachesTests).Assembly.Location]));

    [Test]
    public void PaddedConvolutionsAreRight()
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Some.StartsWith("padded self-test: passed"));
        Assert.That(lines.Count(line => line.StartsWith("padded conv: ", StringComparison.Ordinal)), Is.GreaterThan(20));
        Assert.That(lines.Where(line => line.StartsWith("padded conv: ", StringComparison.Ordinal)), Is.All.EndsWith("Pass"));
    }

    [Test]
    public void WithoutPaddingTheSelfTestFailsAndAutoTakesAnotherBackend()
    {
        string[] lines = Lines();
        Assert.That(lines, Has.Some.StartsWith("unpadded self-test: failed"));
        Assert.That(lines, Has.Member("auto takes managed"));
        Assert.That(lines.Where(line => line.StartsWith("unpadded conv: ", StringComparison.Ordinal)), Has.Some.EndsWith("Fail"));
    }

    [Test]
    public void AProcessorThatTellsItsCachesNeedsNoPadding()
    {
        using var backend = new TorchSharpBackend();
        if (PaddedChannels.AreNeededHere)
            Assert.That(backend.Info.Note, Does.Contain("hides the size of its caches"));
        else
            Assert.That(backend.Info.Note ?? "", Does.Not.Contain("caches"));
    }

    /// <summary>What the process of its own does; writes a line for each finding.</summary>
    public static void RunHidden()
    {
        using TorchSharpBackend padded = new(threads: 1, padding: ChannelPadding.Always), unpadded = new(threads: 1, padding: ChannelPadding.Never);
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
        foreach ((string name, IBackend backend) in new (string, IBackend)[] { ("padded", padded), ("unpadded", unpadded) })
        {
            Console.WriteLine($"{name} self-test: {SelfTest.Of(backend).Finding}");
            foreach ((Conv2d layer, Shape input) in Convolutions())
            {
                GradientReport report = GradientCheck.Run(Sequential.Of(input, layer), [backend], new GradientCheckOptions { BatchSize = 2, Modes = CheckModes.Exact });
                Console.WriteLine($"{name} conv: {layer.Filters} filters of {layer.Window.Kernel}, stride {layer.Window.Stride}, {layer.Groups} groups, on {input}: {report.Verdict}");
            }
        }
        BackendChoice choice = AutoBackend.Choose(
            new BackendCandidate("torchsharp", () => new TorchSharpBackend(threads: 1, padding: ChannelPadding.Never)),
            new BackendCandidate("managed", () => new ManagedBackend()));
        using IBackend taken = choice.Backend;
        Console.WriteLine($"auto takes {choice.Name}");
    }

    private static IEnumerable<(Conv2d Layer, Shape Input)> Convolutions() =>
        from channels in (int[])[1, 3, 8, 9, 17, 33, 48]
        from filters in (int[])[6, 16, 20]
        from stride in (int[])[1, 2]
        from groups in (int[])[1, 2]
        where groups == 1 || channels > 17
        select (new Conv2d(filters * groups, 3, stride, padding: 1, groups: groups, roundDown: true), new Shape(channels * groups, 6, 7));

    private static string[] Lines()
    {
        string output = s_child.Value.Output;
        if (output.Contains(CouldNotHide, StringComparison.Ordinal))
            Assert.Ignore("oneDNN's copy of the cache sizes was not found in this process; it is looked for on Linux x64 only.");
        Assert.That(s_child.Value.ExitCode, Is.Zero, output);
        return output.Split('\n', StringSplitOptions.TrimEntries);
    }
}

/// <summary>This assembly as a program: the process with the hidden caches.</summary>
internal static class Program
{
    public static void Main() => HiddenCachesTests.RunHidden();
}
