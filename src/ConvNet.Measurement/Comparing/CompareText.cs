using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>A table of texts.</summary>
/// <param name="Heads">The heads of the columns.</param>
/// <param name="Rows">A text for every column.</param>
public sealed record CompareTable(IReadOnlyList<string> Heads, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareTable), (nameof(Heads), Heads),
        (nameof(Rows), Rows));
}

/// <summary>A comparison in words, for every form in which it is printed.</summary>
public static class CompareText
{
    private const string Missing = "–";

    /// <summary>Two tables with a row for every backend and number of threads: how fast, and what it costs.</summary>
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

    /// <summary>What was left out and why, what is wrong, how quiet the machine was, and what to take: a line
    /// each.</summary>
    public static IEnumerable<string> RemarksOf(BatchComparison comparison)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        foreach (Absence absence in comparison.Absent)
            yield return $"{absence.Backend}{(absence.Threads is { } threads ? $" on {Threads(threads)}" : "")} "
                + $"without {absence.What}: {absence.Reason}";
        foreach (CompareRow row in comparison.Rows.Where(row => row.Gradients.Verdict is GradientVerdict.Wrong
            or GradientVerdict.Suspect).DistinctBy(row => row.Backend))
            yield return $"{row.Backend}: gradients {Word(row.Gradients.Verdict)}: {row.Gradients.Detail}";
        yield return comparison.Noise.Explanation;
        yield return comparison.Recommendation.Sentence;
    }

    /// <summary>As <c>2 threads</c>.</summary>
    public static string Threads(int count) => Text($"{count} {(count == 1 ? "thread" : "threads")}");

    /// <summary>A verdict in a word or two.</summary>
    public static string Word(GradientVerdict verdict) => verdict == GradientVerdict.NotChecked ? "not checked"
        : $"{verdict}".ToLowerInvariant();

    private static string Images(Speed? speed) => speed is null ? Missing : Text($"{speed.ImagesPerSecond.Value:#,0}");

    private static string Ratio(Speed? speed) => speed?.Ratio switch
    {
        null => Missing,
        { Value: 1, Width: 0 } => "1",
        // The interval of two rounds is so wide that it says nothing.
        { Low: { } low, High: { } high } ratio when speed.Rounds >= Recommender.LeastRoundsOfAnInterval
            => Text($"{ratio.Value:0.00} ({low:0.00}–{high:0.00})"),
        { } ratio => Text($"{ratio.Value:0.00} ({(speed.Rounds == 1 ? "once" : "twice")})"),
    };

    private static string Number(double? value, string form) => value?.ToString(form, CultureInfo.InvariantCulture)
        ?? Missing;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
