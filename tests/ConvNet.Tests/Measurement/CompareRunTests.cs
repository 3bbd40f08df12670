using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>The course of a comparison and what is made of it, with workers that only say how long they took.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class CompareRunTests
{
    private static readonly Graph Digits = BuiltInModels.Create("digits");

    private readonly Dictionary<string, Func<int, double>> _steps = [];
    private readonly Dictionary<string, string> _algorithms = [];
    private readonly Dictionary<string, GradientAgreement> _gradients = [];
    private readonly Dictionary<string, int> _turns = [];
    private readonly Dictionary<string, string> _broken = [];
    private readonly List<string> _log = [];
    private TimeSpan _now, _others;
    private double _othersBusy;

    private BatchComparison Compare(string[] backends, int[] threads, double limit = 50)
    {
        var settings = new CompareSettings
        {
            Model = "digits",
            Batch = 4,
            Backends = backends,
            Threads = threads,
            LimitSeconds = limit
        };
        return CompareRun.Measure(Digits, settings, backend => new FakeWorker(this, backend),
            new MachineMeter(busy: () => _others), () => _now, _log.Add);
    }

    private static CompareRow RowOf(BatchComparison comparison, string backend, int threads = 1)
        => comparison.Rows.Single(row => row.Backend == backend && row.Threads == threads);

    [Test]
    public void TheFastestIsTakenAndTheOthersAreComparedWithIt()
    {
        _steps["native 2"] = _ => 10;
        _steps["native 1"] = _ => 18;
        _steps["torchsharp 2"] = _ => 25;
        BatchComparison result = Compare(["native", "torchsharp"], [1, 2]);
        Assert.Multiple(() =>
        {
            Assert.That(result.Rows.Select(row => $"{row.Backend} {row.Threads}"),
                Is.EqualTo((string[])["native 1", "native 2", "torchsharp 1", "torchsharp 2"]));
            Assert.That(RowOf(result, "native", 2).Training!.Ratio, Is.EqualTo(new Interval(1, 1, 1)));
            Assert.That(RowOf(result, "torchsharp", 2).Training!.Ratio, Is.EqualTo(new Interval(2.5, 2.5, 2.5)));
            Assert.That(RowOf(result, "native", 2).Training!.ImagesPerSecond, Is.EqualTo(new Interval(400, 400, 400)));
            Assert.That(result.Recommendation,
                Is.EqualTo(new Recommendation("native", 2, Confidence.Clear, result.Recommendation.Reason,
                result.Recommendation.Sentence)));
            Assert.That(result.Recommendation.Sentence,
                Does.StartWith("Use native on 2 threads: 400 images/s in training")
                .And.Contain("2.50 (2.50 to 2.50) times as fast as torchsharp on 2 threads")
                    .And.Contain("1.80 (1.80 to 1.80) times as fast as on 1 thread")
                    .And.Contain("its gradients are right"));
            Assert.That(result.Noise.Verdict, Is.EqualTo(NoiseVerdict.Quiet));
        });
    }

    [Test]
    public void SteadyRatiosAreKnownAfterEightRounds()
    {
        _steps["native 1"] = _ => 10;
        _steps["torchsharp 1"] = turn => turn % 2 == 0 ? 20 : 20.2;
        BatchComparison result = Compare(["native", "torchsharp"], [1]);
        Assert.That(RowOf(result, "torchsharp").Training!.Rounds, Is.EqualTo(8));
        Assert.That(result.Seconds, Is.LessThan(10));
    }

    [Test]
    public void UnsteadyOnesGoOnUntilTheTimeIsOver()
    {
        var random = new Random(1);
        _steps["native 1"] = _ => 10;
        _steps["torchsharp 1"] = _ => 10 * Math.Exp(random.NextDouble() - 0.5);
        BatchComparison result = Compare(["native", "torchsharp"], [1], limit: 5);
        Interval ratio = RowOf(result, "torchsharp").Training!.Ratio;
        Assert.Multiple(() =>
        {
            Assert.That(result.Seconds, Is.EqualTo(5).Within(0.5));
            Assert.That(RowOf(result, "torchsharp").Training!.Rounds, Is.GreaterThan(8));
            Assert.That(ratio.Width, Is.GreaterThan(0.03));
            Assert.That(result.Noise.Verdict, Is.EqualTo(NoiseVerdict.Imprecise));
            Assert.That(result.Recommendation.Confidence, Is.EqualTo(Confidence.Close));
        });
    }

    [Test]
    public void WhatDisturbsAWholeRoundAndSingleTurnsLeavesTheRatioAlone()
    {
        // Every third round takes ten times as long for all, and one turn by itself twice as long.
        _steps["native 1"] = turn => turn % 3 == 1 ? 100 : 10;
        _steps["torchsharp 1"] = turn => turn == 3 ? 40 : turn % 3 == 1 ? 200 : 20;
        Interval ratio = RowOf(Compare(["native", "torchsharp"], [1]), "torchsharp").Training!.Ratio;
        Assert.That(ratio, Is.EqualTo(new Interval(2, 2, 2)));
    }

    [Test]
    public void ASlowOneTakesFewTurnsAndItsIntervalSaysSo()
    {
        _steps["native 1"] = _ => 10;
        _steps["managed 1"] = turn => 2_000 + 100 * (turn % 2);
        _steps["torchsharp 1"] = turn => turn % 2 == 0 ? 20 : 21;
        BatchComparison result = Compare(["native", "torchsharp", "managed"], [1]);
        Speed managed = RowOf(result, "managed").Training!;
        Assert.Multiple(() =>
        {
            Assert.That(managed.Rounds, Is.InRange(1, 7));
            Assert.That(managed.Ratio.Low is null || managed.Ratio.Width > 0.03, $"{managed.Ratio}");
            Assert.That(RowOf(result, "native").Training!.Rounds, Is.GreaterThan(8));
            Assert.That(result.Seconds, Is.LessThanOrEqualTo(55));
            Assert.That(result.Recommendation.Backend, Is.EqualTo("native"));
            Assert.That(result.Recommendation.Confidence, Is.EqualTo(Confidence.Clear));
        });
    }

    [Test]
    public void WhatDoesNotFitTheTimeLimitIsLeftOutWithTheReason()
    {
        _steps["native 1"] = _ => 10;
        _steps["managed 1"] = _ => 60_000;
        BatchComparison result = Compare(["native", "managed"], [1]);
        Absence absence = result.Absent.Single();
        Assert.Multiple(() =>
        {
            Assert.That((absence.Backend, absence.Threads, absence.What),
                Is.EqualTo(("managed", 1, "training and inference")));
            Assert.That(absence.Reason, Does.Contain("60 s").And.Contain("1000 s"));
            Assert.That(RowOf(result, "managed").Training, Is.Null);
            Assert.That(RowOf(result, "managed").Latency, Is.Not.Null);
            Assert.That(_turns.Keys, Has.No.Member("managed 1 train"));
        });
    }

    [Test]
    public void OfEquallyFastOnesTheFewestThreadsAreTaken()
    {
        _steps["native 1"] = turn => turn % 2 == 0 ? 10.2 : 10;
        _steps["native 2"] = turn => turn % 2 == 0 ? 10 : 10.1;
        Recommendation taken = Compare(["native"], [1, 2]).Recommendation;
        Assert.That((taken.Backend, taken.Threads, taken.Confidence), Is.EqualTo(("native", 1, Confidence.Close)));
        Assert.That(taken.Sentence, Does.Contain("native on 2 threads cannot be distinguished from it, "
            + "and it needs fewer threads"));
    }

    [Test]
    public void OneRoundTellsNothingOfItsErrorSoTheFastestIsTaken()
    {
        _steps["native 1"] = _ => 2_000;
        _steps["native 2"] = _ => 1_200;
        BatchComparison result = Compare(["native"], [1, 2], limit: 34);
        Recommendation taken = result.Recommendation;
        Assert.Multiple(() =>
        {
            Assert.That(RowOf(result, "native", 1).Training!.Rounds, Is.LessThan(8));
            Assert.That((taken.Backend, taken.Threads), Is.EqualTo(("native", 2)));
        });
        var one = new Speed(new Interval(1, null, null), new Interval(2, null, null), 1, 1, 1, 1, 1, 1);
        CompareRow[] rows =
            [new("a", 1) { Training = one }, new("b", 2) { Training = one with { Ratio = new Interval(1, 1, 1) } },
            new("c", 1) { Training = one with { Ratio = new Interval(4, null, null) } }];
        Recommendation open = Recommender.Of(rows, new Noise(NoiseVerdict.Imprecise, 0, 1, "Imprecise."));
        Assert.That((open.Backend, open.Confidence), Is.EqualTo(("b", Confidence.Close)));
        Assert.That(open.Sentence, Does.Contain("a on 1 thread cannot be distinguished from it")
            .And.Not.Contain("c on 1 thread cannot").And.Contain("4.0 times as fast as c on 1 thread"));
    }

    [TestCase(2, 63, false)]
    [TestCase(2, 1.5, true)]
    [TestCase(3, 63, false)]
    [TestCase(3, 1.5, true)]
    [TestCase(40, 3, false)]
    [TestCase(40, 2.9, true)]
    public void AWideIntervalDoesNotMakeASlowBackendAsFast(int rounds, double ratio, bool asFast)
    {
        var speed = new Speed(new Interval(1, null, null), new Interval(ratio, 0.8, 4000), 1, rounds, 1, 1, 1, 1);
        CompareRow[] rows =
            [new("a", 1) { Training = speed }, new("b", 2) { Training = speed with { Ratio = new Interval(1, 1, 1) } }];
        Recommendation taken = Recommender.Of(rows, new Noise(NoiseVerdict.Quiet, 0, 1, "Quiet."));
        Assert.That(taken.Confidence, Is.EqualTo(asFast ? Confidence.Close : Confidence.Clear));
        Assert.That(taken.Sentence.Contains("cannot be distinguished from it", StringComparison.Ordinal),
            Is.EqualTo(asFast),
            taken.Sentence);
    }

    [TestCase(1, "2.00 (once)")]
    [TestCase(2, "2.00 (twice)")]
    [TestCase(3, "2.00 (0.80–4000.00)")]
    public void ARatioOfTwoRoundsIsShownWithoutItsInterval(int rounds, string shown)
    {
        var speed = new Speed(new Interval(1, null, null), new Interval(2, 0.8, 4000), 1, rounds, 1, 1, 1, 1);
        var comparison = new BatchComparison(1, 1, 1, [new CompareRow("a", 1) { Training = speed }], [],
            new Noise(NoiseVerdict.Quiet, 0, 1, "Quiet."), new Recommendation("a", 1, Confidence.Clear, "", ""));
        Assert.That(CompareText.TablesOf(comparison)[0].Rows[0], Has.Some.EqualTo(shown));
    }

    [Test]
    public void OnABusyMachineItCannotTell()
    {
        _steps["native 1"] = _ => 10;
        _steps["torchsharp 1"] = _ => 25;
        _othersBusy = 0.1 * Environment.ProcessorCount;
        BatchComparison result = Compare(["native", "torchsharp"], [1]);
        Assert.Multiple(() =>
        {
            Assert.That(result.Noise.Verdict, Is.EqualTo(NoiseVerdict.Busy));
            Assert.That(result.Noise.OtherProcessors, Is.EqualTo(0.1 * Environment.ProcessorCount)
                .Within(0.02 * Environment.ProcessorCount));
            Assert.That(result.Recommendation.Confidence, Is.EqualTo(Confidence.CannotTell));
            Assert.That(result.Recommendation.Sentence, Does
                .StartWith("This run is inconclusive: other processes kept ")
                .And.Contain("native on 1 thread was the best choice"));
        });
    }

    [Test]
    public void AWrongOneIsShownAndNotTaken()
    {
        _steps["native 1"] = _ => 30;
        _steps["torchsharp 1"] = _ => 10;
        _gradients["torchsharp"] = new GradientAgreement(GradientVerdict.Wrong, 100, 7,
            "conv: dw[3] is 1 and should be 2");
        BatchComparison result = Compare(["native", "torchsharp"], [1]);
        Assert.Multiple(() =>
        {
            Assert.That(RowOf(result, "torchsharp").Gradients.Verdict, Is.EqualTo(GradientVerdict.Wrong));
            Assert.That(RowOf(result, "torchsharp").Training!.Ratio.Value, Is.EqualTo(1 / 3.0).Within(1e-12),
                "it is faster than the fastest that is right");
            Assert.That(result.Recommendation.Backend, Is.EqualTo("native"));
            Assert.That(result.Recommendation.Confidence, Is.EqualTo(Confidence.Clear));
            Assert.That(result.Recommendation.Sentence, Does.Contain("torchsharp computes wrong gradients (conv: "
                + "dw[3] is 1 and should be 2)"));
        });
        _gradients["native"] = _gradients["torchsharp"];
        Recommendation none = Compare(["native", "torchsharp"], [1]).Recommendation;
        Assert.That((none.Backend, none.Threads), Is.EqualTo(((string?)null, (int?)null)));
        Assert.That(none.Sentence, Does.Contain("the gradients of native, torchsharp are wrong"));
    }

    [Test]
    public void WhoCannotRunIsNamedWithTheReasonAndWithoutAnyoneThereIsNoComparison()
    {
        _broken["torchsharp"] = "built without libtorch";
        BatchComparison result = Compare(["native", "torchsharp"], [1, 2]);
        Assert.That(result.Absent.Select(absence => (absence.Backend, absence.Threads, absence.What, absence.Reason)),
            Is.EqualTo(((string, int?, string, string)[])
            [("torchsharp", 1, "all", "built without libtorch"), ("torchsharp", 2, "all", "built without libtorch")]));
        Assert.That(result.Rows.Select(row => row.Backend), Is.All.EqualTo("native"));
        Assert.That(Assert.Throws<NotSupportedException>(() => Compare(["torchsharp"], [1]))!.Message,
            Does.Contain("torchsharp: built without libtorch"));
    }

    [Test]
    public void WhoDiesIsNamedWithTheReason()
    {
        _broken["torchsharp dies"] = "";
        BatchComparison result = Compare(["native", "torchsharp"], [1]);
        Assert.That(result.Absent.Single().Reason, Does.Contain("out of beads"));
    }

    [Test]
    public void VariantsRunWithTheMostThreadsAndOnlyWhereTheyDiffer()
    {
        _algorithms["native"] = "direct+winograd4";
        Assert.That(Compare(["native", "native:accurate", "native:scalar"], [1, 2])
            .Rows.Select(row => $"{row.Backend} {row.Threads} {row.Algorithm}"), Is.EqualTo(
            (string[])["native 1 direct+winograd4", "native 2 direct+winograd4", "native:accurate 2 direct",
                "native:scalar 2 direct"]));
        _algorithms["native"] = "direct";
        BatchComparison same = Compare(["native", "native:accurate"], [2]);
        Assert.That(same.Rows.Select(row => row.Backend), Is.EqualTo((string[])["native"]));
        Assert.That(same.Absent.Single().Reason, Does.Contain("uses the same algorithms as native"));
    }

    [Test]
    public void TheFirstStepOfANewProcessCountsFromItsStart()
    {
        _steps["native 1"] = _ => 10;
        CompareRow row = RowOf(Compare(["native"], [1]), "native");
        // The fake takes 70 ms to start and 20 ms to prepare, of which it calls 5 compilation.
        Assert.That(row.FirstStep, Is.EqualTo(new FirstStep(100, 15, 5)));
        Assert.That(row.PeakMemoryMB, Is.EqualTo(7));
    }

    [Test]
    public void SingleImagesAreCountedTogether()
    {
        _steps["native 1"] = _ => 10;
        CompareRow row = RowOf(Compare(["native"], [1]), "native");
        // Five turns of 40 calls, each of them 1 to 40 hundredths of a millisecond.
        Assert.That(row.Latency, Is.EqualTo(new Latency(0.2, 0.4, 0.4, 200)));
    }

    [Test]
    public void ACancelledRunEndsWithItsWorkers()
    {
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        var settings = new CompareSettings { Model = "digits", Batch = 4, Backends = ["native"], Threads = [1] };
        Assert.Throws<OperationCanceledException>(
            () => CompareRun.Measure(Digits, settings, backend => new FakeWorker(this, backend),
                new MachineMeter(busy: () => null), () => _now, _log.Add, cancellation.Token));
        Assert.That(_log.Count(line => line.EndsWith(" starts", StringComparison.Ordinal)),
            Is.EqualTo(_log.Count(line => line.EndsWith(" ends", StringComparison.Ordinal))));
    }

    [Test]
    public void AFastBackendWithAFaultIsFoundByTheWorkersOwnCheck(
        [Values(FaultTarget.WeightGradient, FaultTarget.InputGradient, FaultTarget.Output)] FaultTarget target)
    {
        IWorker Start(string backend) => new WorkerLoop(backend == "torchsharp"
            ? new FaultyBench(new Fault(FaultKind.FactorOfTwo, target))
            : Bench.Of(backend, (model, input) => BuiltInModels.Create(model, input)));
        var settings = new CompareSettings
        {
            Model = "digits",
            Batch = 2,
            Backends = ["managed", "torchsharp"],
            Threads = [1],
            TurnMilliseconds = 1
        };
        // Every look at the clock takes three seconds, so that few turns are taken.
        BatchComparison result = CompareRun.Measure(Digits, settings, Start, new MachineMeter(busy: () => null),
            () => _now += TimeSpan.FromSeconds(3), _log.Add);
        Assert.Multiple(() =>
        {
            Assert.That(RowOf(result, "torchsharp").Gradients.Verdict, Is.EqualTo(GradientVerdict.Wrong));
            Assert.That(RowOf(result, "torchsharp").Gradients.Detail, Does.Contain("should be"));
            Assert.That(RowOf(result, "managed").Gradients.Verdict, Is.EqualTo(GradientVerdict.Right),
                RowOf(result, "managed").Gradients.Detail);
            Assert.That(result.Recommendation.Backend, Is.EqualTo("managed"));
        });
    }

    [Test]
    public void ABackendThatFailsItsSelfTestIsNeverTakenThoughTheNetworkDoesNotShowIt()
    {
        // A network without a convolution, on a backend whose convolutions are wrong.
        IWorker Start(string backend) => new WorkerLoop(backend == "torchsharp"
            ? new BenchWithoutConvolutions()
            : Bench.Of(backend, (_, _) => Mlp));
        var settings = new CompareSettings
        {
            Model = "mlp",
            Batch = 2,
            Backends = ["managed", "torchsharp"],
            Threads = [1],
            TurnMilliseconds = 1
        };
        BatchComparison result = CompareRun.Measure(Mlp, settings, Start, new MachineMeter(busy: () => null),
            () => _now += TimeSpan.FromSeconds(3), _log.Add);
        Assert.Multiple(() =>
        {
            Assert.That(RowOf(result, "torchsharp").Gradients.Verdict, Is.EqualTo(GradientVerdict.Wrong));
            Assert.That(RowOf(result, "torchsharp").Gradients.Detail, Is
                .EqualTo("the backend failed its self-test: InvalidOperationException: no convolutions"));
            Assert.That(result.Recommendation.Backend, Is.EqualTo("managed"));
            Assert.That(CompareText.RemarksOf(result),
                Has.Some.StartsWith("torchsharp: gradients wrong: the backend failed its self-test: "));
        });
    }

    /// <summary>The native backend with a fault.</summary>
    private sealed class FaultyBench(Fault fault)
        : TorchSharpBench((model, input) => BuiltInModels.Create(model, input))
    {
        protected override IBackend Open(Request request)
            => new FaultyBackend(new NativeBackend(request.Threads), fault);
    }

    private static Graph Mlp { get; } = Sequential.Of(Shape.Vector(4), new Linear(3));

    private sealed class BenchWithoutConvolutions() : TorchSharpBench((_, _) => Mlp)
    {
        protected override IBackend Open(Request request) => new BackendWithoutConvolutions();
    }

    private sealed class BackendWithoutConvolutions : IBackend
    {
        private readonly ManagedBackend _inner = new(1);

        public BackendInfo Info => _inner.Info;

        public IExecutable Compile(Graph graph, TrainingSpec spec) => _inner.Compile(Checked(graph), spec);

        public IExecutable CompileInference(Graph graph, int batchSize)
            => _inner.CompileInference(Checked(graph), batchSize);

        public void Dispose() => _inner.Dispose();

        private static Graph Checked(Graph graph)
            => graph.Nodes.Any(node => node.Layer is Conv2d)
                ? throw new InvalidOperationException("no convolutions") : graph;
    }

    /// <summary>Answers at once; what takes time moves the clock, and others compute meanwhile.</summary>
    private sealed class FakeWorker : IWorker
    {
        private readonly CompareRunTests _test;
        private readonly string _backend;
        private Request _current = new(Order.Prepare);

        public FakeWorker(CompareRunTests test, string backend)
        {
            (_test, _backend) = (test, backend);
            test._log.Add($"{backend} starts");
            Pass(70);
        }

        public Response Ask(Request request)
        {
            if (_test._broken.ContainsKey($"{_backend} dies"))
                throw new WorkerException("out of beads");
            if (_test._broken.TryGetValue(_backend, out string? reason))
                return new Response { Error = reason };
            return request.Do switch
            {
                Order.Check => new Response
                {
                    Gradients = _test._gradients.GetValueOrDefault(_backend,
                    new GradientAgreement(GradientVerdict.Right, 100, 0, "all"))
                },
                Order.Prepare => Prepare(request),
                Order.First => new Response { MinMs = Pass(Step), PeakMemoryMB = 7 },
                Order.Latency => new Response { CallsMs = [.. Enumerable.Range(1, 40).Select(call => call / 100.0)] },
                Order.Measure => Measure(),
                Order.Peak => new Response { Rate = 100 },
                Order.Memory => new Response { Rate = 50 },
                _ => new Response(),
            };
        }

        public void Dispose() => _test._log.Add($"{_backend} ends");

        private Response Prepare(Request request)
        {
            _current = request;
            Pass(20);
            string algorithm = request.Precision is null && request.Isa is null
                ? _test._algorithms.GetValueOrDefault(_backend, "direct") : "direct";
            return new Response
            {
                Library = _backend,
                Algorithm = algorithm,
                Operations = 4e6,
                Images = request.Batch,
                CompileMs = 5
            };
        }

        private Response Measure()
        {
            string key = $"{_backend} {_current.Threads} {_current.Pass}";
            int turn = _test._turns[key] = _test._turns.GetValueOrDefault(key, -1) + 1;
            double time = TimeOf(turn);
            Pass(Math.Max(time, 100));
            return new Response { MedianMs = time, MinMs = time, Calls = 1 };
        }

        // A single image takes its part of a step that is three times as long as an inference.
        private double Step => TimeOf(0) / (_current.Batch == 1 ? 3 * 4 : 1);

        private double TimeOf(int turn) => _test._steps.TryGetValue($"{_backend} {_current.Threads}",
            out Func<int, double>? step) ? step(turn) : 50;

        private double Pass(double milliseconds)
        {
            _test._now += TimeSpan.FromMilliseconds(milliseconds);
            _test._others += TimeSpan.FromMilliseconds(milliseconds * _test._othersBusy);
            return milliseconds;
        }
    }
}
