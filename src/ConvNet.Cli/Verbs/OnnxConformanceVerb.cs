using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Onnx;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet onnx-conformance</c>: the cases of the ONNX backend tests.</summary>
internal sealed class OnnxConformanceVerb : Verb
{
    private readonly Argument<string> _folder;
    private readonly Option<string> _backend;
    private readonly Option<int?> _threads;

    public OnnxConformanceVerb() : base("onnx-conformance", "Imports the models of the ONNX backend tests, runs them "
        + "and compares the results.", "onnx-conformance /usr/share/libonnx-testdata/data",
        "onnx-conformance data/node --backend native --json")
    {
        _folder = FileArgument("DIR", "The folder with the cases: the whole suite, a category or one case.");
        _backend = WithDefault("--backend", $"The backend: {BackendRegistry.Names}.", "managed", "NAME");
        _threads = ThreadsOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string folder = command.GetValue(_folder)!;
        IReadOnlyList<ConformanceCase> cases = ConformanceCase.In(folder);
        using IBackend backend = BackendRegistry.Create(command.GetValue(_backend)!, command.GetValue(_threads));
        var run = new ConformanceRun(backend);
        var results = new List<ConformanceResult>();
        foreach (ConformanceCase each in cases)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            results.Add(run.Run(each));
        }
        int folded = results.Count(result => result.IsFolded);
        int Count(ConformanceOutcome outcome) => results.Count(result => result.Outcome == outcome);
        (int passed, int failed, int unsupported, int others) = (Count(ConformanceOutcome.Passed),
            Count(ConformanceOutcome.Failed), Count(ConformanceOutcome.Unsupported), Count(ConformanceOutcome.Other));
        if (!terminal.Json)
        {
            terminal.People.Write(TableOf(results));
            foreach (ConformanceResult each in results.Where(each => each.Failure is not null))
                terminal.People.WriteLine($"failed: {each.Case.Category}/{each.Case.Name}: {each.Failure}");
        }
        terminal.People.WriteLine($"{folder}, {BackendText.Of(backend.Info)}: {passed} passed ({folded} of them with "
            + $"all inputs as constants), {failed} failed, "
            + $"{unsupported} unsupported, {others} with operators that convolutional networks do not use");
        terminal.WriteJson(new
        {
            folder,
            backend = backend.Info.Name,
            passed,
            folded,
            failed,
            unsupported,
            others,
            reasons = ReasonsOf(results).Select(reason => new { reason.Operator, reason.Cases, reason.Reason }),
            cases = results.Where(each => each.Outcome != ConformanceOutcome.Other).Select(each => new
            {
                each.Case.Category,
                each.Case.Name,
                outcome = each.Outcome.ToString().ToLowerInvariant(),
                folded = each.IsFolded,
                each.Failure,
            }),
        });
        return failed == 0 ? ExitCode.Ok : terminal.Fail($"{failed} cases failed.");
    }

    /// <summary>Creates a table with a row for each operator and reason.</summary>
    internal static TextTable TableOf(IEnumerable<ConformanceResult> results)
    {
        var table = new TextTable(1, "operator", TableHead.Figure("unsupported cases"), TableHead.Prose("reason"));
        foreach ((string name, int count, string reason) in ReasonsOf(results))
            table.Add(name, $"{count}", reason);
        return table;
    }

    private static IEnumerable<(string Operator, int Cases, string Reason)> ReasonsOf(
        IEnumerable<ConformanceResult> results) => results.SelectMany(result => result.Reasons.Distinct())
        .GroupBy(reason => reason).Select(group => (group.Key.Operator, group.Count(), group.Key.Reason))
        .OrderBy(each => each.Operator, StringComparer.Ordinal).ThenByDescending(each => each.Item2);
}
