using System.Globalization;
using System.Text;

namespace ConvNet.Measurement;

/// <summary>Formats a comparison as Markdown: machine and versions, the tables, and the recommendation.</summary>
public static class CompareMarkdown
{
    /// <summary>Returns the Markdown of a comparison.</summary>
    public static string Of(CompareResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var text = new StringBuilder();
        string peaks =
            string.Join(", ",
            result.Machine.Peaks.Select(peak => string.Create(CultureInfo.InvariantCulture,
            $"{peak.Gflops:0} GFLOP/s on {CompareText.Threads(peak.Threads)}")));
        string libraries = string.Join(", ", result.Comparisons.SelectMany(comparison => comparison.Rows)
            .Select(row => row.Library).Distinct());
        text.Append(CultureInfo.InvariantCulture, $"{result.Machine.Processor}; FMA peak {peaks}, memory "
            + $"{result.Machine.MemoryGBs:0} GB/s; {libraries}; commit {result.Commit}.\n");
        text.Append(CultureInfo.InvariantCulture, $"`{result.Command}`\n");
        foreach (BatchComparison comparison in result.Comparisons)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{result.Model}, {result.Input} images, batches of "
                + $"{comparison.Batch}:\n");
            foreach (CompareTable table in CompareText.TablesOf(comparison))
            {
                text.Append('\n');
                MarkdownReport.AppendRow(text, table.Heads);
                MarkdownReport.AppendRow(text, table.Heads.Select(_ => "---"));
                foreach (IReadOnlyList<string> row in table.Rows)
                    MarkdownReport.AppendRow(text, row);
            }
            text.Append('\n');
            foreach (string remark in CompareText.RemarksOf(comparison))
                text.Append("- ").Append(remark).Append('\n');
        }
        return text.ToString();
    }
}
