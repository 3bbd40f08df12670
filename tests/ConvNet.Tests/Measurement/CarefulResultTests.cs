using System.Text.Json;
using ConvNet.Measurement;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>What is kept of careful measurements.</summary>
public sealed class CarefulResultTests
{
    private static readonly CarefulResult Result = new("LayerBench", "Intel(R) Xeon(R) Processor (family 6, model 207)",
        2, (100, 99), ["native 0.1.0 (avx512)", "BenchmarkDotNet 0.14.0"],
        "abc1234", [new CarefulRow("Run", new Dictionary<string, string> { ["Pass"] = "fwd" }, 1500, 1510, 7.5, 15,
            null)]);

    [TestCase("Intel(R) Xeon(R) Processor (family 6, model 207)", "intel-xeon-processor-family-6-model-207")]
    [TestCase("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763-64-core-processor")]
    [TestCase("Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", "intel-core-i7-8550u-cpu-1-80ghz")]
    [TestCase("Arm64", "arm64")]
    public void TheFolderIsTheProcessorsNameInPlainLetters(string processor, string folder)
        => Assert.That(CarefulResult.FolderOf(processor), Is.EqualTo(folder));

    [Test]
    public void ACommitsResultReplacesTheOneBefore()
    {
        using var folder = new TemporaryFolder();
        string results = folder.File("results"), own = Path.Combine(results, "intel-xeon-processor-family-6-model-207");
        Result.Write(results, "| old |");
        IReadOnlyList<string> files = (Result with { Commit = "def5678" })
            .Write(results, "\n| Pass | Median |\r\n|--- |--- |\n");
        Assert.That(Directory.GetFiles(own), Is.EquivalentTo(files));
        Assert.That(files,
            Is.EqualTo((string[])[Path.Combine(own, "LayerBench.md"), Path.Combine(own, "LayerBench.json")]));
        Assert.That(File.ReadAllText(files[0]), Is.EqualTo("""
            # LayerBench

            Intel(R) Xeon(R) Processor (family 6, model 207); FMA peak 100 GFLOP/s on 2 threads before,
            99 after; native 0.1.0 (avx512), BenchmarkDotNet 0.14.0; commit def5678.

            | Pass | Median |
            |--- |--- |

            """));
        using var document = JsonDocument.Parse(File.ReadAllText(files[1]));
        JsonElement json = document.RootElement, row = json.GetProperty("rows")[0];
        Assert.That((json.GetProperty("commit").GetString(), json.GetProperty("wasDisturbed").GetBoolean(),
            json.GetProperty("peakGflops").GetProperty("after").GetDouble()), Is.EqualTo(("def5678", false, 99.0)));
        Assert.That((row.GetProperty("parameters").GetProperty("Pass").GetString(), row.GetProperty("medianNs")
            .GetDouble()), Is.EqualTo(("fwd", 1500.0)));
    }

    [Test]
    public void ABusyMachineIsSaid()
    {
        using var folder = new TemporaryFolder();
        CarefulResult busy = Result with { PeakGflops = (100, 94) };
        Assert.That(File.ReadAllText(busy.Write(folder.Path, "")[0]), Does.Contain("The machine was not idle"));
        Assert.That((busy.WasDisturbed, Result.WasDisturbed), Is.EqualTo((true, false)));
    }
}
