using System.Text.Json;
using ConvNet.Cli.Scaling;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>The predictions of <c>scale</c>.</summary>
public sealed class ScaleTests
{
    private const double Gigabyte = 1e9, Microsecond = 1e-6;

    // A step of 100 ms with three buckets.
    private static readonly StepTimings s_step = new(0.1, [new(1_000_000, 0.05), new(25_000_000, 0.07),
        new(25_000_000, 0.09)]);

    [Test]
    public void SumsTakeTheFasterOfRingAndTree()
    {
        var model = new ScaleModel(Gigabyte, 10 * Microsecond);
        Assert.Multiple(() =>
        {
            Assert.That(model.AllReduce(8e6, 4), Is.EqualTo(2 * 3 * (10 * Microsecond + 2e-3)).Within(1e-12), "ring");
            Assert.That(model.AllReduce(8, 64), Is.EqualTo(2 * 6 * (10 * Microsecond + 8e-9)).Within(1e-12), "tree");
            Assert.That(model.AllReduce(8e6, 1), Is.Zero);
        });
    }

    [Test]
    public void BucketsFollowOneAnotherAndHideBehindTheBackwardPass()
    {
        var model = new ScaleModel(Gigabyte, 0);
        ScalePoint alone = model.Predict(s_step, 1), two = model.Predict(s_step, 2);
        Assert.That((alone.Step, alone.Efficiency, alone.HiddenShare), Is.EqualTo((0.1, 1, 1)));
        // On two nodes a bucket takes as long as its bytes: the second ends at 95 ms, the third at 120, 30 ms after the
        // backward pass.
        Assert.That(two.AllReduce, Is.EqualTo(0.051).Within(1e-9));
        Assert.That(two.Step, Is.EqualTo(0.13).Within(1e-9));
        Assert.That(two.HiddenShare, Is.EqualTo(1 - 0.03 / 0.051).Within(1e-9));
        Assert.That(two.Efficiency, Is.EqualTo(0.1 / 0.13).Within(1e-9));
        Assert.That(model.Predict(s_step.Faster(2), 2).Step, Is.GreaterThan(0.05).And.LessThan(0.13));
    }

    [Test]
    public void TheBandwidthNeededIsJustEnough()
    {
        var model = new ScaleModel(Gigabyte, 10 * Microsecond);
        double needed = model.BandwidthNeeded(s_step, 64)!.Value;
        double Efficiency(double bandwidth) => (model with { Bandwidth = bandwidth }).Predict(s_step, 64).Efficiency;
        Assert.That(Efficiency(needed), Is.AtLeast(0.9));
        Assert.That(Efficiency(needed * 0.99), Is.LessThan(0.9));
        Assert.That(new ScaleModel(Gigabyte, 1).BandwidthNeeded(s_step, 64), Is.Null);
    }

    [Test]
    public void AFittedModelGivesWhatItWasFittedTo([Values(2, 4, 7)] int ranks)
    {
        var model = new ScaleModel(Gigabyte, 10 * Microsecond);
        var fitted = ScaleModel.Fit(ranks, model.AllReduce(0, ranks), 4e7, model.AllReduce(4e7, ranks));
        Assert.That(fitted.AllReduce(4e7, ranks), Is.EqualTo(model.AllReduce(4e7, ranks)).Within(1e-9));
        Assert.That(fitted.AllReduce(0, ranks), Is.EqualTo(model.AllReduce(0, ranks)).Within(1e-12));
    }

    [Test]
    public void TheToolPrintsATableAndADocument()
    {
        using var data = new TinyData();
        string[] command = ["scale", "--model", data.Model, "--batch", "4", "--nodes", "2..8", "--threads", "1",
            "--speed", "2"];
        CommandLine table = CommandLine.Run(command);
        table.Succeeds();
        Assert.That(table.Output, Does.Contain("4 images on each node").And.Contain("efficiency")
            .And.Contain("90% on 8 nodes"));
        JsonElement json = CommandLine.Run([.. command, "--json"]).Json();
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, backend, threads, batch, speed, bandwidthGbit, "
                + "latencySeconds, stepSeconds, buckets, points, bandwidthFor90Gbit, checks"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("buckets")[0]), Is.EqualTo("bytes, readySeconds"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("points")[0]),
                Is.EqualTo("nodes, stepSeconds, allReduceSeconds, hiddenShare, efficiency"));
            Assert.That(json.GetProperty("points").EnumerateArray().Select(point => point.GetProperty("nodes")
                .GetInt32()), Is.EqualTo([2, 4, 8]));
            Assert.That(json.GetProperty("bandwidthGbit").GetDouble(), Is.EqualTo(10));
        });
    }

    [TestCase("--nodes", "8..2", "must not exceed the second")]
    [TestCase("--nodes", "two", "numbers from 1")]
    [TestCase("--bandwidth", "10", "Gbit, Mbit or kbit")]
    [TestCase("--latency", "-2us", "us, ms, ns or s")]
    [TestCase("--check", "1", "from 2 to 1024")]
    public void WrongValuesAreRefused(string option, string value, string reason)
        => CommandLine.Run("scale", "--model", "digits", option, value).IsRefusedWith(option, value, reason);

    [Test]
    public void GradientsAreCheckedOnSeveralRanks()
    {
        CommandLine run = CommandLine.Run("gradcheck", "--layer", "mb4ic2ih4oc3kh3ph1", "mb5ic3ih5oc2kh3", "--ranks",
            "3", "--backends", "managed,native");
        run.Succeeds();
        Assert.That(run.Output, Does.Contain("native on 3 ranks").And.Contain(" 0 wrong"));
        CommandLine normalized = CommandLine.Run("gradcheck", "--layer", "bnorm:mb4ic2ih4", "bnorm:mb5ic3ih3",
            "--ranks", "3", "--backends", "managed,native");
        normalized.Succeeds();
        Assert.That(normalized.Output, Does.Contain("native on 3 ranks").And.Contain(" 0 wrong"));
        CommandLine.Run("gradcheck", "--canaries", "--ranks", "2").IsRefusedWith("--ranks");
    }
}
