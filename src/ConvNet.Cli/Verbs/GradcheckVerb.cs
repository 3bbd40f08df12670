using System.CommandLine;
using ConvNet.Diagnostics;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet gradcheck</c>: do the backends compute the same gradients, layer by layer, and are they right?</summary>
internal sealed class GradcheckVerb : Verb
{
    private readonly Option<string> _model, _precision;
    private readonly Option<string?> _input;
    private readonly Option<string[]> _backends;
    private readonly Option<int> _batch, _seed;
    private readonly Option<int?> _threads;

    public GradcheckVerb() : base("gradcheck", "Checks every layer's gradients on several backends against the double reference.",
        "gradcheck --model lenet5",
        "gradcheck --model digits --backends managed native:avx2 --json")
    {
        _model = WithDefault("--model", ModelChoice.Description, "digits", "MODEL");
        _input = Optional<string>("--input", "Channels, rows and columns of an image, as 3x32x32; the model's own unless given.", "CxHxW");
        _backends = new Option<string[]>("--backends")
        {
            Description = $"What is checked, one or more of {BackendCatalog.Names}; all that can run here unless given.",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
            HelpName = "NAME",
        };
        Add(_backends);
        _batch = WithDefault("--batch", "Images in a batch; a power of two keeps the mean exact.", 4, "N");
        _seed = WithDefault("--seed", "Seed of all values.", 1, "N");
        _precision = PrecisionOption();
        _threads = ThreadsOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        Shape? input = command.GetValue(_input) is { } text ? Shape.Parse(text) : null;
        string model = command.GetValue(_model)!;
        Graph graph = ModelChoice.Open(model, input);
        var options = new GradientCheckOptions { BatchSize = command.GetValue(_batch), Seed = unchecked((ulong)command.GetValue(_seed)) };
        List<IBackend> backends = Open(command, terminal);
        try
        {
            GradientReport report = GradientCheck.Run(graph, backends, options);
            if (!terminal.Json)
                Print(report, terminal.People);
            terminal.WriteJson(Document(model, backends, report));
            return report.Verdict == Verdict.Fail ? App.Failed : App.Ok;
        }
        finally
        {
            backends.ForEach(backend => backend.Dispose());
        }
    }

    private List<IBackend> Open(ParseResult command, Terminal terminal)
    {
        int? threads = command.GetValue(_threads);
        Precision precision = PrecisionOf(command, _precision);
        if (command.GetValue(_backends) is { Length: > 0 } chosen)
            return [.. chosen.SelectMany(name => name.Split(',')).Select(name => BackendCatalog.Create(name, threads, precision))];
        var backends = new List<IBackend>();
        foreach (string name in BackendCatalog.Families)
        {
            try
            {
                backends.Add(BackendCatalog.Create(name, threads, precision));
            }
            catch (Exception failure) when (BackendCatalog.IsUnavailable(failure))
            {
                terminal.People.WriteLine($"without {name}: {failure.Message}");
            }
        }
        return backends;
    }

    private static void Print(GradientReport report, IAnsiConsole people)
    {
        string[] backends = [.. report.Layers.Select(layer => layer.Backend).Distinct()];
        Table table = Tables.New(["layer", "mode", .. backends]);
        foreach (var row in report.Layers.GroupBy(layer => (layer.Layer, layer.Mode)))
        {
            Tables.Add(table, [row.Key.Layer, Words(row.Key.Mode),
                .. backends.Select(backend => row.FirstOrDefault(layer => layer.Backend == backend) is { } layer ? Cell(layer) : "")]);
        }
        people.Write(table);
        people.WriteLine("Numbers are the largest error in units of its bound; exact comparisons allow none.");
        foreach (ExactCut cut in report.Cuts)
            people.WriteLine($"exact mode is cut at {cut.Layer}: {cut.Reason}");
        foreach (LayerReport layer in report.Layers.Where(layer => layer.Verdict != Verdict.Pass))
        {
            foreach (TensorReport tensor in layer.Tensors.Where(tensor => tensor.Verdict != Verdict.Pass))
                people.WriteLine($"{layer.Backend}, {layer.Layer}, {Words(layer.Mode)}: {tensor.Name}[{tensor.Index}] is {tensor.Got:G9} and should be {tensor.Truth:G9}; "
                    + $"{tensor.Failed:N0} of {tensor.Elements:N0} are wrong, {tensor.Suspects:N0} suspect");
        }
        people.WriteLine($"{Words(report.Verdict)}: {report.Checked:N0} values compared, {report.Failed:N0} wrong, {report.Suspects:N0} suspect");
    }

    private static string Cell(LayerReport layer)
    {
        double worst = layer.Tensors.Select(tensor => tensor.WorstInBounds).DefaultIfEmpty().Max();
        return layer.Verdict == Verdict.Fail ? "wrong"
            : layer.Mode is CheckModes.Exact or CheckModes.Segments ? "equal"
            : layer.Verdict == Verdict.Suspect ? $"{worst:0.00} suspect"
            : $"{worst:0.00}";
    }

    private static object Document(string model, List<IBackend> backends, GradientReport report) => new
    {
        model,
        backends = backends.Select(backend => $"{backend.Info.Name}/{backend.Info.Isa}"),
        precisions = backends.Select(backend => BackendText.Words(backend.Info.Precision)),
        verdict = Words(report.Verdict),
        report.Checked,
        report.Failed,
        report.Suspects,
        layers = report.Layers.Select(layer => new
        {
            layer.Layer,
            layer.Kind,
            layer.Backend,
            mode = Words(layer.Mode),
            verdict = Words(layer.Verdict),
            tensors = layer.Tensors.Select(tensor => new
            {
                tensor.Name,
                verdict = Words(tensor.Verdict),
                tensor.Elements,
                tensor.WorstInBounds,
                tensor.WorstInUlps,
                tensor.Index,
                tensor.Got,
                tensor.Truth,
                tensor.Failed,
                tensor.Suspects,
                tensor.Flips,
            }),
            layer.Remark,
        }),
        cuts = report.Cuts,
    };

    private static string Words(CheckModes mode) => mode switch
    {
        CheckModes.EndToEnd => "end to end",
        CheckModes.FiniteDifferences => "finite differences",
        _ => $"{mode}".ToLowerInvariant(),
    };

    private static string Words(Verdict verdict) => $"{verdict}".ToLowerInvariant();
}
