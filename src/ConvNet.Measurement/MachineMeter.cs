using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>What the machine does at most, and what others make it do meanwhile.</summary>
/// <remarks>The FMA peak is measured again and again, and the best of all counts: it is what the processor can do, and
/// a run that comes near it was not disturbed.</remarks>
public sealed class MachineMeter
{
    private readonly string? _isa;
    private readonly Func<TimeSpan?> _busy;
    private readonly Dictionary<int, double> _peaks = [], _memoryRates = [];
    private readonly List<(int Threads, double Gflops)> _measured = [];
    private TimeSpan _watched, _othersBusy;
    private bool _othersKnown;

    /// <summary>A meter that has measured nothing yet.</summary>
    /// <param name="isa">The instruction set of the peak; the best one where it is null.</param>
    /// <param name="busy">Tells how long all processors together have computed, for anybody; the system's figure unless
    /// given.</param>
    public MachineMeter(string? isa = null, Func<TimeSpan?>? busy = null)
        => (_isa, _busy) = (isa, busy ?? (() => Machine.BusyTime));

    /// <summary>The FMA peak for each number of threads, in 10⁹ operations per second.</summary>
    public IReadOnlyDictionary<int, double> Peaks => _peaks;

    /// <summary>The memory rate with the most threads, in 10⁹ bytes per second.</summary>
    public double MemoryGBs => _memoryRates.MaxBy(rate => rate.Key).Value;

    /// <summary>The memory rate for each number of threads for which it was measured, in 10⁹ bytes per
    /// second.</summary>
    public IReadOnlyDictionary<int, double> MemoryRates => _memoryRates;

    /// <summary>The median of all measurements of the peak over the best: 1 on a quiet machine, less where others
    /// computed too.</summary>
    public double Steadiness => Statistics.Median(_measured.Select(peak => peak.Gflops / _peaks[peak.Threads]));

    /// <summary>Processors that others kept busy on average while it was watched; null where the system does not
    /// tell.</summary>
    public double? OtherProcessors => _othersKnown && _watched > TimeSpan.Zero ? Math.Max(0, _othersBusy / _watched)
        : null;

    /// <summary>Measures the peak of some threads and the memory rate.</summary>
    /// <param name="native">A worker of the native backend.</param>
    /// <param name="threads">Numbers of threads.</param>
    /// <param name="memoryOfEach">Whether the memory rate is measured for each of them, or for the most only.</param>
    /// <exception cref="NotSupportedException">It cannot be measured; the message says why.</exception>
    public void Measure(IWorker native, IEnumerable<int> threads, bool memoryOfEach = false)
    {
        ArgumentNullException.ThrowIfNull(native);
        int[] counts = [.. threads.Distinct()];
        foreach (int count in counts)
            MeasurePeak(native, count);
        foreach (int count in memoryOfEach ? counts : [counts.Max()])
            _memoryRates[count] = native.Get(new Request(Order.Memory) { Threads = count, Isa = _isa }).Rate;
    }

    /// <summary>Measures the peak of some threads once more.</summary>
    /// <returns>This one, which others may surpass.</returns>
    /// <inheritdoc cref="Measure" path="/exception"/>
    public double MeasurePeak(IWorker native, int threads)
    {
        double peak = native.Get(new Request(Order.Peak) { Threads = threads, Isa = _isa }).Rate;
        _measured.Add((threads, peak));
        _peaks[threads] = Math.Max(peak, _peaks.GetValueOrDefault(threads));
        return peak;
    }

    /// <summary>Watches who computes while something runs.</summary>
    /// <param name="action">What runs.</param>
    /// <param name="own">Tells how long processes of our own have computed.</param>
    /// <param name="clock">Tells the time since some moment.</param>
    internal void Watch(Action action, Func<TimeSpan> own, Func<TimeSpan> clock)
    {
        TimeSpan? busy = _busy();
        TimeSpan ours = own(), start = clock();
        action();
        if (busy is not { } before || _busy() is not { } after)
            return;
        _othersKnown = true;
        _watched += clock() - start;
        _othersBusy += after - before - (own() - ours);
    }
}
