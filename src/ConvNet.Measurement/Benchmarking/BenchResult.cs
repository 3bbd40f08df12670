using ConvNet.GradientChecking;
using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>The results of a benchmark run.</summary>
/// <param name="Peaks">The FMA peak for each thread count, in GFLOP/s.</param>
/// <param name="Steadiness">The median of all peak measurements divided by the best one: 1 on an idle machine, less if
/// other processes were running.</param>
/// <param name="MemoryGBs">The memory bandwidth with the highest thread count, in GB/s.</param>
/// <param name="Rows">One row for each case and backend.</param>
/// <param name="Ratios">For each case, the speed of the native backend relative to each other backend. If native was
/// not measured, the first backend takes its role.</param>
/// <param name="Skipped">The cases that a backend does not support.</param>
/// <param name="Libraries">The version of each backend, in the order of their first rows.</param>
public sealed record BenchResult(
    IReadOnlyDictionary<int, double> Peaks,
    double Steadiness,
    double MemoryGBs,
    IReadOnlyList<Row> Rows,
    IReadOnlyList<Ratio> Ratios,
    IReadOnlyList<Skip> Skipped,
    IReadOnlyDictionary<string, string> Libraries)
{
    /// <summary>Whether other processes loaded the machine during the run. If so, only ratios are meaningful.</summary>
    public bool WasDisturbed => Steadiness < MinSteadiness;

    internal const double MinSteadiness = 0.95;

    /// <summary>The memory bandwidth for each thread count if profiles were measured; otherwise only for the
    /// highest.</summary>
    public IReadOnlyDictionary<int, double> MemoryRates { get; init; } = new Dictionary<int, double>();

    /// <summary>The self-test result of each backend that has a self-test.</summary>
    public IReadOnlyDictionary<string, SelfTestResult> SelfTests { get; init; }
        = new Dictionary<string, SelfTestResult>();

    /// <summary>A warning for each backend that failed its self-test.</summary>
    public IEnumerable<string> SelfTestWarnings
        => SelfTests.Where(test => !test.Value.Passed).Select(test => SelfTestWarning(test.Key, test.Value));

    internal static string SelfTestWarning(string backend, SelfTestResult test)
        => $"{backend} {test.Finding}; its results are wrong, so its speed is meaningless.";

    /// <summary>Returns the roofline that bounds the layers of a case.</summary>
    public Roofline RooflineOf(Case measured)
    {
        ArgumentNullException.ThrowIfNull(measured);
        return new Roofline(Peaks[measured.Threads], MemoryRates.GetValueOrDefault(measured.Threads, MemoryGBs));
    }

    /// <summary>For each case that was measured with several algorithms, compares the automatic choice with the fastest
    /// algorithm.</summary>
    public IEnumerable<AlgorithmChoice> Choices =>
        from of in Rows.Where(row => row.Auto is not null).GroupBy(row => row.Case)
        let best = of.MinBy(row => row.MedianMs)
        let taken = of.FirstOrDefault(row => row.Algorithm == row.Auto)
        where taken is not null && of.Count() > 1
        select new AlgorithmChoice(of.Key, taken.Algorithm, best.Algorithm, taken.MedianMs / best.MedianMs);

    /// <summary>The FMA peak with the highest thread count.</summary>
    public double PeakGflops => Peaks.MaxBy(peak => peak.Key).Value;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BenchResult), (nameof(Peaks), Peaks),
        (nameof(Steadiness), Steadiness), (nameof(MemoryGBs), MemoryGBs), (nameof(Rows), Rows),
        (nameof(Ratios), Ratios), (nameof(Skipped), Skipped), (nameof(Libraries), Libraries),
        (nameof(MemoryRates), MemoryRates), (nameof(SelfTests), SelfTests));
}

/// <summary>The result of one case on one backend.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="MedianMs">The median over the turns; each turn contributes the median of its calls.</param>
/// <param name="MinMs">The time of the fastest call.</param>
/// <param name="Gflops">GFLOP/s, from the median time.</param>
/// <param name="PercentOfPeak">Percentage of the FMA peak with the same thread count. Each turn is divided by the peak
/// measured in its round; this is the median.</param>
/// <param name="ImagesPerSecond">Samples per second, from the median time.</param>
/// <param name="PeakMemoryMB">Peak memory of the worker in MB, less what it used once its library was loaded. Null if
/// the system does not report it.</param>
public sealed record Row(
    Case Case, string Backend, string Algorithm, double MedianMs, double MinMs, double Gflops, double PercentOfPeak,
        double ImagesPerSecond, double? PeakMemoryMB)
{
    /// <summary>The algorithm that the backend chooses by default. Null if there is no choice or the backend does not
    /// report it.</summary>
    public string? Auto { get; init; }

    /// <summary>The time per layer. Null if no profile was requested.</summary>
    public NetworkProfile? Profile { get; init; }
}

/// <summary>Compares the automatically chosen algorithm with the fastest one.</summary>
/// <param name="Case">The case.</param>
/// <param name="Taken">The algorithm chosen automatically.</param>
/// <param name="Best">The fastest algorithm.</param>
/// <param name="Ratio">The time of the chosen algorithm divided by that of the fastest.</param>
public sealed record AlgorithmChoice(Case Case, string Taken, string Best, double Ratio)
{
    /// <summary>Whether the chosen algorithm is within 10% of the fastest.</summary>
    public bool IsGood => Ratio <= 1.1;
}

/// <summary>The speed of one backend relative to another: the median over rounds of the ratio of two consecutive
/// turns.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The backend in the numerator.</param>
/// <param name="Rival">The backend that it is compared with.</param>
/// <param name="Value">The time of the rival divided by the time of the backend.</param>
/// <param name="Low">The lowest ratio of a round.</param>
/// <param name="High">The highest ratio of a round.</param>
public sealed record Ratio(Case Case, string Backend, string Rival, double Value, double Low, double High);

/// <summary>A case that a backend does not support.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Reason">The reason.</param>
public sealed record Skip(Case Case, string Backend, string Reason);
