using ConvNet.Measurement;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>The page of <c>convnet compare</c>: what to take and why, the backends side by side, the machine.</summary>
public static class ComparePage
{
    /// <summary>The page of a comparison.</summary>
    /// <param name="result">What was found.</param>
    /// <param name="profiles">Where the time of some of the backends goes.</param>
    /// <param name="origin">Where and how.</param>
    public static Page Of(CompareResult result, IReadOnlyList<ProfiledRun> profiles, Origin origin)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(profiles);
        ArgumentNullException.ThrowIfNull(origin);
        IEnumerable<Fact> libraries = result.Comparisons.SelectMany(comparison => comparison.Rows)
            .Select(row => row.Library).Where(library => library.Length > 0).Distinct()
            .Select(library => new Fact("Library", library));
        return new Page($"Which backend for {result.Model}", result.Recommendation.Sentence,
        [
            .. result.Comparisons.Select(
                comparison => Section(comparison, isFirst: comparison == result.Comparisons[0])),
            .. profiles.Select(profile => profile.Section),
            new Section("Machine and versions", [origin.With(
            [
                .. result.Machine.Peaks.Select(peak
                    => new Fact($"FMA peak, {Number.Threads(peak.Threads)}", $"{Number.Text(peak.Gflops)} GFLOP/s")),
                new Fact("Memory rate", $"{Number.Text(result.Machine.MemoryGBs)} GB/s"),
                new Fact("Network",
                    Invariant($"{result.Model}, images of {result.Input}, {result.Parameters:N0} parameters")),
                .. libraries,
            ])]),
            new RawData(new { comparison = result, profiles }),
        ]);
    }

    private static Section Section(BatchComparison comparison, bool isFirst) => new($"Batch {comparison.Batch}",
    [
        .. isFirst ? [] : (Block[])[new Note(comparison.Recommendation.Sentence)],
        new Note(comparison.Noise.Explanation, IsWarning: comparison.Noise.Verdict != NoiseVerdict.Quiet),
        .. from of in comparison.Rows.GroupBy(row => (row.Backend, row.Gradients))
           where of.Key.Gradients.Verdict is GradientVerdict.Wrong or GradientVerdict.Suspect
           select new Note($"The gradients of {of.Key.Backend} are {Words(of.Key.Gradients.Verdict)}: "
               + $"{of.Key.Gradients.Detail}", IsWarning: true),
        .. Bars(comparison, $"Training, batch {comparison.Batch}, images/s", "Longer is faster. The thin lines are "
            + "the intervals in which the true figure lies in 95 of 100 runs; one without an end goes on.", "images/s",
            row => row.Training is { ImagesPerSecond: var speed } ? (speed.Value, speed.Low, speed.High) : null),
        .. Bars(comparison, $"Inference, batch {comparison.Batch}, images/s", "Longer is faster. The thin lines are "
            + "the intervals in which the true figure lies in 95 of 100 runs; one without an end goes on.", "images/s",
            row => row.Inference is { ImagesPerSecond: var speed } ? (speed.Value, speed.Low, speed.High) : null),
        .. Bars(comparison, "Inference of a single image, ms", "Shorter is faster. Half of the calls took as long as "
            + "the bar at most, 99 of 100 calls as long as the thin line at most.", "ms",
            row => row.Latency is { } latency
                ? (latency.P50Ms, latency.P99Ms is null ? null : latency.P50Ms, latency.P99Ms) : null),
        .. Bars(comparison, $"Peak of memory in training, batch {comparison.Batch}, MB", "What training takes beyond "
            + "the runtime and the libraries. Shorter is less.", "MB",
            row => row.PeakMemoryMB is { } memory ? (memory, null, null) : null),
        Speeds(comparison),
        Times(comparison),
        .. comparison.Absent.Count == 0 ? [] : (Block[])[Absences(comparison)],
    ]);

    private static IEnumerable<BarChart> Bars(BatchComparison comparison, string title, string description, string unit,
        Func<CompareRow, (double Value, double? Low, double? High)?> figure)
    {
        BarGroup[] groups =
        [
            .. from of in comparison.Rows.GroupBy(row => row.Threads)
               let bars = (from row in of let known = figure(row) where known is not null select new Bar(row.Backend,
                   known.Value.Value, known.Value.Low, known.Value.High) { Remark = Remark(row) }).ToArray()
               where bars.Length > 0
               select new BarGroup(Number.Threads(of.Key), bars),
        ];
        return groups.Length == 0 ? [] : [new BarChart(title, description, unit, groups)];
    }

    // A fast wrong backend must not look like a fast one.
    private static string Remark(CompareRow row) => row.Gradients.Verdict == GradientVerdict.Wrong ? "wrong" : "";

    private static DataTable Speeds(BatchComparison comparison) => new("Speed",
        [new("backend"), new("threads", true), new("gradients"), new("algorithm"), new("training, images/s", true),
            new("interval", true), new("time over the fastest", true), new("% of the FMA peak", true),
            new("% of the memory rate", true), new("inference, images/s", true), new("interval", true),
                new("% of the FMA peak", true)],
        [.. comparison.Rows.Select(
            row => (string[])[row.Backend, $"{row.Threads}", Words(row.Gradients.Verdict), row.Algorithm,
            Number.Text(row.Training?.ImagesPerSecond.Value), Range(row.Training?.ImagesPerSecond),
                Number.Text(row.Training?.Ratio.Value), Number.Text(row.Training?.PercentOfPeak),
            Number.Text(row.Training?.PercentOfBandwidth), Number.Text(row.Inference?.ImagesPerSecond.Value),
                Range(row.Inference?.ImagesPerSecond), Number.Text(row.Inference?.PercentOfPeak)])]);

    private static DataTable Times(BatchComparison comparison) => new("Latency, start and memory",
        [new("backend"), new("threads", true), new("image, p50 ms", true), new("image, p99 ms", true),
            new("first step, ms", true), new("first step once running, ms", true), new("compile, ms", true),
            new("peak of memory, MB", true)],
        [.. comparison.Rows.Select(row => (string[])[row.Backend, $"{row.Threads}", Number.Text(row.Latency?.P50Ms),
            Number.Text(row.Latency?.P99Ms),
            Number.Text(row.FirstStep?.ColdMs), Number.Text(row.FirstStep?.WarmMs),
                Number.Text(row.FirstStep?.CompileMs), Number.Text(row.PeakMemoryMB)])]);

    private static DataTable Absences(BatchComparison comparison)
        => new("Not measured", [new("backend"), new("threads"), new("what"), new("why")],
        [.. comparison.Absent.Select(absence => (string[])[absence.Backend, absence.Threads is { } threads
            ? $"{threads}" : "any", absence.What, absence.Reason])]);

    private static string Range(Interval? interval) => interval is { Low: { } low, High: { } high }
        ? $"{Number.Text(low)} to {Number.Text(high)}" : Number.None;

    private static string Words(GradientVerdict verdict) => verdict switch
    {
        GradientVerdict.NotChecked => "not checked",
        GradientVerdict.Right => "right",
        GradientVerdict.Suspect => "suspect",
        _ => "wrong",
    };
}
