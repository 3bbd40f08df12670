using ConvNet.Measurement.Workers;
using static System.FormattableString;

namespace ConvNet.Measurement;

/// <summary>Compares backends on one network with one batch size.</summary>
/// <remarks>
/// Each combination of backend and thread count runs in its own process, and they take turns
/// (<see cref="PairedRounds{T}"/>). A first process checks the gradients and measures the first step after other work,
/// the latency of single images, and inference with the batch. A second, new process measures the first step from
/// process start, the peak memory, and training. A backend that would take too much of the time limit, judged by the
/// time of one image, is skipped with a remark. A backend whose process ends unexpectedly is excluded from the rest.
/// </remarks>
public sealed class CompareRun
{
    /// <summary>The largest share of the time limit that one training step may take; slower backends are
    /// skipped.</summary>
    public const double LargestStep = 0.06;

    private const string Everything = "all", Training = "training", TrainingAndInference = "training and inference";
    private const int LatencyTurns = 5;

    // The share of the remaining time that inference may take.
    private const double InferenceShare = 0.3;

    // A training step also computes two gradients of about the same cost.
    private const int StepOverInference = 3;

    private readonly CompareSettings _settings;
    private readonly Func<string, IWorker> _start;
    private readonly MachineMeter _machine;
    private readonly Func<TimeSpan> _clock;
    private readonly Action<string> _progress;
    private readonly CancellationToken _cancellation;
    private readonly TimeSpan _begin;
    private readonly IWorker _meter;
    private readonly List<CompareEntry> _entries = [];
    private readonly List<Absence> _absent = [];

    private CompareRun(
        CompareSettings settings, Func<string, IWorker> start, MachineMeter machine, Func<TimeSpan> clock,
            Action<string> progress, CancellationToken cancellation)
    {
        (_settings, _start, _machine, _clock, _progress, _cancellation) = (settings, start, machine, clock, progress,
            cancellation);
        _begin = clock();
        _meter = start(MeterBackend);
    }

    // The native backend contains the kernels that measure the machine.
    private const string MeterBackend = "native";

    /// <summary>Runs the comparison.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="start">Starts the worker of a backend.</param>
    /// <param name="machine">Measures the machine limits if they are unknown, and the load of other processes.</param>
    /// <param name="clock">Returns the elapsed time.</param>
    /// <param name="progress">Receives a line when a phase starts.</param>
    /// <param name="cancellation">Cancels the run between two turns.</param>
    /// <exception cref="ArgumentException">A backend name is unknown.</exception>
    /// <exception cref="NotSupportedException">No backend supports the network, or the machine cannot be measured; the
    /// message gives the reason.</exception>
    public static BatchComparison Measure(Graph graph, CompareSettings settings, Func<string, IWorker> start,
        MachineMeter machine,
        Func<TimeSpan> clock, Action<string> progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(clock);
        CompareEntry[] entries = [.. Entries(settings)];
        var run = new CompareRun(settings, start, machine, clock, progress, cancellation);
        run._entries.AddRange(entries);
        try
        {
            return run.Measure(graph);
        }
        finally
        {
            run._meter.Dispose();
            Array.ForEach(entries, entry => entry.EndWorker());
        }
    }

    private static IEnumerable<CompareEntry> Entries(CompareSettings settings)
    {
        int most = settings.Threads.Max();
        return from contestant in settings.Backends.Select(Contestant.Parse)
               from threads in settings.Threads.Distinct().Order()
               where threads == most || !contestant.IsVariant
               select new CompareEntry(contestant, threads);
    }

    private BatchComparison Measure(Graph graph)
    {
        if (_machine.Peaks.Count == 0)
        {
            _progress("FMA peak and memory bandwidth");
            _machine.Measure(_meter, _settings.Threads);
        }
        ForEach(_entries, Everything, Probe);
        if (_entries.Count == 0)
            throw new NotSupportedException($"Nothing could be measured: {_absent[0].Backend}: {_absent[0].Reason}");
        MeasureLatency();
        PairedRounds<CompareEntry> inference = MeasureInference(), training = MeasureTraining();
        var figures = new CompareFigures(graph, _settings.Batch, _machine);
        CompareRow[] rows = [.. _entries.Select(entry => entry.Row with
        {
            Training = figures.SpeedOf(entry, training, entry.TrainingOperations, isTraining: true),
            Inference = figures.SpeedOf(entry, inference, entry.InferenceOperations, isTraining: false),
            Latency = CompareFigures.LatencyOf(entry.Latencies),
        })];
        Noise noise = Recommender.Judge(rows, _machine);
        return new BatchComparison(_settings.Batch, (_clock() - _begin).TotalSeconds, _settings.LimitSeconds, rows,
            _absent, noise, Recommender.Of(rows, noise));
    }

    /// <summary>Starts a worker, checks its gradients, and measures one image and the first step after other
    /// work.</summary>
    private void Probe(CompareEntry entry)
    {
        _progress($"{entry.Title}: gradients and first calls");
        entry.Worker = _start(entry.Contestant.Backend);
        // The thread count does not change which code runs, so gradients are checked once per contestant.
        CompareEntry? twin = _entries.Find(other => other.Contestant == entry.Contestant && other.Row.Gradients
            != GradientAgreement.NotChecked);
        entry.Row = entry.Row
            with
        { Gradients = twin?.Row.Gradients ?? entry.Worker.Get(Request(entry, Order.Check)).Gradients! };
        Response prepared = Prepare(entry, BenchPass.Infer, 1);
        entry.Row = entry.Row with { Library = prepared.Library! };
        entry.Worker.Get(new Request(Order.First));
        entry.ImageMs = entry.Worker.Get(new Request(Order.First)).MinMs;
        if (TooSlow(entry) is { } reason)
        {
            Leave(entry, TrainingAndInference, reason);
            return;
        }
        Response compiled = Prepare(entry, BenchPass.Train, _settings.Batch);
        CompareEntry? plain = _entries.Find(other => other.Contestant.Name == entry.Contestant.Backend && other.Threads
            == entry.Threads);
        if (entry.Contestant.IsAccurate && plain is not null && plain.Row.Algorithm == compiled.Algorithm)
            throw new NotSupportedException($"it uses the same algorithms as {plain.Contestant.Name} on this network");
        entry.Row = entry.Row with { Algorithm = compiled.Algorithm! };
        entry.TrainingOperations = compiled.Operations;
        entry.Warm = (compiled.CompileMs, entry.Worker.Get(new Request(Order.First)).MinMs);
    }

    private string? TooSlow(CompareEntry entry)
    {
        double step = entry.ImageMs / 1e3 * _settings.Batch * StepOverInference, most = _settings.LimitSeconds
            * LargestStep;
        return step <= most ? null
            : Invariant($"judging by one image, a training step takes about {step:0} s, too long for a time limit ")
            + Invariant($"of {_settings.LimitSeconds:0} s; use at least {step / LargestStep:0} s");
    }

    private void MeasureLatency()
    {
        _progress("single images");
        ForEach(_entries, Everything, entry =>
        {
            Prepare(entry, BenchPass.Infer, 1);
            entry.Worker.Get(new Request(Order.First));
        });
        for (int turn = 0; turn < LatencyTurns; turn++)
        {
            // A single call is enough if it takes longer than a turn.
            ForEach(_entries.Where(entry => entry.Latencies.Count == 0
                || entry.Latencies[0] < _settings.TurnMilliseconds), Everything, entry =>
                entry.Latencies.AddRange(
                    entry.Worker.Get(new Request(Order.Latency) { Milliseconds = _settings.TurnMilliseconds })
                    .CallsMs!));
        }
    }

    private PairedRounds<CompareEntry> MeasureInference()
    {
        _progress($"inference with batches of {_settings.Batch}");
        ForEach(Running, TrainingAndInference,
            entry => entry.InferenceOperations = Prepare(entry, BenchPass.Infer, _settings.Batch).Operations);
        return Rounds(_clock() + (End - _clock()) * InferenceShare);
    }

    private PairedRounds<CompareEntry> MeasureTraining()
    {
        _entries.ForEach(entry => entry.EndWorker());
        ForEach(Running, Training, Start);
        _progress($"training with batches of {_settings.Batch}");
        return Rounds(End);
    }

    /// <summary>Starts a new process and runs its first training step.</summary>
    private void Start(CompareEntry entry)
    {
        TimeSpan start = _clock();
        entry.Worker = _start(entry.Contestant.Backend);
        Prepare(entry, BenchPass.Train, _settings.Batch);
        Response first = entry.Worker.Get(new Request(Order.First));
        entry.Row = entry.Row with
        {
            FirstStep = new FirstStep((_clock() - start).TotalMilliseconds, entry.Warm.Compile + entry.Warm.Step,
                entry.Warm.Compile),
            PeakMemoryMB = first.PeakMemoryMB,
        };
    }

    private PairedRounds<CompareEntry> Rounds(TimeSpan end)
    {
        // Calls that take longer than a turn need no warm-up: one has already run, and its effects do not last until
        // the next.
        foreach (CompareEntry entry
            in Running.Where(entry => entry.ImageMs * _settings.Batch < _settings.TurnMilliseconds))
            entry.Worker.Get(new Request(Order.Warm) { Milliseconds = _settings.TurnMilliseconds });
        var rounds = new PairedRounds<CompareEntry>([.. Running], entry => entry.Row.Gradients.Verdict
            != GradientVerdict.Wrong);
        _machine.Watch(() => rounds.Run(Turn, () => _machine.MeasurePeak(_meter, _settings.Threads.Max()), _clock, end),
            OwnTime, _clock);
        return rounds;
    }

    private double Turn(CompareEntry entry)
    {
        _cancellation.ThrowIfCancellationRequested();
        return entry.Worker.Get(new Request(Order.Measure) { Milliseconds = _settings.TurnMilliseconds }).MedianMs;
    }

    private IEnumerable<CompareEntry> Running => _entries.Where(entry => entry.TakesBatches);

    private TimeSpan End => _begin + TimeSpan.FromSeconds(_settings.LimitSeconds);

    private TimeSpan OwnTime() => _entries.Aggregate(Environment.CpuUsage.TotalTime + _meter.ProcessorTime,
        (sum, entry) => sum + entry.ProcessorTime);

    private Response Prepare(CompareEntry entry, BenchPass pass, int batch)
        => entry.Worker.Get(Request(entry, Order.Prepare) with { Pass = pass.Word(), Batch = batch });

    private Request Request(CompareEntry entry, Order order)
        => entry.Contestant.Request(order, _settings, entry.Threads);

    /// <summary>Applies an action to entries. An entry that does not support it, or whose process ends unexpectedly, is
    /// skipped and the reason is recorded.</summary>
    private void ForEach(IEnumerable<CompareEntry> entries, string what, Action<CompareEntry> action)
    {
        foreach (CompareEntry entry in entries.ToArray())
        {
            _cancellation.ThrowIfCancellationRequested();
            try
            {
                action(entry);
            }
            catch (Exception failure) when (failure is NotSupportedException
                || (failure is WorkerException && !_cancellation.IsCancellationRequested))
            {
                Leave(entry, what, failure.Message);
                entry.EndWorker();
                if (what == Everything)
                    _entries.Remove(entry);
            }
        }
    }

    private void Leave(CompareEntry entry, string what, string reason)
    {
        entry.TakesBatches = false;
        _absent.Add(new Absence(entry.Contestant.Name, entry.Threads, what, reason));
        _progress($"{entry.Title}: skipping {what}: {reason}");
    }
}
