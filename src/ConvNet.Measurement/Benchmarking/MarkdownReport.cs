using System.Globalization;
using System.Text;

namespace ConvNet.Measurement;

/// <summary>Formats a benchmark result as Markdown: a description of the machine and versions, and a table that
/// compares the backends.</summary>
public static class MarkdownReport
{
    /// <summary>Returns the Markdown of a benchmark result.</summary>
    /// <param name="result">The benchmark result.</param>
    /// <param name="commit">The source commit.</param>
    /// <param name="command">The command line that repeats the benchmark.</param>
    public static string Of(BenchResult result, string commit, string command)
    {
        ArgumentNullException.ThrowIfNull(result);
        var text = new StringBuilder();
        string peaks = string.Join(", ", result.Peaks.OrderBy(peak => peak.Key)
            .Select(peak => Text($"{peak.Value:0} GFLOP/s on {Threads(peak.Key)}")));
        string libraries = string.Join(", ", result.Libraries.Values.Distinct());
        text.Append(CultureInfo.InvariantCulture, $"{Machine.Processor}; FMA peak {peaks}, memory "
            + $"{result.MemoryGBs:0} GB/s; {libraries}; commit {commit}.\n");
        text.Append(CultureInfo.InvariantCulture, $"`{command}`\n");
        if (result.WasDisturbed)
            text.Append(CultureInfo.InvariantCulture, $"The machine was not idle: its median FMA peak was "
                + $"{100 * result.Steadiness:0}% of the best.\n");
        foreach (string sentence in result.SelfTestWarnings)
            text.Append(CultureInfo.InvariantCulture, $"**{sentence}**\n");
        string[] backends = [.. result.Rows.Select(row => row.Backend).Distinct()],
            rivals = [.. result.Ratios.Select(ratio => $"{ratio.Backend} / {ratio.Rival}").Distinct()];
        Row[] layers = [.. result.Rows.Where(row => row.Case.Shape is not null)],
            networks = [.. result.Rows.Where(row => row.Case.Shape is null)];
        if (layers.Length > 0)
            Append(text, "percent of the FMA peak", layers, backends, rivals, result,
                row => Text($"{row.PercentOfPeak:0.0}"), memory: false);
        if (networks.Length > 0)
            Append(text, "images/s", networks, backends, rivals, result, row => Text($"{row.ImagesPerSecond:#,0}"),
                memory: true);
        return text.ToString();
    }

    private static void Append(StringBuilder text, string unit, Row[] rows, string[] backends, string[] rivals,
        BenchResult result, Func<Row, string> figure, bool memory)
    {
        string[] heads = ["case", "batch", "pass", "threads", .. backends.Select(backend => $"{backend}, {unit}"),
            .. rivals, .. memory ? backends.Select(backend => $"{backend}, MB") : []];
        text.Append('\n');
        AppendRow(text, heads);
        AppendRow(text, heads.Select(_ => "---"));
        Ratio[] ratios = [.. result.Ratios.Where(ratio => rows.Any(row => row.Case == ratio.Case))];
        foreach (IGrouping<Case, Row> of in rows.GroupBy(row => row.Case))
        {
            string Cell(string backend, Func<Row, string> value) => of.FirstOrDefault(row => row.Backend == backend)
                is { } row ? value(row) : "–";
            string RatioTo(string rival) => ratios.FirstOrDefault(ratio => ratio.Case == of.Key
                && $"{ratio.Backend} / {ratio.Rival}" == rival) is { } ratio ? Text($"{ratio.Value:0.00}") : "–";
            AppendRow(text, [of.Key.Title, Text($"{of.Key.Batch}"), of.Key.Pass.Word(), Text($"{of.Key.Threads}"),
                .. backends.Select(backend => Cell(backend, figure)),
                .. rivals.Select(RatioTo), .. memory ? backends.Select(
                    backend => Cell(backend, row => row.PeakMemoryMB is { } peak ? Text($"{peak:0}") : "–")) : []]);
        }
        if (ratios.Length > 0 && rows.Select(row => row.Case).Distinct().Count() > 1)
        {
            string Mean(string rival) => ratios.Where(ratio => $"{ratio.Backend} / {ratio.Rival}" == rival)
                .Select(ratio => ratio.Value).ToArray() is { Length: > 0 } values
                ? Text($"{Statistics.GeometricMean(values):0.00}")
                : "–";
            AppendRow(text, ["geometric mean", "", "", "", .. backends.Select(_ => ""), .. rivals.Select(Mean),
                .. memory ? backends.Select(_ => "") : []]);
        }
    }

    internal static void AppendRow(StringBuilder text, IEnumerable<string> cells)
        => text.Append("| ").AppendJoin(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))
            .Append(" |\n");

    private static string Threads(int count) => count == 1 ? "1 thread" : Text($"{count} threads");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
