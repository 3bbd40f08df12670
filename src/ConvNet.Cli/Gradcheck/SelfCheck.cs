using System.Globalization;
using System.Text;
using ConvNet.Measurement;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>What came out of checking the check itself: tables for people and for a document, and one for
/// programs.</summary>
/// <param name="Failed">Whether the check proved wrong.</param>
/// <param name="Lead">What was done, in one or two sentences.</param>
/// <param name="Tables">The tables, each under a sentence that says what it shows.</param>
/// <param name="Findings">What is wrong, a line each.</param>
/// <param name="Document">The document of <c>--json</c>.</param>
internal sealed record SelfCheck(bool Failed, string Lead, IReadOnlyList<(string Caption, TextTable Table)> Tables,
    IReadOnlyList<string> Findings, object Document)
{
    private const int MostFindings = 20;

    /// <summary>Writes it for people.</summary>
    public void Write(IAnsiConsole people)
    {
        people.WriteLine(Lead);
        foreach ((string caption, TextTable table) in Tables)
        {
            people.WriteLine();
            people.WriteLine(caption);
            people.Write(table);
        }
        foreach (string finding in Findings.Take(MostFindings))
            Cli.Tables.WriteUnbroken(people, finding, new Style(Color.Red));
        if (Findings.Count > MostFindings)
            people.WriteLine($"and {Findings.Count - MostFindings} more; --json has them all");
    }

    /// <summary>The same in Markdown.</summary>
    /// <param name="commit">The commit of the source.</param>
    /// <param name="command">The command line that does it again.</param>
    public string Markdown(string commit, string command)
    {
        var text = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"{Lead}\n\n{Machine.Processor}; commit {commit}.\n`{command}`\n");
        foreach ((string caption, TextTable table) in Tables)
            text.Append(CultureInfo.InvariantCulture, $"\n{caption}\n\n{MarkdownOf(table)}\n");
        foreach (string finding in Findings.Take(MostFindings))
            text.Append(CultureInfo.InvariantCulture, $"\n- {finding}");
        return text.ToString();
    }

    /// <summary>A table whose columns of figures stand to the right.</summary>
    /// <param name="heads">The heads, those of the texts first.</param>
    /// <param name="texts">Columns of texts.</param>
    /// <param name="rows">The cells.</param>
    public static TextTable TableOf(IEnumerable<string> heads, int texts, IEnumerable<IEnumerable<string>> rows)
    {
        var table = new TextTable(texts, [.. heads.Take(texts).Select(head => new TableHead(head)),
            .. TableHead.Figures(heads.Skip(texts))]);
        foreach (IEnumerable<string> row in rows)
            table.Add(row);
        return table;
    }

    /// <summary>As <c>99.5%</c>: 100% only where it is all of them, and 0% where it is none.</summary>
    public static string Share(long part, long whole)
    {
        if (whole == 0)
            return "–";
        double percent = 100.0 * part / whole;
        return part == whole ? "100%" : part == 0 ? "0%"
            : string.Create(CultureInfo.InvariantCulture, $"{Math.Clamp(percent, 0.1, 99.9):0.0}%");
    }

    /// <summary>As <c>1,234</c>.</summary>
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
