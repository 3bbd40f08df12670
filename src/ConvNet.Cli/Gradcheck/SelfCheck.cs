using System.Globalization;
using System.Text;
using ConvNet.Measurement;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The result of testing the gradient check itself: tables for people and for a Markdown file, and a JSON
/// document.</summary>
/// <param name="Failed">Whether the check made an error.</param>
/// <param name="Lead">A summary in one or two sentences.</param>
/// <param name="Tables">The tables with their captions.</param>
/// <param name="Findings">The errors, one per line.</param>
/// <param name="Document">The document of <c>--json</c>.</param>
internal sealed record SelfCheck(bool Failed, string Lead, IReadOnlyList<(string Caption, TextTable Table)> Tables,
    IReadOnlyList<string> Findings, object Document)
{
    private const int MaxFindings = 20;

    /// <summary>Writes the result to the console.</summary>
    public void Write(IAnsiConsole people)
    {
        people.WriteLine(Lead);
        foreach ((string caption, TextTable table) in Tables)
        {
            people.WriteLine();
            people.WriteLine(caption);
            people.Write(table);
        }
        foreach (string finding in Findings.Take(MaxFindings))
            Cli.Tables.WriteUnbroken(people, finding, new Style(Color.Red));
        if (Findings.Count > MaxFindings)
            people.WriteLine($"and {Findings.Count - MaxFindings} more; --json lists all");
    }

    /// <summary>Formats the result as Markdown.</summary>
    /// <param name="commit">The source commit.</param>
    /// <param name="command">The command line that repeats the test.</param>
    public string Markdown(string commit, string command)
    {
        var text = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"{Lead}\n\n{Machine.Processor}; commit {commit}.\n`{command}`\n");
        foreach ((string caption, TextTable table) in Tables)
            text.Append(CultureInfo.InvariantCulture, $"\n{caption}\n\n{MarkdownOf(table)}\n");
        foreach (string finding in Findings.Take(MaxFindings))
            text.Append(CultureInfo.InvariantCulture, $"\n- {finding}");
        return text.ToString();
    }

    /// <summary>Creates a table whose figures are right-aligned.</summary>
    /// <param name="heads">The column headings; text columns come first.</param>
    /// <param name="texts">The number of text columns.</param>
    /// <param name="rows">The cells.</param>
    public static TextTable TableOf(IEnumerable<string> heads, int texts, IEnumerable<IEnumerable<string>> rows)
    {
        var table = new TextTable(texts, [.. heads.Take(texts).Select(head => new TableHead(head)),
            .. TableHead.Figures(heads.Skip(texts))]);
        foreach (IEnumerable<string> row in rows)
            table.Add(row);
        return table;
    }

    /// <summary>Formats a share, for example <c>99.5%</c>. 100% and 0% appear only for all and none.</summary>
    public static string Share(long count, long total)
    {
        if (total == 0)
            return "–";
        double percent = 100.0 * count / total;
        return count == total ? "100%" : count == 0 ? "0%"
            : string.Create(CultureInfo.InvariantCulture, $"{Math.Clamp(percent, 0.1, 99.9):0.0}%");
    }

    /// <summary>Formats an integer, for example <c>1,234</c>.</summary>
    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string MarkdownOf(TextTable table)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole console =
            AnsiConsole.Create(new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(text)
            });
        console.Profile.Width = int.MaxValue;
        console.Write(table.Whole().MarkdownBorder());
        return string.Join('\n', text.ToString().Split('\n').Select(line => line.Trim())
            .Where(line => line.Length > 0));
    }
}
