using ConvNet.Diagnostics;
using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>Measures cases, backends taking turns: what disturbs the machine for a while disturbs all of them.</summary>
/// <remarks>
/// In each round every backend has one turn, in the same order. The FMA peak is measured again after the turns of a round, in the native
/// worker, and the best of all counts: it is what the processor can do, and a run that comes near it was not disturbed.
/// </remarks>
public sealed class BenchRun
{
    private const string Native = "native";
    private const char Colon = ':';

    private readonly BenchSettings _settings;
    private readonly Func<string, IWorker> _start;
    private readonly Func<TimeSpan> _clock;
    private readonly Action<string> _progress;
    private readonly Dictionary<int, double> _peaks = [], _memoryRates = [];
    private readonly List<(int Threads, double Gflops)> _measuredPeaks = [];
    private readonly List<Timing> _timings = [];
    private readonly List<Skip> _skipped = [];
    private readonly Dictionary<string, string> _libraries = [];

    private BenchRun(BenchSettings settings, Func<string, IWorker> start, Func<TimeSpan> clock, Action<string> progress)
        => (_settings, _start, _clock, _progress) = (settings, start, clock, progress);

    /// <summary>Measures.</summary>
    /// <param name="cases">The cases, in their order.</param>
    /// <param name="settings">How it goes.</param>
    /// <param name="start">Starts the worker of a backend.</param>
    /// <param name="clock">Tells the time since some moment, for <see cref="BenchSettings.PatienceSeconds"/>.</param>
    /// <param name="progress">Gets a line when a case begins.</param>
    /// <param name="cancellation">Ends it between two turns.</param>
    /// <exception cref="WorkerException">A worker died.</exception>
    /// <exception cref="NotSupportedException">No backend does any of the cases, or the peak cannot be measured.</exception>
    public static BenchResult Measure(IReadOnlyList<Case> cases, BenchSettings settings, Func<string, IWorker> start, Func<TimeSpan> clock,
        Action<string> progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(cases);
        ArgumentNullException.ThrowIfNull(settings);
        var run = new BenchRun(settings, start, clock, progress);
        run.MeasureMachine(cases);
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
        _progress("the processor's peak and the memory rate");
        using IWorker worker = _start(Native);
        foreach (int threads in cases.Select(c => c.Threads).Distinct())
            MeasurePeak(worker, threads);
        int most = cases.Max(c => c.Threads);
        foreach (int threads in cases.Select(c => c.Threads).Distinct().Where(count => count == most || _settings.ProfileMilliseconds > 0))
            _memoryRates[threads] = Checked(worker.Ask(new Request(Order.Memory) { Threads = threads, Isa = _settings.Isa })).Rate;
    }

    private void MeasurePeak(IWorker worker, int threads)
    {
        double peak = Checked(worker.Ask(new Request(Order.Peak) { Threads = threads, Isa = _settings.Isa })).Rate;
        _measuredPeaks.Add((threads, peak));
        _peaks[threads] = Math.Max(peak, _peaks.GetValueOrDefault(threads));
    }

    private void Measure(Case next, WorkerGroup workers, CancellationToken cancellation)
    {
        _progress($"{next.Title}, batch {next.Batch}, {next.Pass.Word()}, {next.Threads} {(next.Threads == 1 ? "thread" : "threads")}");
        List<Timing> timings = [.. _settings.Backends.Select(backend => Prepare(next, backend, workers)).OfType<Timing>()];
        foreach (Timing timing in timings)
            Checked(timing.Worker.Ask(new Request(Order.Warm) { Milliseconds = _settings.WarmMilliseconds }));
        TimeSpan start = _clock();
        for (int round = 0; round < _settings.Rounds && (round == 0 || (_clock() - start).TotalSeconds < _settings.PatienceSeconds); round++)
        {
            foreach (Timing timing in timings)
            {
                cancellation.ThrowIfCancellationRequested();
                timing.Turns.Add(Checked(timing.Worker.Ask(new Request(Order.Measure) { Milliseconds = _settings.TurnMilliseconds })));
            }
            if (timings.Find(timing => IsNative(timing.Backend)) is { } native)
                MeasurePeak(native.Worker, next.Threads);
        }
        foreach (Timing timing in timings.Where(_ => _settings.ProfileMilliseconds > 0))
        {
            cancellation.ThrowIfCancellationRequested();
            timing.Profile = Checked(timing.Worker.Ask(new Request(Order.Profile) { Milliseconds = _settings.ProfileMilliseconds, Spans = _settings.TracedCalls })).Profile;
        }
        _timings.AddRange(timings);
    }

    private Timing? Prepare(Case next, string backend, WorkerGroup workers)
    {
        IWorker worker = workers[backend];
        string? wanted = backend.Split(Colon) is [_, var algorithm] ? algorithm : null;
        Response response = worker.Ask(next.ToRequest(_settings, wanted ?? _settings.Algorithm));
        string? reason = response.Error ?? (wanted is null || response.Algorithm == wanted ? null : $"the layer cannot take {wanted}");
        if (reason is not null)
        {
            _skipped.Add(new Skip(next, backend, reason));
            _progress($"without {backend}: {reason}");
            return null;
        }
        _libraries.TryAdd(backend, response.Library ?? "");
        return new Timing(next, backend, worker, response);
    }

    private BenchResult Result()
    {
        if (_timings.Count == 0)
            throw new NotSupportedException($"Nothing could be measured: {_skipped[0].Backend}: {_skipped[0].Reason}");
        // A program that runs networks need not know their operations: another backend does.
        var operations = _timings.GroupBy(timing => timing.Case).ToDictionary(of => of.Key, of => of.Max(timing => timing.Prepared.Operations));
        Row[] rows = [.. _timings.Select(timing => timing.ToRow(_peaks[timing.Case.Threads], operations[timing.Case]))];
        Ratio[] ratios = [.. _timings.GroupBy(timing => timing.Case).SelectMany(RatiosOf)];
        double steadiness = Statistics.Median(_measuredPeaks.Select(peak => peak.Gflops / _peaks[peak.Threads]));
        return new BenchResult(_peaks, steadiness, _memoryRates.MaxBy(rate => rate.Key).Value, rows, ratios, _skipped, _libraries) { MemoryRates = _memoryRates };
    }

    private static IEnumerable<Ratio> RatiosOf(IEnumerable<Timing> timings)
    {
        Timing compared = timings.FirstOrDefault(timing => IsNative(timing.Backend)) ?? timings.First();
        return timings.Where(timing => timing != compared).Select(rival => compared.Against(rival));
    }

    private static bool IsNative(string backend) => backend.Split(Colon)[0] == Native;

    private static Response Checked(Response response) => response.Error is null ? response : throw new NotSupportedException(response.Error);

    /// <summary>One case on one backend while it is measured.</summary>
    private sealed record Timing(Case Case, string Backend, IWorker Worker, Response Prepared)
    {
        public List<Response> Turns { get; } = [];

        public NetworkProfile? Profile { get; set; }

        public Row ToRow(double peak, double operations)
        {
            double median = Statistics.Median(Turns.Select(turn => turn.MedianMs)), gflops = operations / median / 1e6;
            return new Row(Case, Backend, Prepared.Algorithm ?? AlgorithmNames.Auto, median, Turns.Min(turn => turn.MinMs), gflops, 100 * gflops / peak,
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

    /// <summary>The workers of some cases, started when they are needed.</summary>
    private sealed class WorkerGroup(Func<string, IWorker> start) : IDisposable
    {
        private readonly Dictionary<string, IWorker> _workers = [];

        public IWorker this[string backend]
        {
            get
            {
                if (!_workers.TryGetValue(backend, out IWorker? worker))
                    _workers[backend] = worker = start(backend.Split(Colon)[0]);
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
