using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>A table of text cells.</summary>
/// <param name="Heads">The column headings.</param>
/// <param name="Rows">The rows, with one cell per column.</param>
public sealed record CompareTable(IReadOnlyList<string> Heads, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareTable), (nameof(Heads), Heads),
        (nameof(Rows), Rows));
}

/// <summary>Texts and tables of a comparison, shared by all output formats.</summary>
public static class CompareText
{
    private const string Missing = "–";

    /// <summary>Returns two tables with a row for each backend and thread count: speed, and cost.</summary>
    public static IReadOnlyList<CompareTable> TablesOf(BatchComparison comparison)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        return
        [
            new(["backend", "threads", "training, images/s", "time / fastest", "inference, images/s", "time / fastest",
                "1 image p50, ms", "p99, ms", "gradients"],
                [.. comparison.Rows.Select(row => (string[])
                [
                    row.Backend, Text($"{row.Threads}"), Images(row.Training), Ratio(row.Training),
                        Images(row.Inference), Ratio(row.Inference),
                    Number(row.Latency?.P50Ms, "0.000"), Number(row.Latency?.P99Ms, "0.000"),
                        Word(row.Gradients.Verdict),
                ])]),
            new(["backend", "threads", "first step, new process, ms", "warm process, ms", "compile, ms", "memory, MB",
                "% of FMA peak", "% of memory rate", "algorithms"],
                [.. comparison.Rows.Select(row => (string[])
                [
                    row.Backend, Text($"{row.Threads}"), Number(row.FirstStep?.ColdMs, "0"),
                        Number(row.FirstStep?.WarmMs, "0.0"), Number(row.FirstStep?.CompileMs, "0.0"),
                    Number(row.PeakMemoryMB, "0"), Number(row.Training?.PercentOfPeak, "0.0"),
                        Number(row.Training?.PercentOfBandwidth, "0"), row.Algorithm,
                ])]),
        ];
    }

    /// <summary>Returns remarks, one per line: missing measurements, wrong gradients, the load of the machine, and the
    /// recommendation.</summary>
    public static IEnumerable<string> RemarksOf(BatchComparison comparison)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        foreach (Absence absence in comparison.Absent)
            yield return $"{absence.Backend}{(absence.Threads is { } threads ? $" on {Threads(threads)}" : "")}: "
                + $"skipped {absence.What}: {absence.Reason}";
        foreach (CompareRow row in comparison.Rows.Where(row => row.Gradients.Verdict == GradientVerdict.Wrong)
            .DistinctBy(row => row.Backend))
            yield return $"{row.Backend}: gradients {Word(row.Gradients.Verdict)}: {row.Gradients.Detail}";
        yield return comparison.Noise.Explanation;
        yield return comparison.Recommendation.Sentence;
    }

    /// <summary>Formats a thread count, for example <c>2 threads</c>.</summary>
    public static string Threads(int count) => Text($"{count} {(count == 1 ? "thread" : "threads")}");

    /// <summary>Formats a verdict.</summary>
    public static string Word(GradientVerdict verdict) => verdict == GradientVerdict.NotChecked ? "not checked"
        : $"{verdict}".ToLowerInvariant();

    private static string Images(Speed? speed) => speed is null ? Missing : Text($"{speed.ImagesPerSecond.Value:#,0}");

    private static string Ratio(Speed? speed) => speed?.Ratio switch
    {
        null => Missing,
        { Value: 1, Width: 0 } => "1",
        // The interval of two rounds is too wide to be meaningful.
        { Low: { } low, High: { } high } ratio when speed.Rounds >= Recommender.MinRoundsForInterval
            => Text($"{ratio.Value:0.00} ({low:0.00}–{high:0.00})"),
        { } ratio => Text($"{ratio.Value:0.00} ({(speed.Rounds == 1 ? "once" : "twice")})"),
    };

    private static string Number(double? value, string form) => value?.ToString(form, CultureInfo.InvariantCulture)
        ?? Missing;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
