using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Profiling;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>The order of turns and the figures made of them, with workers that only say how long they took.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class BenchRunTests
{
    private static readonly Case Layer = Case.Of(LayerShape.Parse("mb2ic4oc4"), BenchPass.Forward, 2);
    private readonly List<string> _log = [];
    private readonly Dictionary<string, Queue<double>> _times = [];
    private TimeSpan _now;
    private double _peak = 100;
    private string? _wrong;
    private readonly HashSet<string> _paddings = [];

    private BenchResult Measure(IReadOnlyList<Case> cases, int rounds, params string[] backends)
    {
        var settings = new BenchSettings { Backends = backends, Rounds = rounds, TimeLimitSeconds = 10 };
        return BenchRun.Measure(cases, settings, backend => new FakeWorker(this, backend), () => _now,
            line => _log.Add($"# {line}"));
    }

    [Test]
    public void BackendsTakeTurns()
    {
        Measure([Layer], 2, "native", "torchsharp");
        Assert.That(_log.Where(line => !line.StartsWith('#')), Is.EqualTo((string[])
        [
            "native starts", "native peak 2", "native memory 2", "native ends",
            "native starts", "native selftest", "native ends", "torchsharp starts", "torchsharp selftest",
                "torchsharp ends",
            "native starts", "native prepare", "torchsharp starts", "torchsharp prepare", "native warm",
                "torchsharp warm",
            "native measure", "torchsharp measure", "native peak 2", "native measure", "torchsharp measure",
                "native peak 2",
            "native ends", "torchsharp ends",
        ]));
    }

    [Test]
    public void LayersShareTheirWorkersAndNetworksHaveTheirOwn()
    {
        Measure([Layer, Layer with { Pass = BenchPass.BackwardData }, Case.Of("lenet5", 1, BenchPass.Train, 2),
            Case.Of("lenet5", 1, BenchPass.Infer, 2)], 1, "native");
        Assert.That(_log.Count(line => line == "native starts"), Is.EqualTo(5));
    }

    [Test]
    public void ARowHasTheMedianOfTheTurnsAndTheShortestCall()
    {
        _times["native"] = new([3, 1, 2]);
        _times["torchsharp"] = new([6, 4, 10]);
        BenchResult result = Measure([Layer], 3, "native", "torchsharp");
        Row native = result.Rows[0];
        Assert.Multiple(() =>
        {
            Assert.That(result.Rows.Select(row => (row.Backend, row.MedianMs, row.MinMs)),
                Is.EqualTo(((string, double, double)[])[("native", 2, 0.5), ("torchsharp", 6, 2)]));
            Assert.That(native.Gflops, Is.EqualTo(4e6 / 2e-3 / 1e9).Within(1e-12));
            Assert.That(native.ImagesPerSecond, Is.EqualTo(2 / 2e-3).Within(1e-9));
            Assert.That(native.PeakMemoryMB, Is.EqualTo(7));
            Assert.That(result.MemoryGBs, Is.EqualTo(50));
        });
    }

    [Test]
    public void APercentageIsOfThePeakOfTheSameRound()
    {
        _times["native"] = new([2, 4, 1]);
        BenchResult result = Measure([Layer], 3, "native");
        // The fake's peaks of the three rounds are 102, 103 and 104.
        Assert.That(result.Rows[0].PercentOfPeak, Is.EqualTo(100 * (4e6 / 2e-3 / 1e9) / 102).Within(1e-12));
    }

    [Test]
    public void ARatioIsTheMedianOverRoundsSoThatADisturbanceOfBothCancels()
    {
        // The second round is disturbed: all take ten times as long.
        _times["native"] = new([1, 10, 1]);
        _times["torchsharp"] = new([2, 20, 3]);
        _times["managed"] = new([5, 50, 5]);
        BenchResult result = Measure([Layer], 3, "torchsharp", "native", "managed");
        Assert.That(result.Ratios.Select(ratio => (ratio.Backend, ratio.Rival, ratio.Value, ratio.Low, ratio.High)),
            Is.EqualTo(
            ((string, string, double, double, double)[])[("native", "torchsharp", 2, 2, 3),
                ("native", "managed", 5, 5, 5)]));
    }

    [Test]
    public void ThePeakIsTheBestOfAllThatWereMeasured()
    {
        BenchResult result = Measure([Layer, Layer with { Threads = 1 }], 2, "native");
        // The fake's peak grows by one with every order; the one of two threads was asked for first, and in the first
        // case's rounds.
        Assert.That(result.Peaks, Is.EquivalentTo(new Dictionary<int, double> { [2] = 104, [1] = 106 }));
        Assert.That(result.PeakGflops, Is.EqualTo(104));
        Assert.That(result.Steadiness, Is.EqualTo((103 / 104.0 + 105 / 106.0) / 2).Within(1e-12));
    }

    [Test]
    public void WhatABackendDoesNotDoIsSkippedWithItsReason()
    {
        BenchResult result = Measure([Case.Of("lenet5", 1, BenchPass.Train, 1)], 1, "native", "onednn");
        Assert.That(result.Rows.Select(row => row.Backend), Is.EqualTo((string[])["native"]));
        Assert.That(result.Skipped.Select(skip => (skip.Backend, skip.Reason)),
            Is.EqualTo(((string, string)[])[("onednn", "layers only")]));
        Assert.That(
            Assert.Throws<NotSupportedException>(()
            => Measure([Case.Of("lenet5", 1, BenchPass.Train, 1)], 1, "onednn"))!.Message, Does.Contain("layers only"));
    }

    [Test]
    public void ProfilesComeBehindTheTurnsWithARooflineForTheirThreads()
    {
        Case training = Case.Of("lenet5", 1, BenchPass.Train, 2);
        var settings = new BenchSettings { Backends = ["native", "managed"], Rounds = 1, ProfileMilliseconds = 5 };
        BenchResult result = BenchRun.Measure([training, training with { Threads = 1 }], settings,
            backend => new FakeWorker(this, backend), () => _now, _ => { });
        Assert.That(_log.Take(21), Is.EqualTo((string[])
        [
            "native starts", "native peak 2", "native peak 1", "native memory 2", "native memory 1", "native ends",
            "native starts", "native selftest", "native ends", "managed starts", "managed selftest", "managed ends",
            "native starts", "native prepare", "managed starts", "managed prepare", "native warm", "managed warm",
                "native measure", "managed measure", "native peak 2",
        ]));
        Assert.That(_log.Skip(21).Take(2), Is.EqualTo((string[])["native profile", "managed profile"]));
        Assert.That(result.Rows.Select(row => row.Profile?.Calls), Is.All.EqualTo(3));
        Assert.That((result.RooflineOf(training).PeakGflops, result.RooflineOf(training).MemoryGBs),
            Is.EqualTo((result.Peaks[2], 50)));
        Assert.That(result.RooflineOf(training with { Threads = 1 }).PeakGflops, Is.EqualTo(result.Peaks[1]));
    }

    [Test]
    public void ABackendThatFailsItsSelfTestIsMeasuredAndNamedAsWrong()
    {
        _wrong = "torchsharp";
        BenchResult result = Measure([Layer], 1, "native", "torchsharp:unpadded", "onednn");
        const string sentence = "torchsharp:unpadded failed its self-test: conv2: dx[0] is 714 and should be 765; "
            + "its results are wrong, so its speed is meaningless.";
        Assert.Multiple(() =>
        {
            Assert.That(result.Rows.Select(row => row.Backend), Is
                .EqualTo((string[])["native", "torchsharp:unpadded", "onednn"]));
            Assert.That(result.SelfTestWarnings, Is.EqualTo((string[])[sentence]));
            Assert.That(result.SelfTests.Keys, Is.EqualTo((string[])["native", "torchsharp:unpadded"]));
            Assert.That(_log, Has.Some.EqualTo($"# warning: {sentence}"));
            Assert.That(_paddings, Is.EqualTo((string[])["torchsharp unpadded"]));
            Assert.That(MarkdownReport.Of(result, "abc", "convnet bench"), Does.Contain($"**{sentence}**"));
        });
    }

    [Test]
    public void ALongCaseGetsFewerRounds()
    {
        _times["native"] = new([6_000, 6_000, 6_000]);
        Measure([Layer], 3, "native");
        Assert.That(_log.Count(line => line == "native measure"), Is.EqualTo(2));
    }

    [Test]
    public void ACancelledRunEnds()
    {
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        var settings = new BenchSettings { Backends = ["native"] };
        Assert.Throws<OperationCanceledException>(
            () => BenchRun.Measure([Layer], settings, backend => new FakeWorker(this, backend), () => _now, _ => { },
                cancellation.Token));
        Assert.That(_log[^1], Is.EqualTo("native ends"));
    }

    /// <summary>Answers at once; a turn moves the clock.</summary>
    private sealed class FakeWorker : IWorker
    {
        private readonly BenchRunTests _test;
        private readonly string _backend;

        public FakeWorker(BenchRunTests test, string backend)
        {
            (_test, _backend) = (test, backend);
            _test._log.Add($"{backend} starts");
        }

        public Response Ask(Request request)
        {
            string threads = request.Do is Order.Peak or Order.Memory ? $" {request.Threads}" : "";
            _test._log.Add($"{_backend} {request.Do}".ToLowerInvariant() + threads);
            switch (request.Do)
            {
                case Order.Prepare:
                    return _backend == "onednn" && request.Model is not null
                        ? new Response { Error = "layers only" }
                        : new Response { Library = _backend, Algorithm = "direct", Operations = 4e6, Images = 2 };
                case Order.Measure:
                    double time = _test._times.TryGetValue(_backend, out Queue<double>? times) ? times.Dequeue() : 1;
                    _test._now += TimeSpan.FromMilliseconds(time);
                    return new Response { MedianMs = time, MinMs = time / 2, Calls = 1, PeakMemoryMB = 7 };
                case Order.Peak:
                    return new Response { Rate = ++_test._peak };
                case Order.SelfTest when _backend == "onednn":
                    return new Response { Error = "No workload is prepared. Send prepare first." };
                case Order.SelfTest:
                    if (request.Padding is { } padding)
                        _test._paddings.Add($"{_backend} {padding}");
                    return new Response
                    {
                        SelfTest = _backend == _test._wrong
                        ? new SelfTestResult(false, 9, 1, "failed its self-test: conv2: dx[0] is 714 and should be 765")
                        : new SelfTestResult(true, 9, 1, "passed its self-test of 9 values in 1 ms")
                    };
                case Order.Profile:
                    return new Response { Profile = new NetworkProfile(Calls: 3, TotalMs: 3, MedianMs: 1, [], []) };
                default:
                    return new Response { Rate = 50 };
            }
        }

        public void Dispose() => _test._log.Add($"{_backend} ends");
    }
}
