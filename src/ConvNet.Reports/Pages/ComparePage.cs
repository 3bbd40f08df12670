using ConvNet.Measurement;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>The page of <c>convnet compare</c>: the recommendation, the comparison of the backends, and the
/// machine.</summary>
public static class ComparePage
{
    /// <summary>Creates the page of a comparison.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="profiles">The profiles of some of the backends.</param>
    /// <param name="origin">How the figures were measured.</param>
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
                new Fact("Memory bandwidth", $"{Number.Text(result.Machine.MemoryGBs)} GB/s"),
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
           where of.Key.Gradients.Verdict == GradientVerdict.Wrong
           select new Note($"The gradients of {of.Key.Backend} are {Words(of.Key.Gradients.Verdict)}: "
               + $"{of.Key.Gradients.Detail}", IsWarning: true),
        .. Bars(comparison, $"Training, batch {comparison.Batch}, images/s", "Longer is faster. The thin lines are "
            + "95% confidence intervals; a line without an end mark extends beyond the plot.", "images/s",
            row => row.Training is { ImagesPerSecond: var speed } ? (speed.Value, speed.Low, speed.High) : null),
        .. Bars(comparison, $"Inference, batch {comparison.Batch}, images/s", "Longer is faster. The thin lines are "
            + "95% confidence intervals; a line without an end mark extends beyond the plot.", "images/s",
            row => row.Inference is { ImagesPerSecond: var speed } ? (speed.Value, speed.Low, speed.High) : null),
        .. Bars(comparison, "Inference of a single image, ms", "Shorter is faster. Bars are median latencies; thin "
            + "lines end at the 99th percentile.", "ms",
            row => row.Latency is { } latency
                ? (latency.P50Ms, latency.P99Ms is null ? null : latency.P50Ms, latency.P99Ms) : null),
        .. Bars(comparison, $"Peak memory in training, batch {comparison.Batch}, MB", "Memory of training in "
            + "addition to the runtime and the libraries. Shorter is less.", "MB",
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

    // A fast backend with wrong gradients must be recognisable.
    private static string Remark(CompareRow row) => row.Gradients.Verdict == GradientVerdict.Wrong ? "wrong" : "";

    private static DataTable Speeds(BatchComparison comparison) => new("Speed",
        [new("backend"), new("threads", true), new("gradients"), new("algorithm"), new("training, images/s", true),
            new("interval", true), new("time / fastest", true), new("% of the FMA peak", true),
            new("% of memory bandwidth", true), new("inference, images/s", true), new("interval", true),
                new("% of the FMA peak", true)],
        [.. comparison.Rows.Select(
            row => (string[])[row.Backend, $"{row.Threads}", Words(row.Gradients.Verdict), row.Algorithm,
            Number.Text(row.Training?.ImagesPerSecond.Value), Range(row.Training?.ImagesPerSecond),
                Number.Text(row.Training?.Ratio.Value), Number.Text(row.Training?.PercentOfPeak),
            Number.Text(row.Training?.PercentOfBandwidth), Number.Text(row.Inference?.ImagesPerSecond.Value),
                Range(row.Inference?.ImagesPerSecond), Number.Text(row.Inference?.PercentOfPeak)])]);

    private static DataTable Times(BatchComparison comparison) => new("Latency, start and memory",
        [new("backend"), new("threads", true), new("image, p50 ms", true), new("image, p99 ms", true),
            new("first step, new process, ms", true), new("first step, warm process, ms", true),
            new("compile, ms", true), new("peak memory, MB", true)],
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
        _ => "wrong",
    };
}
