using System.CommandLine;
using System.Text;
using ConvNet.Cli.Verbs;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The option of <c>gradcheck</c> that marks failures in the log and the summary of a CI job.</summary>
internal sealed class AnnotationOptions
{
    private const string GitHub = "github", Azure = "azure";

    // The limit of GitHub for all summaries of a step.
    private const int MostSummaryBytes = 1 << 20;

    private readonly Option<string?> _system = new("--annotations")
    {
        Description = $"Mark failures in a CI job. {GitHub}: errors of the step, and the summary in the job summary; "
            + $"{Azure}: issues of the task, and the summary as a tab of the run. GitLab shows those of --junit.",
        HelpName = $"{GitHub}|{Azure}",
    };

    /// <summary>Adds the option to a verb.</summary>
    public AnnotationOptions(Verb verb)
    {
        Verb.AcceptOnly(_system, [GitHub, Azure]);
        verb.Add(_system);
    }

    /// <summary>Writes the annotations and the summary that a command asks for.</summary>
    /// <param name="command">The command.</param>
    /// <param name="result">The check.</param>
    /// <param name="markdown">The file with the summary. Null if the command writes none.</param>
    /// <param name="terminal">Receives the annotations: on standard error if standard output holds JSON.</param>
    /// <exception cref="IOException">The summary cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write the summary.</exception>
    public void Write(ParseResult command, GradcheckResult result, string? markdown, Terminal terminal)
    {
        string? system = command.GetValue(_system);
        if (system == GitHub)
        {
            foreach (string line in Annotations.GitHub(result))
                terminal.Command(line);
            if (Setting("GITHUB_STEP_SUMMARY") is { } summary)
                Append(summary, MarkdownSummary.Of(result));
        }
        else if (system == Azure)
        {
            foreach (string line in Annotations.Azure(result))
                terminal.Command(line);
            if ((markdown ?? TemporarySummary(result)) is { } summary)
                terminal.Command(Annotations.AzureSummary(Path.GetFullPath(summary)));
        }
    }

    /// <summary>Cuts a text to a number of bytes in UTF-8, at the end of a line, and says so.</summary>
    internal static string Cut(string text, int most)
    {
        const string Note = "\nThe summary is cut here: the limit of the job summary is reached.\n";
        if (Encoding.UTF8.GetByteCount(text) <= most)
            return text;
        var kept = new StringBuilder();
        int left = most - Note.Length;
        foreach (string line in text.Split('\n'))
        {
            left -= Encoding.UTF8.GetByteCount(line) + 1;
            if (left < 0)
                break;
            kept.Append(line).Append('\n');
        }
        return most < Note.Length ? "" : $"{kept}{Note}";
    }

    private static void Append(string path, string text)
    {
        long before = File.Exists(path) ? new FileInfo(path).Length : 0;
        // Earlier commands of the step may have written to the file, too.
        string start = before > 0 ? "\n" : "";
        File.AppendAllText(path, Cut(start + text, (int)Math.Max(0, MostSummaryBytes - before)));
    }

    // The agent reads the file after the task has ended, and deletes the folder after the job.
    private static string? TemporarySummary(GradcheckResult result)
    {
        if (Setting("AGENT_TEMPDIRECTORY") is not { } folder)
            return null;
        string path = Path.Combine(folder, $"gradcheck-{Guid.NewGuid():N}.md");
        File.WriteAllText(path, MarkdownSummary.Of(result));
        return path;
    }

    private static string? Setting(string name)
        => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
