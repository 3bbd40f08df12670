using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace ConvNet.Reports;

/// <summary>Writes a page as GitHub-flavoured Markdown. Charts become tables, and pictures and the raw data are
/// omitted.</summary>
/// <remarks>A long curve is reduced to a selection of its points, with a remark. The HTML page contains all
/// points.</remarks>
public static partial class MarkdownPage
{
    // Longer curves are reduced to this many points at equal distances.
    private const int MaxPoints = 20;

    /// <summary>Writes a page.</summary>
    /// <param name="page">The page.</param>
    /// <param name="stream">The stream, which receives UTF-8.</param>
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
            case Gallery gallery:
                writer.WriteLine($"**{Escaped(gallery.Title)}** {Escaped(gallery.Description)} The HTML page has the "
                    + $"{(gallery.Tiles.Count == 1 ? "picture" : "pictures")}: "
                    + $"{Escaped(string.Join("; ", gallery.Tiles.Select(tile => tile.Caption)))}.");
                break;
            case LineChart lines:
                WriteSelection(lines, writer);
                break;
            case Chart chart:
                Write(chart.Figures, writer);
                break;
            default:
                throw new NotSupportedException($"{block.GetType().Name} cannot be written as Markdown.");
        }
    }

    // Short lines keep all points; long lines keep a selection from the first to the last.
    private static void WriteSelection(LineChart chart, TextWriter writer)
    {
        Line[] selection = [.. chart.Lines.Select(line => line.Points.Count <= MaxPoints ? line : line with
        {
            Points = [.. Enumerable.Range(0, MaxPoints).Select(i
                => line.Points[(int)((long)i * (line.Points.Count - 1) / (MaxPoints - 1))])],
        })];
        Write((chart with { Lines = selection }).Figures, writer);
        foreach (Line line in chart.Lines.Where(line => line.Points.Count > MaxPoints))
        {
            writer.WriteLine();
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{MaxPoints} of the {line.Points.Count} points of {Escaped(line.Name)}. The page of --report has "
                    + $"all of them."));
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

    private static void WriteRow(IEnumerable<string> cells, TextWriter writer)
        => writer.WriteLine($"| {string.Join(" | ", cells)} |");

    private static string Escaped(string text) => Special().Replace(PlainText.Of(text), @"\$0");

    [GeneratedRegex(@"[\\`*<>\[\]|&]")]
    private static partial Regex Special();
}
