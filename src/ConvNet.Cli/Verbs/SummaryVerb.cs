using System.CommandLine;
using System.Text;
using ConvNet.Backends;
using ConvNet.Serialization;
using ConvNet.Summaries;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet summary</c>: prints the layers of a network with their sizes and costs, or the plan of a
/// backend.</summary>
internal sealed class SummaryVerb : Verb
{
    private readonly Option<string> _model;
    private readonly Option<string?> _input, _save;
    private readonly Option<bool> _plan, _inference, _keepGradients;
    private readonly Option<string> _backend, _precision;
    private readonly Option<int> _batch;
    private readonly Option<int?> _threads;

    public SummaryVerb() : base("summary", "Prints the layers of a network with their sizes and costs for one image, "
        + "or the plan of a backend.",
        "summary --model lenet5",
        "summary --model resnet18 --input 3x256x256 --json",
        "summary --model resnet18 --save resnet18.json",
        "summary --model cifarnet --plan --batch 128",
        "summary --model resnet18 --plan --batch 1 --inference",
        "summary --model lenet5 --plan --backend torchsharp:padded")
    {
        _model = WithDefault("--model", $"{ModelChoice.Description} Also a saved model.", "digits", "MODEL");
        ReadsModel(_model);
        _input = Optional<string>("--input",
            "Image shape, for example 3x32x32 (channels, rows, columns). Default: that of the model.", "CxHxW");
        _save = Written("--save", "Save the graph to this JSON file, which --model of every verb reads.");
        _plan = WithDefault("--plan", "Show how a backend runs the network: kernels, layouts and memory, with the "
            + "reasons for their choice.", false);
        _backend = BackendOption();
        _precision = PrecisionOption();
        _batch = Number("--batch", "Batch size of the plan.", 32, NumberRanges.FromOne, "N");
        _inference = WithDefault("--inference", "Plan for inference instead of training.", false);
        _keepGradients = WithDefault("--keep-gradients", "Whether gradients can be read after a step. If not, the "
            + "optimiser update may be fused into the backward pass.", true);
        _threads = ThreadsOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        Shape? input = command.GetValue(_input) is { } text ? Shape.Parse(text) : null;
        Graph graph = ModelChoice.OpenWithTraining(command.GetValue(_model)!, input).Graph;
        terminal.Cancellation.ThrowIfCancellationRequested();
        if (command.GetValue(_save) is { } file)
        {
            string json = GraphJson.Write(graph) + "\n";
            AtomicFile.Write(file, "the graph", stream => stream.Write(Encoding.UTF8.GetBytes(json)));
            terminal.Wrote(file);
        }
        return command.GetValue(_plan) ? RunPlan(graph, command, terminal)
            : RunSummary(ModelSummary.Of(graph), command, terminal);
    }

    private int RunPlan(Graph graph, ParseResult command, Terminal terminal)
    {
        string name = command.GetValue(_backend)!;
        using IBackend backend = BackendRegistry.Create(name, command.GetValue(_threads),
            PrecisionOf(command, _precision));
        if (backend is not IExplains explains)
            throw new ArgumentException($"The backend {name} has no plan: it runs the layers unchanged. "
                + "Use --plan with --backend native or torchsharp.");
        int batch = command.GetValue(_batch);
        IEnumerable<OutputLoss> losses = graph.Outputs.Select(output
            => new OutputLoss(output.Name, new SoftmaxCrossEntropy(PerPixel: output.Shape.Area > 1)));
        var spec = new TrainingSpec(batch, Losses.Of([.. losses]), new Sgd(momentum: 0.9f))
        {
            KeepGradients = command.GetValue(_keepGradients),
        };
        PlanDescription plan = command.GetValue(_inference)
            ? explains.ExplainInference(graph, batch)
            : explains.Explain(graph, spec);
        if (!terminal.Json)
        {
            terminal.People.WriteLine($"{command.GetValue(_model)}, {plan.Purpose} with batches of {batch}: "
                + $"{plan.Isa}, {BackendText.Words(backend.Info.Precision)}, {plan.Threads} threads");
            PlanTable.Write(terminal.People, plan);
        }
        terminal.WriteJson(new
        {
            model = command.GetValue(_model),
            plan.Purpose,
            plan.Isa,
            precision = BackendText.Words(backend.Info.Precision),
            plan.Threads,
            plan.BatchSize,
            layers = plan.Layers.Select(layer => new
            {
                layer.Name,
                layer.Kind,
                layer.Fused,
                reads = layer.Reads.Select(LayoutOf),
                writes = LayoutOf(layer.Writes),
                gradient = LayoutOf(layer.Gradient),
                layer.Weights,
                calls = layer.Calls.Select(call => new
                {
                    pass = call.Pass.ToString().ToLowerInvariant(),
                    call.Kernel,
                    call.Algorithm,
                    call.Reason,
                    call.Flops,
                    call.Bytes,
                    call.WorkspaceBytes,
                    call.Threads,
                }),
            }),
            plan.Memory,
        });
        return ExitCode.Ok;
    }

    private static object? LayoutOf(PlannedTensor? tensor)
        => tensor is null ? null : new { tensor.Layout, shape = Sizes(tensor.Shape), tensor.Halo, tensor.Bytes };

    private int RunSummary(ModelSummary summary, ParseResult command, Terminal terminal)
    {
        if (!terminal.Json)
        {
            terminal.People.WriteLine($"{command.GetValue(_model)} on {Words(summary)}");
            Tables.Write(terminal.People, summary);
        }
        terminal.WriteJson(new
        {
            model = command.GetValue(_model),
            inputs = summary.Inputs.Select(input => new { input.Name, shape = Sizes(input.Shape) }),
            summary.Outputs,
            layers = summary.Layers.Select(layer => new
            {
                layer.Name,
                layer.Type,
                layer.Inputs,
                output = Sizes(layer.Output),
                layer.Formula,
                layer.Weights,
                layer.Biases,
                layer.Parameters,
                receptiveField = Math.Max(layer.ReceptiveField.H, layer.ReceptiveField.W),
                receptiveFieldSize = (int[])[layer.ReceptiveField.H, layer.ReceptiveField.W],
                layer.MultiplyAdds,
                layer.ActivationBytes,
                layer.SavedBytes,
            }),
            totals = new
            {
                summary.Weights,
                summary.Biases,
                summary.Parameters,
                summary.MultiplyAdds,
                summary.ActivationBytes
            },
        });
        return ExitCode.Ok;
    }

    private static string Words(ModelSummary summary) => summary is { Inputs: [var only], Outputs.Count: 1 }
        ? $"{only.Shape} images, one image in float32"
        : $"{string.Join(", ", summary.Inputs.Select(input => $"{input.Name} {input.Shape}"))}, one sample in float32; "
            + $"outputs {string.Join(", ", summary.Outputs)}";

    private static int[] Sizes(Shape shape) => [shape.C, shape.H, shape.W];
}
