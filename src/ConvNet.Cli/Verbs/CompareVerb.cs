using System.CommandLine;
using System.Diagnostics;
using ConvNet.Measurement;
using ConvNet.Reports.Pages;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet compare</c>: compares backends and thread counts on one network on this machine, and recommends
/// one.</summary>
internal sealed class CompareVerb : Verb
{
    private const int DefaultBatch = 64;

    // With this many processors, two are likely to share a core, so that half of them may be as fast.
    private const int ManyProcessors = 4;

    private static readonly NumberRange<double> Seconds = new(double.Epsilon, 86_400,
        "a number above 0, and at most 86400");

    private static readonly CompareSettings Default = new()
    {
        Model = "",
        Batch = DefaultBatch,
        Backends = [],
        Threads = []
    };

    private readonly Option<string> _model, _section;
    private readonly Option<string[]> _batches, _backends, _threads;
    private readonly Option<string?> _input, _update;
    private readonly Option<double> _seconds;
    private readonly ReportOptions _report;

    public CompareVerb() : base("compare", "Compares the backends on a network and recommends one.",
        "compare --model resnet20 --batch 64",
        "compare --model lenet5 --batch 1,64 --threads 1,2,4 --json",
        "compare --model resnet20 --report resnet20.html",
        "compare --model resnet18 --batch 16 --backends native,torchsharp --seconds 120")
    {
        _model = new Option<string>("--model")
        {
            Description = ModelChoice.Description,
            HelpName = "MODEL",
            Required = true
        };
        Add(_model);
        ReadsModel(_model);
        _batches = Several("--batch", $"Batch sizes. Default: {DefaultBatch}.", "N");
        _threads = Several("--threads", "Thread counts. Default: one, all processors and, if there are many, half of "
            + "them. Variants run with the highest only.", "N");
        _backends = Several("--backends",
            $"{Contestants.Compared.Names}. Default: all that are useful on this machine.", "NAME");
        _input = Optional<string>("--input",
            "Image shape, for example 3x32x32 (channels, rows, columns). Default: that of the model.", "CxHxW");
        _seconds = Number("--seconds",
            "The time limit per batch size. Ends earlier once every ratio is known within 3%.", Default.LimitSeconds,
            Seconds, "LIMIT");
        _update = Updated("--update", "Write the tables to the --section of this Markdown file.");
        _section = SectionOption();
        _report = ReportFiles();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string model = command.GetValue(_model)!;
        string? input = command.GetValue(_input), update = command.GetValue(_update);
        Graph graph = ModelChoice.Open(model, input is null ? null : Shape.Parse(input));
        string[] backends = [.. Words(command, _backends).Distinct()];
        int[] threads = [.. Numbers(command, _threads, NumberRanges.Threads).Distinct()];
        CompareSettings[] each = [.. Numbers(command, _batches, NumberRanges.FromOne).DefaultIfEmpty(DefaultBatch)
            .Distinct().Select(batch => Default with
        {
            Model = model,
            Input = input,
            Batch = batch,
            Backends = backends.Length > 0 ? backends : Contestant.Default,
            Threads = threads.Length > 0 ? threads : DefaultThreads,
            LimitSeconds = command.GetValue(_seconds),
        })];
        foreach (string backend in backends)
            Contestant.Parse(backend);
        string section = command.GetValue(_section)!;
        if (update is not null)
            MarkedSection.Check(update, section);

        var machine = new MachineMeter();
        IReadOnlyList<BatchComparison> comparisons = Measure(graph, each, machine, terminal);
        var result = new CompareResult(model, $"{graph.Input.Shape}", graph.ParameterCount, machine.Facts(),
            SourceCommit.Of(update is null ? AppContext.BaseDirectory
                : Path.GetDirectoryName(Path.GetFullPath(update))!), CommandLineOf(command), comparisons);
        if (!terminal.Json)
            CompareTables.Write(terminal.People, result);
        if (update is not null)
        {
            MarkedSection.Replace(update, section, CompareMarkdown.Of(result));
            terminal.Wrote(update);
        }
        terminal.WriteJson(result);
        _report.Write(command, terminal, origin
            => ComparePage.Of(result, CompareProfiles.Measure(result, input, name
            => WorkerPrograms.Start(name, terminal.Cancellation), terminal.Progress), origin));
        return ExitCode.Ok;
    }

    private static BatchComparison[] Measure(Graph graph, CompareSettings[] each, MachineMeter machine,
        Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        CancellationToken cancellation = terminal.Cancellation;
        return [.. each.Select(settings
            => CompareRun.Measure(graph, settings, name => WorkerPrograms.Start(name, cancellation), machine, ()
                => clock.Elapsed, terminal.Progress, cancellation))];
    }

    private static int[] DefaultThreads => Environment.ProcessorCount is var all && all < ManyProcessors ? [1, all]
        : [1, all / 2, all];
}
