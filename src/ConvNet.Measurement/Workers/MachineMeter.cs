using System.Runtime.InteropServices;
using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>Measures the limits of the machine and the load that other processes cause.</summary>
/// <remarks>The FMA peak is measured repeatedly, and the best result counts as what the processor can do. A run whose
/// results stay close to it was not disturbed.</remarks>
public sealed class MachineMeter
{
    private readonly string? _isa;
    private readonly Func<TimeSpan?> _busy;
    private readonly Dictionary<int, double> _peaks = [], _memoryRates = [];
    private readonly List<(int Threads, double Gflops)> _measured = [];
    private TimeSpan _watched, _othersBusy;
    private bool _othersKnown;

    /// <summary>Creates a meter without measurements.</summary>
    /// <param name="isa">The instruction set of the FMA peak. Null selects the best available one.</param>
    /// <param name="busy">Returns the total busy time of all processors. Defaults to the system's figure.</param>
    public MachineMeter(string? isa = null, Func<TimeSpan?>? busy = null)
        => (_isa, _busy) = (isa, busy ?? (() => Machine.BusyTime));

    /// <summary>The FMA peak for each thread count, in GFLOP/s.</summary>
    public IReadOnlyDictionary<int, double> Peaks => _peaks;

    /// <summary>The memory bandwidth with the highest thread count, in GB/s.</summary>
    public double MemoryGBs => _memoryRates.MaxBy(rate => rate.Key).Value;

    /// <summary>The memory bandwidth for each thread count for which it was measured, in GB/s.</summary>
    public IReadOnlyDictionary<int, double> MemoryRates => _memoryRates;

    /// <summary>The median of all peak measurements divided by the best one: 1 on an idle machine, less if other
    /// processes were running.</summary>
    public double Steadiness => Statistics.Median(_measured.Select(peak => peak.Gflops / _peaks[peak.Threads]));

    /// <summary>The average number of processors that other processes kept busy during <see cref="Watch"/>. Null if the
    /// system does not report it.</summary>
    public double? OtherProcessors => _othersKnown && _watched > TimeSpan.Zero ? Math.Max(0, _othersBusy / _watched)
        : null;

    /// <summary>Measures the FMA peak for some thread counts, and the memory bandwidth.</summary>
    /// <param name="native">A worker of the native backend.</param>
    /// <param name="threads">The thread counts.</param>
    /// <param name="memoryOfEach">Whether to measure the memory bandwidth for every thread count instead of only the
    /// highest.</param>
    /// <exception cref="NotSupportedException">The measurement is not possible; the message gives the
    /// reason.</exception>
    public void Measure(IWorker native, IEnumerable<int> threads, bool memoryOfEach = false)
    {
        ArgumentNullException.ThrowIfNull(native);
        int[] counts = [.. threads.Distinct()];
        foreach (int count in counts)
            MeasurePeak(native, count);
        foreach (int count in memoryOfEach ? counts : [counts.Max()])
            _memoryRates[count] = native.Get(new Request(Order.Memory) { Threads = count, Isa = _isa }).Rate;
    }

    /// <summary>Measures the FMA peak once more.</summary>
    /// <returns>The result of this measurement, which may be below the best one.</returns>
    /// <inheritdoc cref="Measure" path="/exception"/>
    public double MeasurePeak(IWorker native, int threads)
    {
        double peak = native.Get(new Request(Order.Peak) { Threads = threads, Isa = _isa }).Rate;
        _measured.Add((threads, peak));
        _peaks[threads] = Math.Max(peak, _peaks.GetValueOrDefault(threads));
        return peak;
    }

    /// <summary>Measures the load of other processes while an action runs.</summary>
    /// <param name="action">The action.</param>
    /// <param name="own">Returns the processor time of our own processes.</param>
    /// <param name="clock">Returns the elapsed time.</param>
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

    /// <summary>The machine, with what was measured of it.</summary>
    public MachineFacts Facts() => new(Machine.Processor, Environment.ProcessorCount,
        RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription,
        [.. Peaks.OrderBy(peak => peak.Key).Select(peak => new ThreadPeak(peak.Key, peak.Value))], MemoryGBs);
}
