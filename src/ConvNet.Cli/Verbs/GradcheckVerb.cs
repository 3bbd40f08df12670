using System.CommandLine;
using System.Diagnostics;
using System.Text;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet gradcheck</c>: do the backends compute the same gradients, layer by layer, and are they
/// right?</summary>
/// <remarks>What is checked is a <see cref="Subject"/>, by what a <see cref="CheckedBackends"/>; the writers of reports
/// stand beside them in Gradcheck/.</remarks>
internal sealed class GradcheckVerb : Verb
{
    private const string DefaultModel = "digits";
    private const int RuleTrials = 5;

    private readonly Option<string?> _model, _input, _junit, _markdown;
    private readonly Option<string[]> _layers, _files, _backends, _modes, _threads;
    private readonly Option<string> _precision;
    private readonly Option<int?> _batch;
    private readonly Option<int> _seed;
    private readonly Option<bool> _details, _whole, _canaries, _rules;
    private readonly Option<int?> _sweep, _trials;
    private readonly Option<string?> _log, _update, _section;
    private readonly CaseOptions _cases;

    public GradcheckVerb() : base("gradcheck", "Checks every layer's gradients on several backends against the double "
        + "reference.",
        "gradcheck --model lenet5",
        "gradcheck --layer mb2ic16ih14oc32kh3 max:mb2ic32ih14kh2sh2 bnorm:mb4ic32ih7",
        "gradcheck --shapes bench/shapes/networks/alexnet.txt --backends all",
        "gradcheck --random 20 --seed 7 --backends managed,native",
        "gradcheck --model digits --backends managed,native:avx2 --threads 1,2,5 --json",
        "gradcheck --model resnet18 --batch 2 --input 3x64x64 --mode exact --junit gradients.xml --markdown "
            + "gradients.md",
        "gradcheck --sweep 10000 --log sweep.jsonl",
        "gradcheck --canaries --backends native:avx2")
    {
        _model = Optional<string>("--model", $"{ModelChoice.Description} {DefaultModel} unless something else is to "
            + "be checked.", "MODEL");
        ReadsModel(_model);
        _input = Optional<string>("--input", "Channels, rows and columns of a model's images, as 3x32x32; the model's "
            + "own unless given.", "CxHxW");
        _layers = Several("--layer", "A layer as benchdnn describes it, as mb2ic3ih8oc4kh3, max:mb2ic4ih8kh2sh2 or "
            + "bnorm:mb2ic4ih8; docs/PERFORMANCE.md says how.", "SHAPE");
        _files = Several("--shapes", "A file with one such layer a line; bench/shapes/networks has published "
            + "networks.", "FILE");
        Files.Add(_files, FileUse.Read, command => command.GetValue(_files)!);
        _cases = new CaseOptions(this);
        _backends = Several("--backends", $"What is checked: {BackendCatalog.Names}; all adds the accurate ones to "
            + "what runs here on every instruction set, which it is unless given.", "NAME");
        _modes = Several("--mode", $"{CheckModeWords.Help} All of them unless given.", "MODE");
        _threads = Several("--threads", "Numbers of threads, as 1,2,5: each backend is checked with all of them, and "
            + "they must give the same bits; all processors unless given.", "N");
        _batch = OptionalNumber("--batch",
            "Images in a batch; a power of two keeps the mean exact. 4 of a model, and those of its descriptor of a "
            + "layer, unless given.", NumberRanges.FromOne, "N");
        _seed = Number("--seed", "Seed of all values.", 1, NumberRanges.Any, "N");
        _precision = PrecisionOption();
        _whole = Flag("--whole", "Compare all values of every layer on real numbers; by default a layer of more than "
            + "33 million multiply-adds is compared on a sample.");
        _details = Flag("--details", "Print a row for every tensor: values, error in bounds and ulp, index, both "
            + "values.");
        _junit = Written("--junit", "Write the outcome here in JUnit's XML.");
        _markdown = Written("--markdown", "Write a summary here in Markdown.");
        _sweep = OptionalNumber("--sweep",
            "Check the check: so many random layers, seed by seed, on backends taken to be right; what is called "
            + "wrong is a false alarm.", NumberRanges.FromOne, "N");
        _log = Updated("--log",
            "Keep what --sweep finds here, case by case; the same command goes on where an earlier one ended.");
        _canaries = Flag("--canaries", "Check the check: put faults of every kind into every result of every kind of "
            + "layer; exact mode must catch them all.");
        _rules = Flag("--rules", "Measure what tolerance rules in common use catch and falsely report, beside this "
            + "check.");
        _trials = OptionalNumber("--trials",
            "How often --canaries (20 times unless given) and --rules (5 times) try each fault.", NumberRanges.FromOne,
            "N");
        _update = Updated("--update",
            "A Markdown file whose --section gets the tables of --sweep, --canaries or --rules.");
        _section = Optional<string>("--section", "The section of --update: what stands between <!-- bench NAME --> "
            + "and <!-- end -->; sweep, canaries or rules unless given.", "NAME");
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
        using CheckedBackends backends = CheckedBackends.Open([.. Words(command, _backends)],
            [.. Numbers(command, _threads, NumberRanges.Threads)], PrecisionOf(command, _precision), terminal);
        GradcheckResult result = Check(subjects, backends, command, terminal);
        Write(result, command, terminal);
        return result.Report.Verdict == Verdict.Fail ? App.Failed : App.Ok;
    }

    // The option that asks for a check of the check, as its name; null where none does.
    private string? SelfCheckOf(ParseResult command)
    {
        string[] wanted = [.. command.GetValue(_sweep) is null ? [] : (string[])["sweep"],
            .. command.GetValue(_canaries) ? (string[])["canaries"] : [], .. command.GetValue(_rules)
            ? (string[])["rules"] : []];
        if (wanted.Length > 1)
            throw new ArgumentException($"--{wanted[0]} and --{wanted[1]} are checks of their own; give one at a "
                + "time.");
        if (wanted is not ["sweep"] && command.GetValue(_log) is not null)
            throw new ArgumentException("--log keeps what --sweep finds; give --sweep N with it.");
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
        return result.Failed ? App.Failed : App.Ok;
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
            subjects.Insert(0, Subject.Model(model, input, options));
        else if (input is not null)
            throw new ArgumentException("--input is for --model; a layer's descriptor has the size of its input in "
                + "it.");
        return subjects.GroupBy(subject => subject.Title).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new ArgumentException($"\"{twice.Key}\" is given twice; once is enough, and two layers need two "
                + "names.")
            : subjects;
    }

    private GradcheckResult Check(List<Subject> subjects, CheckedBackends backends, ParseResult command,
        Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var reports = new List<GradientReport>();
        Reproduction? again = null;
        foreach (Subject subject in subjects)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            GradientReport report = subject.Check(backends.Variants);
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
            [.. reports.SelectMany(report => report.Cuts)]);
        string title = string.Join(", ", subjects.Take(3).Select(subject => subject.Title))
            + (subjects.Count > 3 ? $" and {subjects.Count - 3} more" : "");
        return new GradcheckResult(title, backends.Variants, all, clock.Elapsed, again?.Command)
        {
            CaseFile = again?.CaseFile,
            SelfTests = backends.SelfTests,
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
        if (!terminal.Json)
            GradcheckTable.Write(terminal.People, result, command.GetValue(_details));
        terminal.WriteJson(GradcheckDocument.Of(result));
    }
}
