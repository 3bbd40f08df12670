using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Measurement;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>The files that a verb writes its page of results to.</summary>
/// <param name="Html">The option <c>--report</c>.</param>
/// <param name="Markdown">The option <c>--markdown</c>.</param>
internal sealed record ReportOptions(Option<string?> Html, Option<string?> Markdown)
{
    /// <summary>Writes the files that were asked for.</summary>
    /// <param name="command">The command line, which the page names.</param>
    /// <param name="terminal">Where it is said that they are written.</param>
    /// <param name="pageOf">Makes the page.</param>
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
        terminal.Progress($"report in {file}");
    }
}
