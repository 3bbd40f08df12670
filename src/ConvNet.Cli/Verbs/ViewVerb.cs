using System.CommandLine;
using ConvNet.Serve;
using ConvNet.Serve.Runs;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet view</c>: opens the page of trainings again that have written a log, side by side.</summary>
internal sealed class ViewVerb : Verb
{
    private readonly Argument<string[]> _folders;
    private readonly ServedAddress _served;

    public ViewVerb() : base("view", "Serves a page of trainings that have written a log, side by side, until it is "
        + "interrupted.",
        "view run1",
        "view run1 run2 --port 8080",
        "view run1 --json")
    {
        _folders = new Argument<string[]>("DIR")
        {
            Description = "The folder of a log, as train --log DIR writes it. A log that is still written is followed.",
            Arity = ArgumentArity.OneOrMore,
        };
        AddPaths(_folders);
        _served = ServedAddress.Of(this, "--port", "The port of the page. Default: 0, for one that is free.",
            "--address");
        _served.Port.Arity = ArgumentArity.ExactlyOne;
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string[] folders = command.GetValue(_folders)!;
        var page = LogPage.Open(folders);
        terminal.People.Write(TableOf(page.Summaries));
        if (terminal.Json)
        {
            terminal.WriteJson(new { runs = page.Summaries.Select(DocumentOf) });
            return ExitCode.Ok;
        }
        (System.Net.IPAddress address, int port) = _served.Read(command, terminal);
        page.Serve(address, port, uri => terminal.Progress($"the page is at {uri}; Ctrl-C ends it"),
            problem => terminal.Warn($"{problem} The page no longer follows this log."), terminal.Cancellation);
        return ExitCode.Ok;
    }

    private static TextTable TableOf(IEnumerable<RunSummary> runs)
    {
        var table = new TextTable(1, ["run", "model", "data", "status",
            .. TableHead.Figures("epochs", "steps", "loss", "accuracy", "best epoch", "best")]);
        foreach (RunSummary run in runs)
            table.Add(Excerpt.Of(run.Name), Excerpt.Of(run.Model), Excerpt.Of(run.Data), StatusOf(run),
                $"{run.LastEpoch?.Epoch ?? 0}/{run.Epochs}", $"{run.Step:N0}", $"{run.LastEpoch?.Loss:F4}",
                $"{run.LastEpoch?.TestAccuracy:0.00%}", $"{run.BestEpoch?.Epoch}",
                $"{run.BestEpoch?.TestAccuracy:0.00%}");
        return table;
    }

    private static string StatusOf(RunSummary run) => run.Status == RunStatus.Open ? "not ended"
        : $"{run.Status}".ToLowerInvariant();

    private static object DocumentOf(RunSummary run) => new
    {
        run.Name,
        run.Folder,
        run.Model,
        run.Data,
        run.Tested,
        status = run.Status == RunStatus.Open ? "notEnded" : $"{run.Status}".ToLowerInvariant(),
        run.Stopped,
        run.Started,
        run.Parameters,
        run.Epoch,
        run.Epochs,
        run.Step,
        run.Steps,
        run.Loss,
        run.Accuracy,
        run.LearningRate,
        run.ImagesPerSecond,
        run.Seconds,
        run.SecondsLeft,
        run.ResidentBytes,
        run.LastEpoch,
        run.BestEpoch,
    };
}
