using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Measurement;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>The options that write the results of a verb to a report page.</summary>
/// <param name="Html">The option <c>--report</c>.</param>
/// <param name="Markdown">The option <c>--markdown</c>.</param>
internal sealed record ReportOptions(Option<string?> Html, Option<string?> Markdown)
{
    /// <summary>Writes the requested files.</summary>
    /// <param name="command">The command line, which appears on the page.</param>
    /// <param name="terminal">The terminal for messages.</param>
    /// <param name="pageOf">Creates the page.</param>
    public void Write(ParseResult command, Terminal terminal, Func<Origin, Page> pageOf)
    {
        string? html = command.GetValue(Html), markdown = command.GetValue(Markdown);
        if (html is null && markdown is null)
            return;
        Page page = pageOf(new Origin(Verb.CommandLineOf(command), SourceCommit.Of(AppContext.BaseDirectory),
            TimeProvider.System.GetUtcNow()));
        Write(html, stream => HtmlPage.Write(page, stream), terminal);
        Write(markdown, stream => MarkdownPage.Write(page, stream), terminal);
    }

    private static void Write(string? file, Action<Stream> write, Terminal terminal)
    {
        if (file is null)
            return;
        AtomicFile.Write(file, "the report", write);
        terminal.Wrote(file);
        terminal.Progress($"report written to {file}");
    }
}
