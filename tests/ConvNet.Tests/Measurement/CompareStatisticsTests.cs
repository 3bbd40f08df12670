using System.Text.Json;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>Intervals, how often they hold, and what a comparison is made of besides turns.</summary>
public sealed class CompareStatisticsTests
{
    // The ranks stand in tables of the sign test, as in Conover, Practical Nonparametric Statistics.
    [TestCase(6, 1)]
    [TestCase(8, 1)]
    [TestCase(9, 2)]
    [TestCase(12, 3)]
    [TestCase(20, 6)]
    [TestCase(30, 10)]
    public void FromSixSamplesOnAnIntervalEndsAtTwoOfThem(int n, int rank)
    {
        double[] samples = [.. Enumerable.Range(1, n).Select(i => (double)i).Reverse()];
        Assert.That(Statistics.IntervalOfMedian(samples), Is.EqualTo(new Interval((n + 1) / 2.0, rank, n + 1 - rank)));
    }

    [Test]
    public void FewerSamplesHaveStudentsAndOneHasNone()
    {
        Assert.That(Statistics.IntervalOfMedian([3]), Is.EqualTo(new Interval(3, null, null)));
        // Logarithms 0 and 2: mean 1, standard error 1, and t of one degree of freedom is 12.706.
        Interval two = Statistics.IntervalOfMedian([1, Math.Exp(2)]);
        Assert.That(two.Low, Is.EqualTo(Math.Exp(1 - 12.7062)).Within(1).Percent);
        Assert.That(two.High, Is.EqualTo(Math.Exp(1 + 12.7062)).Within(1).Percent);
    }

    [Test]
    public void AQuantileIsTheSmallestSampleThatIsEnough()
    {
        double[] samples = [.. Enumerable.Range(1, 200).Select(i => (double)i)];
        Assert.That((Statistics.Quantile(samples, 0.5), Statistics.Quantile(samples, 0.99),
            Statistics.Quantile([5], 0.99)), Is.EqualTo((100.0, 198.0, 5.0)));
        Assert.Throws<ArgumentException>(() => Statistics.Quantile([], 0.5));
    }

    [Test]
    public void AnIntervalHoldsTheTrueRatioAboutAsOftenAsItSays([Values(0.005, 0.02, 0.06)] double noise)
    {
        const int Runs = 1000;
        const double Truth = 1.3;
        var random = new Random(1);
        int holds = 0;
        for (int run = 0; run < Runs; run++)
        {
            var now = TimeSpan.Zero;
            var rounds = new PairedRounds<string>(["a", "b"], _ => true);
            rounds.Run(Turn, () => { }, () => now, TimeSpan.FromSeconds(10));
            Interval ratio = rounds.Ratio("b", "a");
            holds += ratio.Low <= Truth && Truth <= ratio.High ? 1 : 0;

            double Turn(string who)
            {
                now += TimeSpan.FromMilliseconds(100);
                // One turn in twenty is disturbed, and takes up to three times as long.
                double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                    * Math.Cos(2 * Math.PI * random.NextDouble());
                double disturbed = random.Next(20) == 0 ? 1 + 2 * random.NextDouble() : 1;
                return (who == "a" ? 1 : Truth) * Math.Exp(noise * normal) * disturbed;
            }
        }
        TestContext.Out.WriteLine($"noise {noise}: {100.0 * holds / Runs:0.0}%");
        // That rounds end as soon as the interval is narrow costs some of the 95%.
        Assert.That(holds, Is.GreaterThanOrEqualTo(0.90 * Runs));
    }

    [Test]
    public void TrafficCountsWhatEveryLayerReadsAndWrites()
    {
        // Linear of 3 to 2: x 3, w 8, y 2 values of one sample; then ReLU.
        var graph = new Graph(Shape.Vector(3));
        graph.Append(graph.Input, new Linear(2), new Relu());
        double forward = 4 * 3 + 8 + 4 * 2 + (4 * 2 + 4 * 2);
        double backward = 4 * 2 + 4 * 3 + 8 + 0 + 8 + 5 * 8 + (4 * 2 + 4 * 2 + 4 * 2);
        Assert.That(CompulsoryTraffic.Bytes(graph, 4, training: false), Is.EqualTo(4 * forward));
        Assert.That(CompulsoryTraffic.Bytes(graph, 4, training: true), Is.EqualTo(4 * (forward + backward)));
    }

    [Test]
    public void LargeLayersAreCheckedOnSmallerImages()
    {
        var graph = Sequential.Of(new Shape(3, 225, 225),
            new Conv2d(16, 7, stride: 2, padding: 3), new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor),
                new Conv2d(64, 3, padding: 1), new Flatten(), new Linear(100));
        using var backend = new NativeBackend(1);
        GradientAgreement agreement = QuickCheck.Of(graph, backend);
        Assert.That(agreement.Verdict, Is.EqualTo(GradientVerdict.Right), agreement.Detail);
        Assert.That(agreement.Detail, Is.EqualTo("5 distinct layers"));
    }

    [Test]
    public void ANetworkThatIsSmallIsCheckedAsAWholeToo()
    {
        using var backend = new NativeBackend(1);
        Assert.That(QuickCheck.Of(BuiltInModels.Create("digits"), backend).Detail,
            Does.EndWith("and the whole network"));
        Assert.That(QuickCheck.Of(BuiltInModels.Create("digits"),
            new FaultyBackend(backend, new Fault(FaultKind.SignFlipped, FaultTarget.BiasGradient))).Verdict,
            Is.EqualTo(GradientVerdict.Wrong));
    }

    [TestCase("native", "native", null, null)]
    [TestCase("native:accurate", "native", null, "accurate")]
    [TestCase("native:avx2", "native", "avx2", null)]
    [TestCase("native:avx2:accurate", "native", "avx2", "accurate")]
    [TestCase("torchsharp", "torchsharp", null, null)]
    public void AContestantIsABackendWithItsVariant(string name, string backend, string? isa, string? precision)
        => Assert.That(Contestant.Parse(name), Is.EqualTo(new Contestant(name, backend, isa, precision)));

    [TestCase("abacus", "native:accurate")]
    [TestCase("native:fft", "torchsharp")]
    [TestCase("torchsharp:accurate", "torchsharp:unpadded")]
    [TestCase("auto", "a measurement needs explicit names")]
    public void WhatIsNoContestantIsRefused(string name, string expected)
        => Assert.That(Assert.Throws<ArgumentException>(() => Contestant.Parse(name))!.Message, Does.Contain(expected));

    [Test]
    public void TheDocumentHasWordsForKindsAndTheRecommendationAtItsTop()
    {
        var noise = new Noise(NoiseVerdict.Busy, 0.5, 1, "Busy.");
        var result = new CompareResult("digits", "1×8×8", 1,
            new MachineFacts("cpu", 2, "os", "net", [new ThreadPeak(1, 100)], 50), "abc", "./convnet compare",
            [new BatchComparison(4, 1, 50, [new CompareRow("native", 1)], [], noise,
                new Recommendation("native", 1, Confidence.CannotTell, "because", "Take it: because."))]);
        using var document = JsonDocument.Parse(JsonSerializer.Serialize(result, JsonSerializerOptions.Web));
        JsonElement root = document.RootElement, row = root.GetProperty("comparisons")[0].GetProperty("rows")[0];
        Assert.Multiple(() =>
        {
            Assert.That(root.GetProperty("recommendation").GetProperty("confidence").GetString(),
                Is.EqualTo("cannotTell"));
            Assert.That(root.GetProperty("comparisons")[0].GetProperty("noise").GetProperty("verdict").GetString(),
                Is.EqualTo("busy"));
            Assert.That(row.GetProperty("gradients").GetProperty("verdict").GetString(), Is.EqualTo("notChecked"));
            Assert.That(JsonSerializer.Deserialize<CompareResult>(root.GetRawText(),
                JsonSerializerOptions.Web)!.Recommendation, Is.EqualTo(result.Recommendation));
        });
    }
}
