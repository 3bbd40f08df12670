using ConvNet.Backends;
using ConvNet.GradientChecking;
using ConvNet.Measurement.Workers;
using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>Benchmarks cases on several backends. The backends take turns, so that a temporary disturbance affects all
/// of them.</summary>
/// <remarks>
/// In each round, every backend has one turn, always in the same order. After each round, the native worker measures
/// the FMA peak again, because processors change their clock frequency. Each turn is compared with the peak of its
/// round, and the median over the rounds is reported.
/// </remarks>
public sealed class BenchRun
{
    private const string Native = "native";
    private const char Colon = ':';

    private readonly BenchSettings _settings;
    private readonly Func<string, IWorker> _start;
    private readonly Func<TimeSpan> _clock;
    private readonly Action<string> _progress;
    private readonly MachineMeter _machine;
    private readonly List<Timing> _timings = [];
    private readonly List<Skip> _skipped = [];
    private readonly Dictionary<string, string> _libraries = [];
    private readonly Dictionary<string, SelfTestResult> _selfTests = [];

    private BenchRun(BenchSettings settings, Func<string, IWorker> start, Func<TimeSpan> clock, Action<string> progress)
        => (_settings, _start, _clock, _progress, _machine) =
            (settings, start, clock, progress, new MachineMeter(settings.Isa));

    /// <summary>Runs the benchmark.</summary>
    /// <param name="cases">The cases, in the order in which they are measured.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="start">Starts the worker of a backend.</param>
    /// <param name="clock">Returns the elapsed time, for <see cref="BenchSettings.TimeLimitSeconds"/>.</param>
    /// <param name="progress">Receives a line when a case starts.</param>
    /// <param name="cancellation">Cancels the run between two turns.</param>
    /// <exception cref="WorkerException">A worker ended unexpectedly.</exception>
    /// <exception cref="NotSupportedException">No backend supports any of the cases, or the FMA peak cannot be
    /// measured.</exception>
    public static BenchResult Measure(IReadOnlyList<Case> cases, BenchSettings settings, Func<string, IWorker> start,
        Func<TimeSpan> clock,
        Action<string> progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(cases);
        ArgumentNullException.ThrowIfNull(settings);
        var run = new BenchRun(settings, start, clock, progress);
        run.MeasureMachine(cases);
        foreach (string backend in settings.Backends.Distinct())
        {
            cancellation.ThrowIfCancellationRequested();
            run.Test(cases[0], backend);
        }
        foreach (IGrouping<object, Case> group in cases.GroupBy(c => c.Isolation))
        {
            using var workers = new WorkerGroup(start);
            foreach (Case next in group)
                run.Measure(next, workers, cancellation);
        }
        return run.Result();
    }

    private void MeasureMachine(IReadOnlyList<Case> cases)
    {
        _progress("FMA peak and memory bandwidth");
        using IWorker worker = _start(Native);
        _machine.Measure(worker, cases.Select(c => c.Threads), memoryOfEach: _settings.ProfileMilliseconds > 0);
    }

    // The self-test runs in its own process so that it cannot influence the measurements. Peer programs have no
    // self-test. A backend that cannot be loaded reports that when it is measured.
    private void Test(Case first, string backend)
    {
        using IWorker worker = _start(FamilyOf(backend));
        if (worker.Ask(RequestOf(first, backend) with { Do = Order.SelfTest }).SelfTest is not { } test)
            return;
        _selfTests[backend] = test;
        if (!test.Passed)
            _progress($"warning: {BenchResult.SelfTestWarning(backend, test)}");
    }

    private void Measure(Case next, WorkerGroup workers, CancellationToken cancellation)
    {
        _progress($"{next.Title}, batch {next.Batch}, {next.Pass.Word()}, {next.Threads} "
            + $"{(next.Threads == 1 ? "thread" : "threads")}");
        List<double> peaks = [];
        List<Timing> timings = [.. _settings.Backends.Select(backend => Prepare(next, backend, workers, peaks))
            .OfType<Timing>()];
        foreach (Timing timing in timings)
            timing.Worker.Get(new Request(Order.Warm) { Milliseconds = _settings.WarmMilliseconds });
        TimeSpan start = _clock();
        for (int round = 0; round < _settings.Rounds
            && (round == 0 || (_clock() - start).TotalSeconds < _settings.TimeLimitSeconds); round++)
        {
            foreach (Timing timing in timings)
            {
                cancellation.ThrowIfCancellationRequested();
                timing.Turns.Add(
                    timing.Worker.Get(new Request(Order.Measure) { Milliseconds = _settings.TurnMilliseconds }));
            }
            peaks.Add(timings.Find(timing => IsNative(timing.Backend)) is { } native
                ? _machine.MeasurePeak(native.Worker, next.Threads)
                : _machine.Peaks[next.Threads]);
        }
        foreach (Timing timing in timings.Where(_ => _settings.ProfileMilliseconds > 0))
        {
            cancellation.ThrowIfCancellationRequested();
            timing.Profile =
                timing.Worker.Get(new Request(Order.Profile)
                {
                    Milliseconds = _settings.ProfileMilliseconds,
                    Spans = _settings.TracedCalls
                }).Profile;
        }
        _timings.AddRange(timings);
    }

    private Timing? Prepare(Case next, string backend, WorkerGroup workers, IReadOnlyList<double> peaks)
    {
        IWorker worker = workers[backend];
        string? wanted = AlgorithmOf(backend);
        Response response = worker.Ask(RequestOf(next, backend));
        string? reason = response.Error
            ?? (wanted is null || response.Algorithm == wanted ? null : $"{wanted} does not support this layer");
        if (reason is not null)
        {
            _skipped.Add(new Skip(next, backend, reason));
            _progress($"skipping {backend}: {reason}");
            return null;
        }
        _libraries.TryAdd(backend, response.Library ?? "");
        return new Timing(next, backend, worker, response, peaks);
    }

    private BenchResult Result()
    {
        if (_timings.Count == 0)
            throw new NotSupportedException($"Nothing could be measured: {_skipped[0].Backend}: {_skipped[0].Reason}");
        // A peer program need not report the operations of a network; another backend does.
        var operations = _timings.GroupBy(timing => timing.Case)
            .ToDictionary(of => of.Key, of => of.Max(timing => timing.Prepared.Operations));
        Row[] rows = [.. _timings.Select(timing => timing.ToRow(operations[timing.Case]))];
        Ratio[] ratios = [.. _timings.GroupBy(timing => timing.Case).SelectMany(RatiosOf)];
        return new BenchResult(_machine.Peaks, _machine.Steadiness, _machine.MemoryGBs, rows, ratios, _skipped,
            _libraries)
        {
            MemoryRates = _machine.MemoryRates,
            SelfTests = _selfTests,
        };
    }

    private static IEnumerable<Ratio> RatiosOf(IEnumerable<Timing> timings)
    {
        Timing compared = timings.FirstOrDefault(timing => IsNative(timing.Backend)) ?? timings.First();
        return timings.Where(timing => timing != compared).Select(rival => compared.Against(rival));
    }

    private Request RequestOf(Case next, string backend)
        => next.ToRequest(_settings, AlgorithmOf(backend) ?? _settings.Algorithm) with
        {
            Padding = BackendRegistry.Find(backend)?.PaddingWord,
        };

    private static string? AlgorithmOf(string backend)
        => IsNative(backend) && backend.Split(Colon) is [_, var algorithm] ? algorithm : null;

    private static string FamilyOf(string backend) => backend.Split(Colon)[0];

    private static bool IsNative(string backend) => FamilyOf(backend) == Native;

    /// <summary>The measurements of one case on one backend, and the FMA peak of each round.</summary>
    private sealed record Timing(Case Case, string Backend, IWorker Worker, Response Prepared,
        IReadOnlyList<double> Peaks)
    {
        public List<Response> Turns { get; } = [];

        public NetworkProfile? Profile { get; set; }

        public Row ToRow(double operations)
        {
            double median = Statistics.Median(Turns.Select(turn => turn.MedianMs));
            double percent =
                Statistics.Median(Turns.Zip(Peaks, (turn, peak) => 100 * operations / turn.MedianMs / 1e6 / peak));
            return new Row(Case, Backend, Prepared.Algorithm ?? AlgorithmNames.Auto, median,
                Turns.Min(turn => turn.MinMs), operations / median / 1e6, percent,
                Prepared.Images / median * 1e3, Turns.Max(turn => turn.PeakMemoryMB))
            {
                Auto = Prepared.Auto,
                Profile = Profile,
            };
        }

        public Ratio Against(Timing rival)
        {
            double[] rounds = [.. Turns.Zip(rival.Turns, (own, other) => other.MedianMs / own.MedianMs)];
            return new Ratio(Case, Backend, rival.Backend, Statistics.Median(rounds), rounds.Min(), rounds.Max());
        }
    }

    /// <summary>The workers that a group of cases shares. They are started on first use.</summary>
    private sealed class WorkerGroup(Func<string, IWorker> start) : IDisposable
    {
        private readonly Dictionary<string, IWorker> _workers = [];

        public IWorker this[string backend]
        {
            get
            {
                if (!_workers.TryGetValue(backend, out IWorker? worker))
                    _workers[backend] = worker = start(FamilyOf(backend));
                return worker;
            }
        }

        public void Dispose()
        {
            foreach (IWorker worker in _workers.Values)
                worker.Dispose();
        }
    }
}
