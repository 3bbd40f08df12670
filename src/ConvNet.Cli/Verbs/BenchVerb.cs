using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ConvNet.Backends;
using ConvNet.Measurement;
using ConvNet.Reports.Pages;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet bench</c>: measures the speed of layers and networks on several backends, which take turns, and
/// compares it with the peak of the processor.</summary>
internal sealed class BenchVerb : Verb
{
    private const int DefaultBatch = 64, TracedCalls = 10;
    private const double ProfileMilliseconds = 500;
    private const string EveryAlgorithm = "all";

    private static readonly NumberRange<double> Milliseconds = new(double.Epsilon, 600_000,
        "a number above 0, and at most 600000");

    private readonly Option<string[]> _layers, _files, _models, _batches, _passes, _backends, _threads;
    private readonly Option<string> _algorithm, _precision;
    private readonly Option<string?> _isa, _update, _trace;
    private readonly Option<bool> _profile;
    private readonly Option<int> _rounds;
    private readonly Option<double> _turn;
    private readonly Option<string> _section;
    private readonly ReportOptions _report;

    public BenchVerb() : base("bench",
        "Measures the speed of layers and networks on several backends, relative to the processor's peak.",
        "bench --layer mb32ic64ih56oc64oh56kh3ph1 --pass fwd,bwd_d,bwd_w --threads 1,2",
        "bench --shapes bench/shapes/kernels.txt --backends native,torchsharp --json",
        "bench --model lenet5 --batch 1,64 --backends native,torchsharp",
        "bench --model lenet5:64,cifarnet:128 --pass train --threads 1,2",
        "bench --shapes bench/shapes/algorithms.txt --algorithm all --threads 1 --rounds 3 --turn 20",
        "bench --model resnet20 --pass train --profile --trace resnet20.json --report resnet20.html")
    {
        _layers = Several("--layer", "A layer as a benchdnn descriptor; see docs/PERFORMANCE.md.", "SHAPE");
        _files = Several("--shapes", "A file with one layer descriptor per line.", "FILE");
        Files.Add(_files, FileUse.Read, command => command.GetValue(_files)!);
        _models = Several("--model", $"{ModelChoice.Description} Append :N to set its batch size instead of --batch.",
            "MODEL");
        Files.Add(_models, FileUse.Read, command => ModelChoice.Files(
            Words(command, _models).SelectMany(word => WithBatches(word, [DefaultBatch])).Select(each => each.Model)));
        _batches = Several("--batch", $"Batch sizes of each --model without its own. Default: {DefaultBatch}.",
            "N");
        _passes = Several("--pass", $"{BenchPasses.Names}. Default: all that apply.", "PASS");
        _backends = Several("--backends", $"{Contestants.Measured.Names}. Default: native.", "NAME");
        _threads = Several("--threads", "Thread counts. Default: all processors.", "N");
        string[] isas = [.. BackendRegistry.InstructionSetWords];
        _isa = Optional<string>("--isa", $"Instruction set of native and of the peak: {string.Join(", ", isas)}. "
            + "Default: the best available.");
        AcceptOnly(_isa, isas);
        string[] algorithms = [AlgorithmNames.Auto, .. AlgorithmNames.All, EveryAlgorithm];
        _algorithm = Choice("--algorithm",
            $"Convolution algorithm of native: {string.Join(", ", algorithms)} in turn.",
            AlgorithmNames.Auto, algorithms);
        _precision = PrecisionOption();
        _rounds = Number("--rounds", "Turns per backend and case.", 7, NumberRanges.FromOne, "N");
        _turn = Number("--turn", "Length of a turn in milliseconds. A longer call forms a turn by itself.", 150.0,
            Milliseconds, "MS");
        _profile = WithDefault("--profile", "Show the time of each layer of a --model and the bound set by the "
            + $"processor. Supported by {Profiles.Backends}.", false);
        _trace = Written("--trace",
            $"Write a trace of {TracedCalls} calls of each --model to this file, for ui.perfetto.dev or "
            + "chrome://tracing.");
        _update = Updated("--update", "Write the table to the --section of this Markdown file.");
        _section = SectionOption();
        _report = ReportFiles();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        List<Case> cases = Cases(command);
        string algorithm = command.GetValue(_algorithm)!;
        string? trace = command.GetValue(_trace);
        if (algorithm != AlgorithmNames.Auto && PrecisionOf(command, _precision) == Precision.Accurate)
            throw new ArgumentException("--precision accurate always uses the direct algorithm. Omit --algorithm "
                + $"{algorithm}.");
        var settings = new BenchSettings
        {
            Backends = [.. Words(command, _backends).DefaultIfEmpty(BackendRegistry.Default).Distinct()
                .Select(Contestants.Measured.Checked).SelectMany(name => WithAlgorithms(name, algorithm))],
            Isa = command.GetValue(_isa),
            Algorithm = algorithm,
            Precision = command.GetValue(_precision),
            Rounds = command.GetValue(_rounds),
            TurnMilliseconds = command.GetValue(_turn),
            WarmMilliseconds = command.GetValue(_turn),
            ProfileMilliseconds = command.GetValue(_profile) || trace is not null ? ProfileMilliseconds : 0,
            TracedCalls = trace is null ? 0 : TracedCalls,
        };
        foreach (string backend in settings.Backends)
            WorkerPrograms.CheckBuilt(backend);
        if (settings.ProfileMilliseconds > 0)
            CheckProfile(cases, settings.Backends);
        string? update = command.GetValue(_update);
        string section = command.GetValue(_section)!;
        if (update is not null)
            MarkedSection.Check(update, section);
        var clock = Stopwatch.StartNew();
        BenchResult result = BenchRun.Measure(cases, settings,
            name => WorkerPrograms.Start(name, terminal.Cancellation), () => clock.Elapsed,
            terminal.Progress, terminal.Cancellation);
        if (!terminal.Json)
            BenchTables.Write(terminal.People, result);
        if (update is not null)
        {
            MarkedSection.Replace(update, section,
                MarkdownReport.Of(result, SourceCommit.Of(Path.GetDirectoryName(Path.GetFullPath(update))!),
                CommandLineOf(command)));
            terminal.Wrote(update);
        }
        if (trace is not null)
        {
            ChromeTrace.Write(trace,
                result.Rows.Select(row => (BenchTables.ProfileTitle(row), row.Case.Pass == BenchPass.Train
                ? "training step" : "inference", row.Profile!)));
            terminal.Wrote(trace);
        }
        object document = BenchTables.Document(result);
        terminal.WriteJson(document);
        _report.Write(command, terminal, origin => BenchPage.Of(result, origin, document));
        return ExitCode.Ok;
    }

    private static void CheckProfile(List<Case> cases, IReadOnlyList<string> backends)
    {
        if (cases.Find(c => c.Shape is not null) is { } layer)
            throw new ArgumentException($"{layer.Title} is a layer, but --profile and --trace support only networks. "
                + "Use --model.");
        Profiles.Check(backends);
    }

    private List<Case> Cases(ParseResult command)
    {
        BenchPass[] passes = [.. Words(command, _passes).Select(BenchPasses.Parse)];
        int[] threads = [.. Numbers(command, _threads, NumberRanges.Threads)
            .DefaultIfEmpty(Environment.ProcessorCount)];
        int[] batches = [.. Numbers(command, _batches, NumberRanges.FromOne).DefaultIfEmpty(DefaultBatch)];
        LayerShape[] shapes = [.. command.GetValue(_layers)!.Select(LayerShape.Parse),
            .. command.GetValue(_files)!.SelectMany(ShapeFile.Read)];
        if (Array.Find(shapes, shape => shape.Operator != LayerOperator.Sum) is { } other)
            throw new ArgumentException($"{other} cannot be timed: bench supports convolutions and linear layers only; "
                + "convnet gradcheck supports all layers.");
        (string Model, int Batch)[] models =
            [.. Words(command, _models).SelectMany(word => WithBatches(word, batches))];
        if (shapes.Length + models.Length == 0)
            throw new ArgumentException("There is nothing to measure. Use --layer, --shapes or --model.");
        foreach (string model in models.Select(chosen => chosen.Model).Distinct())
            ModelChoice.Open(model, null);

        IEnumerable<BenchPass> Of(bool layer) => (passes.Length > 0 ? passes : Enum.GetValues<BenchPass>())
            .Where(pass => pass.IsLayerPass() == layer);
        List<Case> cases =
        [
            .. from shape in shapes from pass in Of(layer: true) from count in threads
                select Case.Of(shape, pass, count),
            .. from chosen in models from pass in Of(layer: false) from count in threads
                select Case.Of(chosen.Model, chosen.Batch, pass, count),
        ];
        return cases.Count > 0 ? cases : throw new ArgumentException("--pass excludes every case: layers support "
            + "fwd, bwd_d and bwd_w, networks train and infer.");
    }

    // Native once for each algorithm if all algorithms are requested.
    private static IEnumerable<string> WithAlgorithms(string name, string algorithm)
        => name == BackendRegistry.Default && algorithm == EveryAlgorithm
            ? AlgorithmNames.All.Select(each => $"{name}:{each}") : [name];

    // The batch size follows the last colon; the part before may be a file name with colons.
    private static IEnumerable<(string Model, int Batch)> WithBatches(string word, int[] batches)
        => word.LastIndexOf(':') is > 0 and var colon
            && int.TryParse(word.AsSpan(colon + 1), CultureInfo.InvariantCulture, out int batch) && batch > 0
            ? [(word[..colon], batch)]
            : batches.Select(batch => (word, batch));
}
