using System.Diagnostics;

namespace ConvNet.Mpi;

/// <summary>Combines the passes of this rank with those of the others.</summary>
/// <param name="communicator">The ranks.</param>
/// <param name="objectives">The losses of the whole batch.</param>
/// <param name="options">How they are combined.</param>
internal sealed class SharedPass(ICommunicator communicator, IReadOnlyList<Objective> objectives,
    DataParallelOptions options) : IPassSharing, IStatisticsExchange
{
    private readonly double[] _divisors = new double[objectives.Count];
    private readonly List<float[]> _sums = [];
    private readonly List<ICollective?> _pending = [];
    private readonly List<TimeSpan> _starts = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private PendingSum? _pendingDivisors;
    private TimeSpan _passEnd, _sumsEnd;
    private int _samples, _own;
    private bool _counts;

    /// <summary>The time in which at least one bucket of gradients was being added up, from its start on this rank
    /// until it was complete.</summary>
    public TimeSpan Communicated { get; private set; }

    /// <summary>The part of <see cref="Communicated"/> after the end of a backward pass.</summary>
    public TimeSpan Exposed { get; private set; }

    /// <summary>The share of <see cref="Communicated"/> that was hidden behind the backward pass, from 0 to
    /// 1.</summary>
    public double Hidden => Communicated > TimeSpan.Zero ? 1 - Exposed / Communicated : 1;

    /// <summary>The sizes of the buckets in bytes; empty before the first backward pass.</summary>
    public IEnumerable<long> BucketBytes => _sums.Select(sums => sizeof(float) * (long)sums.Length);

    /// <summary>Begins a pass.</summary>
    /// <param name="samples">The number of samples of the whole batch.</param>
    /// <param name="own">The number of samples of this rank.</param>
    public void Begin(int samples, int own) => (_samples, _own) = (samples, own);

    /// <summary>Starts to add up what the losses of the whole batch are divided by.</summary>
    /// <param name="targets">The targets of this rank.</param>
    /// <param name="own">Their number of samples.</param>
    /// <param name="counts">Whether they count.</param>
    public void StartDivisors(Targets targets, int own, bool counts)
    {
        _counts = counts;
        for (int i = 0; i < _divisors.Length; i++)
        {
            (Node output, Loss loss, _) = objectives[i];
            _divisors[i] = counts ? loss.DivisorOf(output.Shape, own, targets.For(output)) : 0;
        }
        _pendingDivisors = new PendingSum(communicator, _divisors);
    }

    /// <inheritdoc/>
    public IStatisticsExchange? Statistics => options.SyncBatchNorm ? this : null;

    /// <inheritdoc/>
    public int Samples => _samples;

    /// <inheritdoc/>
    public void Sum(Span<double> values)
    {
        if (_own == 0)
            values.Clear();
        communicator.Sum(values);
    }

    /// <inheritdoc/>
    public float LossScale(int objective)
        => Divisor(objective) is > 0 and var divisor && _counts ? 1f / (float)divisor : 0;

    /// <inheritdoc/>
    public void ShareLosses(Span<double> losses)
    {
        if (!_counts)
            losses.Clear();
        communicator.Sum(losses);
        for (int i = 0; i < losses.Length; i++)
            losses[i] = Divisor(i) == 0 ? 0 : losses[i] / Divisor(i);
    }

    /// <inheritdoc/>
    public void ShareBuffers(Span<double> values)
    {
        // In double precision, the mean of equal values is the value.
        foreach (ref double value in values)
            value = _own == 0 ? 0 : value * _own;
        communicator.Sum(values);
        foreach (ref double value in values)
            value /= _samples;
    }

    /// <inheritdoc/>
    public void StartSum(int bucket, ReadOnlySpan<float> gradients)
    {
        while (_sums.Count <= bucket)
        {
            _sums.Add([]);
            _pending.Add(null);
            _starts.Add(default);
        }
        if (_sums[bucket].Length != gradients.Length)
            _sums[bucket] = GC.AllocateUninitializedArray<float>(gradients.Length, pinned: true);
        // The sample that a rank without any passes has gradients through the statistics of the batch.
        if (_own > 0)
            gradients.CopyTo(_sums[bucket]);
        else
            Array.Clear(_sums[bucket]);
        _starts[bucket] = _clock.Elapsed;
        _pending[bucket] = communicator.StartSum(_sums[bucket], options.Deterministic);
    }

    /// <inheritdoc/>
    public void FinishSum(int bucket, Span<float> gradients)
    {
        if (bucket == 0)
            (_passEnd, _sumsEnd) = (_clock.Elapsed, default);
        _pending[bucket]!.Wait();
        NoteTime(_starts[bucket], _starts[bucket] + _pending[bucket]!.Duration);
        _sums[bucket].CopyTo(gradients);
    }

    // Buckets start in their order. Time in which several are being added up counts once.
    private void NoteTime(TimeSpan start, TimeSpan end)
    {
        start = start > _sumsEnd ? start : _sumsEnd;
        if (end <= start)
            return;
        Communicated += end - start;
        Exposed += end > _passEnd ? end - (start > _passEnd ? start : _passEnd) : TimeSpan.Zero;
        _sumsEnd = end;
    }

    private double Divisor(int objective)
    {
        if (_pendingDivisors is { } pending)
        {
            pending.Finish(_divisors);
            _pendingDivisors = null;
        }
        // Each rank says 1 for a loss that is a sum.
        return objectives[objective].Loss.Reduction == Reduction.Sum ? 1 : _divisors[objective];
    }
}
