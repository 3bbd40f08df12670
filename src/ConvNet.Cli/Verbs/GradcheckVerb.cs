using System.CommandLine;
using System.Diagnostics;
using System.Text;
using ConvNet.Backends;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet gradcheck</c>: checks, layer by layer, that the backends compute correct gradients.</summary>
/// <remarks>Checks each <see cref="Subject"/> on the <see cref="CheckedBackends"/>. The report writers are in the
/// folder Gradcheck/.</remarks>
internal sealed class GradcheckVerb : Verb
{
    private const string DefaultModel = "digits";
    private const int RuleTrials = 5, MostRanks = 64;

    private readonly Option<string?> _model, _input, _junit, _markdown;
    private readonly Option<string[]> _layers, _files, _backends, _modes, _threads, _freeze;
    private readonly Option<string> _precision;
    private readonly Option<int?> _batch, _ranks;
    private readonly Option<int> _seed;
    private readonly Option<bool> _details, _whole, _canaries, _rules, _strict;
    private readonly Option<int?> _sweep, _trials;
    private readonly Option<string?> _log, _update, _section;
    private readonly CaseOptions _cases;
    private readonly TrainingOptions _training;
    private readonly BaselineOptions _baseline;
    private readonly AnnotationOptions _annotations;

    public GradcheckVerb() : base("gradcheck", "Compares the gradients of every layer on several backends with a "
        + "double-precision reference.",
        "gradcheck --model lenet5",
        "gradcheck --layer mb2ic16ih14oc32kh3 max:mb2ic32ih14kh2sh2 bnorm:mb4ic32ih7",
        "gradcheck --shapes bench/shapes/networks/alexnet.txt --backends all",
        "gradcheck --random 20 --seed 7 --backends managed,native",
        "gradcheck --model digits --backends managed,native:avx2 --threads 1,2,5 --json",
        "gradcheck --model resnet18 --batch 2 --input 3x64x64 --mode exact --junit gradients.xml --markdown "
            + "gradients.md",
        "gradcheck --model lenet5 --backends torchsharp --baseline accepted.json --annotations github",
        "gradcheck --model resnet20 --freeze 'conv1.*' '*.bias'",
        "gradcheck --model lenet5 --ranks 4 --backends native",
        "gradcheck --sweep 10000 --log sweep.jsonl",
        "gradcheck --canaries --backends native:avx2")
    {
        _model = Optional<string>("--model", $"{ModelChoice.Description} Of a file that train --save has written, "
            + "the network with the parameters that are frozen there. "
            + $"Default: {DefaultModel}, unless other subjects are given.", "MODEL");
        ReadsModel(_model);
        _input = Optional<string>("--input",
            "Image shape, for example 3x32x32 (channels, rows, columns). Default: that of the model.", "CxHxW");
        _freeze = Several("--freeze", "Parameters of the model that are frozen, as conv1.weight or 'conv1.*': they "
            + "must stay as they are, and a layer of such parameters alone must run as in inference.", "PATTERN");
        _layers = Several("--layer", "A layer as a benchdnn descriptor, for example mb2ic3ih8oc4kh3, "
            + "max:mb2ic4ih8kh2sh2 or bnorm:mb2ic4ih8; see docs/PERFORMANCE.md.", "SHAPE");
        _files = Several("--shapes", "A file with one layer descriptor per line; bench/shapes/networks contains "
            + "published networks.", "FILE");
        Files.Add(_files, FileUse.Read, command => command.GetValue(_files)!);
        _cases = new CaseOptions(this);
        _backends = Several("--backends", $"{BackendRegistry.Names}; or all, including the accurate variants. "
            + "Default: every backend on every instruction set that can run on this machine.", "NAME");
        _modes = Several("--mode", $"{CheckModeWords.Help} Default: all.", "MODE");
        _threads = Several("--threads", "Thread counts, for example 1,2,5. Each backend is checked with all of them, "
            + "and the results must be identical. Default: all processors, and 5.", "N");
        _ranks = OptionalNumber("--ranks", "Check each backend on N ranks that share every batch, as threads of this "
            + "process. Their results are compared like those of one process, and all ranks must have the same bits. "
            + "Default: 1.", NumberRanges.Whole(1, MostRanks), "N");
        _batch = OptionalNumber("--batch",
            "Batch size. A power of two keeps the mean exact. Default: that of the descriptor for a layer; for a "
            + "model, 4 for single layers, and for its plan that of the saved training, or 32.", NumberRanges.FromOne,
            "N");
        _seed = Number("--seed", "Seed of all values.", 1, NumberRanges.Any, "N");
        _precision = PrecisionOption();
        _whole = Flag("--whole", "Compare all values of every layer in real mode. By default, layers with more than "
            + "33 million multiply-adds are compared on a sample.");
        _training = new TrainingOptions(this);
        _strict = Flag("--strict", "Fail if a step of a plan was not compared.");
        _details = Flag("--details", "Print a row for every tensor: number of values, error in bounds and ulp, "
            + "index, both values.");
        _junit = Written("--junit", "Write the results to this file as JUnit XML.");
        _markdown = Written("--markdown", "Write a summary to this file as Markdown.");
        _annotations = new AnnotationOptions(this);
        _baseline = new BaselineOptions(this);
        _sweep = OptionalNumber("--sweep",
            "Test the check itself: check N random layers, one per seed, on backends assumed to be correct. Every "
            + "failure is a false alarm.", NumberRanges.FromOne, "N");
        _log = Updated("--log",
            "Store the results of --sweep in this file. The same command resumes an interrupted sweep.");
        _canaries = Flag("--canaries", "Test the check itself: inject faults of every kind into every result of every "
            + "kind of layer. Exact mode must catch all of them.");
        _rules = Flag("--rules", "Measure detection and false alarms of commonly used tolerance rules, compared with "
            + "this check.");
        _trials = OptionalNumber("--trials",
            "Trials per fault. Default: 20 for --canaries, 5 for --rules.", NumberRanges.FromOne,
            "N");
        _update = Updated("--update",
            "Write the tables of --sweep, --canaries or --rules to the --section of this Markdown file.");
        _section = Optional<string>("--section", "The section of --update: the text between <!-- bench NAME --> and "
            + "<!-- end -->. Default: the name of the test.", "NAME");
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        if (SelfCheckOf(command) is { } wanted)
            return RunSelfCheck(wanted, command, terminal);
        var options = new GradientCheckOptions
        {
            BatchSize = command.GetValue(_batch) ?? new GradientCheckOptions().BatchSize,
            Cancellation = terminal.Cancellation,
            Seed = unchecked((ulong)command.GetValue(_seed)),
            MostTerms = command.GetValue(_whole) ? long.MaxValue : new GradientCheckOptions().MostTerms,
            Modes = CheckModeWords.Parse([.. Words(command, _modes)]),
        };
        List<Subject> subjects = Subjects(command, options);
        _cases.CheckTarget(command);
        BaselineUse baseline = _baseline.Open(command);
        using CheckedBackends backends = CheckedBackends.Open([.. Words(command, _backends)],
            [.. Numbers(command, _threads, NumberRanges.Threads)], PrecisionOf(command, _precision), terminal,
            command.GetValue(_ranks) ?? 1);
        GradcheckResult result = Check(subjects, backends, baseline, command, terminal);
        Write(result, command, terminal);
        return result.Report.Verdict == Verdict.Fail
            || (command.GetValue(_strict) && !result.Report.Steps.All(step => step.IsCovered))
            ? ExitCode.Failed : ExitCode.Ok;
    }

    // Returns the name of the option that tests the check itself, or null.
    private string? SelfCheckOf(ParseResult command)
    {
        string[] wanted = [.. command.GetValue(_sweep) is null ? [] : (string[])["sweep"],
            .. command.GetValue(_canaries) ? (string[])["canaries"] : [], .. command.GetValue(_rules)
            ? (string[])["rules"] : []];
        if (wanted.Length > 1)
            throw new ArgumentException($"--{wanted[0]} and --{wanted[1]} cannot be combined. Use one at a "
                + "time.");
        if (wanted.Length > 0 && command.GetValue(_ranks) is not null)
            throw new ArgumentException($"--{wanted[0]} tests the check itself, in one process. Omit {_ranks.Name}.");
        if (wanted is not ["sweep"] && command.GetValue(_log) is not null)
            throw new ArgumentException("--log requires --sweep N.");
        return wanted.SingleOrDefault();
    }

    private int RunSelfCheck(string wanted, ParseResult command, Terminal terminal)
    {
        string? update = command.GetValue(_update);
        string section = command.GetValue(_section) ?? wanted;
        if (update is not null)
            MarkedSection.Check(update, section);
        using CheckedBackends backends = CheckedBackends.Open([.. Words(command, _backends)
            .DefaultIfEmpty(CheckedBackends.All)], [.. Numbers(command, _threads, NumberRanges.Threads)],
            PrecisionOf(command, _precision), terminal);
        ulong seed = unchecked((ulong)command.GetValue(_seed));
        int? trials = command.GetValue(_trials);
        SelfCheck result = wanted switch
        {
            "sweep" => Sweep.Run(command.GetValue(_sweep)!.Value, seed, backends.Variants, command.GetValue(_log),
                terminal),
            "canaries" => CanaryTables.Of(
                Canary.Run(backends.Variants, [.. Canary.Cases, .. Canary.LongCases],
                new CanaryOptions { Trials = trials ?? new CanaryOptions().Trials, Seed = seed }, terminal.Progress,
                terminal.Cancellation)),
            _ => RuleTables.Of(RuleComparison.Run(backends.Variants, RuleComparison.Lengths, trials ?? RuleTrials, seed,
                terminal.Progress, terminal.Cancellation)),
        };
        if (!terminal.Json)
            result.Write(terminal.People);
        if (update is not null)
        {
            MarkedSection.Replace(update, section,
                result.Markdown(SourceCommit.Of(Path.GetDirectoryName(Path.GetFullPath(update))!),
                CommandLineOf(command)));
            terminal.Wrote(update);
        }
        terminal.WriteJson(result.Document);
        return result.Failed ? ExitCode.Failed : ExitCode.Ok;
    }

    private List<Subject> Subjects(ParseResult command, GradientCheckOptions options)
    {
        Shape? input = command.GetValue(_input) is { } text ? Shape.Parse(text) : null;
        int? batch = command.GetValue(_batch);
        IEnumerable<LayerShape> shapes = [.. command.GetValue(_layers)!.Select(LayerShape.Parse),
            .. command.GetValue(_files)!.SelectMany(ShapeFile.Read)];
        List<Subject> subjects = [.. shapes.Select(shape => Subject.Layer(shape, batch, options)),
            .. _cases.Subjects(command, options, batch)];
        string? model = command.GetValue(_model) ?? (subjects.Count == 0 ? DefaultModel : null);
        if (model is not null)
            subjects.Insert(0, Subject.Model(model, input, options with { Frozen = command.GetValue(_freeze)! },
                (checkOptions, graph, saved) => _training.With(command, checkOptions, graph, saved, batch)));
        else if (command.GetValue(_freeze)! is [_, ..])
            throw new ArgumentException("--freeze requires --model; it names parameters of a model.");
        else if (input is not null)
            throw new ArgumentException("--input requires --model; the descriptor of a layer includes its input "
                + "size.");
        return subjects.GroupBy(subject => subject.Title).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new ArgumentException($"\"{twice.Key}\" is given twice. Name it once, or give the two layers "
                + "different names.")
            : subjects;
    }

    private GradcheckResult Check(List<Subject> subjects, CheckedBackends backends, BaselineUse baseline,
        ParseResult command, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var reports = new List<GradientReport>();
        Reproduction? again = null;
        foreach (Subject subject in subjects)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            GradientReport report = baseline.Accepted(subject.Check(backends.Variants));
            reports.Add(subject.Listed(report));
            if (subjects.Count > 1)
                terminal.Progress($"{subject.Title}: {report.Summary}");
            if (report.Verdict != Verdict.Fail || again is not null)
                continue;
            again = Reproduction.Of(subject, report, backends.Variants, PrecisionOf(command, _precision),
                _cases.Target(command), terminal.Progress);
            if (again is not null)
                terminal.Wrote(again.CaseFile);
        }
        var all = new GradientReport([.. reports.SelectMany(report => report.Layers)],
            [.. reports.SelectMany(report => report.Gaps)])
        {
            Steps = [.. reports.SelectMany(report => report.Steps)],
            Unneeded = baseline.Finish(terminal),
        };
        string title = string.Join(", ", subjects.Take(3).Select(subject => subject.Title))
            + (subjects.Count > 3 ? $" and {subjects.Count - 3} more" : "");
        return new GradcheckResult(title, backends.Variants, all, clock.Elapsed, again?.Command)
        {
            CaseFile = again?.CaseFile,
            SelfTests = backends.SelfTests,
            Options = [.. subjects.Select(subject => subject.Case.Options)],
        };
    }

    private void Write(GradcheckResult result, ParseResult command, Terminal terminal)
    {
        if (command.GetValue(_junit) is { } junit)
        {
            AtomicFile.Write(junit, "the JUnit report", stream => JUnitReport.Write(stream, result));
            terminal.Wrote(junit);
        }
        if (command.GetValue(_markdown) is { } markdown)
        {
            AtomicFile.Write(
                markdown, "the summary", stream => stream.Write(Encoding.UTF8.GetBytes(MarkdownSummary.Of(result))));
            terminal.Wrote(markdown);
        }
        _annotations.Write(command, result, command.GetValue(_markdown), terminal);
        if (!terminal.Json)
            GradcheckTable.Write(terminal.People, result, command.GetValue(_details));
        terminal.WriteJson(GradcheckDocument.Of(result));
    }
}
