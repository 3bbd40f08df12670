using System.Text;
using System.Text.RegularExpressions;

namespace ConvNet.Reports;

/// <summary>A page as Markdown (GitHub's): charts are the tables of their figures, and the raw data is left to <c>--json</c>.</summary>
public static partial class MarkdownPage
{
    /// <summary>Writes a page.</summary>
    /// <param name="page">The page.</param>
    /// <param name="stream">Where it goes, as UTF-8.</param>
    public static void Write(Page page, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(page);
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine($"# {Escaped(page.Title)}");
        writer.WriteLine();
        writer.WriteLine(Escaped(page.Lead));
        foreach (Block block in page.Blocks)
            Write(block, 2, writer);
    }

    private static void Write(Block block, int level, TextWriter writer)
    {
        if (block is RawData)
            return;
        writer.WriteLine();
        switch (block)
        {
            case Section section:
                writer.WriteLine($"{new string('#', level)} {Escaped(section.Title)}");
                foreach (Block inner in section.Blocks)
                    Write(inner, level + 1, writer);
                break;
            case Facts facts:
                foreach (Fact fact in facts.Items)
                    writer.WriteLine($"- {Escaped(fact.Name)}: {Escaped(fact.Value)}");
                break;
            case Note note:
                writer.WriteLine(note.IsWarning ? $"> **Note:** {Escaped(note.Text)}" : Escaped(note.Text));
                break;
            case DataTable table:
                Write(table, writer);
                break;
            case Chart chart:
                Write(chart.Figures, writer);
                break;
            default:
                throw new NotSupportedException($"Markdown has no {block.GetType().Name}.");
        }
    }

    private static void Write(DataTable table, TextWriter writer)
    {
        writer.WriteLine($"**{Escaped(table.Title)}**");
        writer.WriteLine();
        WriteRow(table.Columns.Select(column => Escaped(column.Head)), writer);
        WriteRow(table.Columns.Select(column => column.IsNumber ? "---:" : "---"), writer);
        foreach (IReadOnlyList<string> row in table.Rows)
            WriteRow(row.Select(Escaped), writer);
    }

    private static void WriteRow(IEnumerable<string> cells, TextWriter writer) => writer.WriteLine($"| {string.Join(" | ", cells)} |");

    private static string Escaped(string text) => Special().Replace(PlainText.Of(text), @"\$0");

    [GeneratedRegex(@"[\\`*<>\[\]|&]")]
    private static partial Regex Special();
}
