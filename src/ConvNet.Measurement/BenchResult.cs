using ConvNet.GradientChecking;
using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>What was measured.</summary>
/// <param name="Peaks">The FMA peak for each number of threads, in 10⁹ operations per second.</param>
/// <param name="Steadiness">The median of all measurements of the peak over the best: 1 on a quiet machine, less where
/// others computed too.</param>
/// <param name="MemoryGBs">The memory rate with the most threads, in 10⁹ bytes per second.</param>
/// <param name="Rows">One row for each case and backend.</param>
/// <param name="Ratios">The native backend, or the first where it is not measured, against each other one, for each
/// case.</param>
/// <param name="Skipped">What a backend does not do.</param>
/// <param name="Libraries">The backends with their versions, in the order of their first rows.</param>
public sealed record BenchResult(
    IReadOnlyDictionary<int, double> Peaks,
    double Steadiness,
    double MemoryGBs,
    IReadOnlyList<Row> Rows,
    IReadOnlyList<Ratio> Ratios,
    IReadOnlyList<Skip> Skipped,
    IReadOnlyDictionary<string, string> Libraries)
{
    /// <summary>Whether others computed on this machine meanwhile, so that only ratios mean something.</summary>
    public bool WasDisturbed => Steadiness < LeastSteadiness;

    internal const double LeastSteadiness = 0.95;

    /// <summary>The memory rate for each number of threads, where profiles were measured; else for the most
    /// threads.</summary>
    public IReadOnlyDictionary<int, double> MemoryRates { get; init; } = new Dictionary<int, double>();

    /// <summary>What the self-test of each backend found, of those that have one.</summary>
    public IReadOnlyDictionary<string, SelfTestResult> SelfTests { get; init; }
        = new Dictionary<string, SelfTestResult>();

    /// <summary>A sentence for each backend that fails its self-test.</summary>
    public IEnumerable<string> Distrust
        => SelfTests.Where(test => !test.Value.Passed).Select(test => DistrustOf(test.Key, test.Value));

    internal static string DistrustOf(string backend, SelfTestResult test)
        => $"{backend} {test.Finding}; what it computes is wrong, however fast.";

    /// <summary>What bounds the layers of a case.</summary>
    public Roofline RooflineOf(Case measured)
    {
        ArgumentNullException.ThrowIfNull(measured);
        return new Roofline(Peaks[measured.Threads], MemoryRates.GetValueOrDefault(measured.Threads, MemoryGBs));
    }

    /// <summary>For each case that was measured with several algorithms, how good the one is that would be
    /// chosen.</summary>
    public IEnumerable<AlgorithmChoice> Choices =>
        from of in Rows.Where(row => row.Auto is not null).GroupBy(row => row.Case)
        let best = of.MinBy(row => row.MedianMs)
        let taken = of.FirstOrDefault(row => row.Algorithm == row.Auto)
        where taken is not null && of.Count() > 1
        select new AlgorithmChoice(of.Key, taken.Algorithm, best.Algorithm, taken.MedianMs / best.MedianMs);

    /// <summary>The FMA peak with the most threads.</summary>
    public double PeakGflops => Peaks.MaxBy(peak => peak.Key).Value;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BenchResult), (nameof(Peaks), Peaks),
        (nameof(Steadiness), Steadiness), (nameof(MemoryGBs), MemoryGBs), (nameof(Rows), Rows),
        (nameof(Ratios), Ratios), (nameof(Skipped), Skipped), (nameof(Libraries), Libraries),
        (nameof(MemoryRates), MemoryRates), (nameof(SelfTests), SelfTests));
}

/// <summary>One case on one backend.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Algorithm">How it computed.</param>
/// <param name="MedianMs">The median over the turns of the median over a turn's calls.</param>
/// <param name="MinMs">The shortest call.</param>
/// <param name="Gflops">Operations per second over 10⁹, by the median.</param>
/// <param name="PercentOfPeak">The same in percent of the FMA peak with as many threads: turn by turn, of the peak
/// measured in the same round, the median.</param>
/// <param name="ImagesPerSecond">Samples per second, by the median.</param>
/// <param name="PeakMemoryMB">Peak of the worker's memory in 10⁶ bytes beyond what it had with its library loaded; null
/// where the system does not tell.</param>
public sealed record Row(
    Case Case, string Backend, string Algorithm, double MedianMs, double MinMs, double Gflops, double PercentOfPeak,
        double ImagesPerSecond, double? PeakMemoryMB)
{
    /// <summary>The algorithm that the backend would choose; null where it has no choice or does not tell.</summary>
    public string? Auto { get; init; }

    /// <summary>Where the time goes; null where nobody asked.</summary>
    public NetworkProfile? Profile { get; init; }
}

/// <summary>How good the choice of an algorithm is where all of them were measured.</summary>
/// <param name="Case">The case.</param>
/// <param name="Taken">The algorithm that is chosen.</param>
/// <param name="Best">The fastest.</param>
/// <param name="Ratio">The time of the one over that of the other.</param>
public sealed record AlgorithmChoice(Case Case, string Taken, string Best, double Ratio)
{
    /// <summary>Whether it is within 10% of the best.</summary>
    public bool IsGood => Ratio <= 1.1;
}

/// <summary>How many times as fast one backend is as another: the median over rounds of the ratio of two turns that
/// followed each other.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The one that is compared.</param>
/// <param name="Rival">The one that it is compared with.</param>
/// <param name="Value">The rival's time over the backend's.</param>
/// <param name="Low">The least of the rounds.</param>
/// <param name="High">The greatest of the rounds.</param>
public sealed record Ratio(Case Case, string Backend, string Rival, double Value, double Low, double High);

/// <summary>A case that a backend does not do.</summary>
/// <param name="Case">The case.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Reason">Why not.</param>
public sealed record Skip(Case Case, string Backend, string Reason);
