using System.Diagnostics;
using System.Globalization;
using ConvNet.Backends;
using ConvNet.GradientChecking;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Tests.Onnx;
using Onnx;

namespace ConvNet.Tests.Models;

/// <summary>Every built-in network at its own size, exported as ONNX, imported and exported again:
/// tests/roundtrips.sh runs it.</summary>
/// <remarks>Prints a row of a Markdown table for each network.</remarks>
internal static class ExchangeSweep
{
    private const int GradientBatch = 2;

    /// <summary>Runs the program.</summary>
    /// <param name="words">The names of networks, by default all; <c>--gradients</c> for the gradient check of the
    /// imported network on the smallest images, on <c>--backends</c>.</param>
    /// <returns>Whether everything passed.</returns>
    public static bool Run(string[] words)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string[] backends = ["native", "torchsharp"], names = [];
        bool gradients = false;
        for (int i = 0; i < words.Length; i++)
        {
            switch (words[i])
            {
                case "--gradients":
                    gradients = true;
                    break;
                case "--backends":
                    backends = words[++i].Split(',');
                    break;
                default:
                    names = [.. names, words[i]];
                    break;
            }
        }
        BuiltInModel[] networks = [.. ModelSweep.Named(names).OrderBy(model => model.Create().ParameterCount)];
        Write(["network", "image", "parameters", "graph and weights",
            "outputs of native and of ONNX Runtime", .. gradients ? backends : []]);
        Write([.. Enumerable.Repeat("---", 5 + (gradients ? backends.Length : 0))]);
        return networks.Select(model => Check(model, gradients ? backends : [])).ToArray().All(passes => passes);
    }

    private static bool Check(BuiltInModel model, string[] backends)
    {
        Graph graph = model.Create();
        ImportedModel? imported = null;
        (string Text, bool Passes)[] cells =
        [
            Cell(() =>
            {
                imported = ComesBack(graph);
                return "same";
            }),
            Cell(() => imported is null ? throw new InvalidOperationException("not imported") : Outputs(imported)),
            .. backends.Select(backend => Cell(() => Gradients(model.Name, backend))),
        ];
        Write([model.Name, $"{graph.Input.Shape}", $"{graph.ParameterCount:N0}", .. cells.Select(cell => cell.Text)]);
        return cells.All(cell => cell.Passes);
    }

    // The second export is the first one, with every attribute of ONNX and every bit of the weights. Initial values,
    // and how sizes that are whole would be rounded, are not in a file.
    private static ImportedModel ComesBack(Graph graph)
    {
        var options = new OnnxExportOptions();
        ModelProto first = OnnxExport.Model(graph, Values, options);
        ImportedModel model = OnnxImport.Model(first, "model", null, null);
        if (!Described(model.Graph).SequenceEqual(Described(graph)))
            throw new InvalidOperationException("the layers differ");
        return OnnxExport.Model(model.Graph, model.ValuesOf, options).Equals(first) ? model
            : throw new InvalidOperationException("the second export differs from the first");
    }

    private static IEnumerable<(string, string, Shape, string)> Described(Graph graph) => graph.LayerNodes.Select(node
        => (node.Name, node.Layer!.Kind, node.Shape, string.Join(", ", node.Inputs.Select(input => input.Name))));

    // Both programs are within the distance from a double run that is allowed for float32.
    private static string Outputs(ImportedModel model)
    {
        Graph graph = model.Graph;
        float[][] inputs = [.. graph.Inputs.Select((input, i) => Samples.Uniform(input.Shape.Length, i))],
            parameters = [.. graph.Parameters.Select(model.ValuesOf)];
        InferenceTruth truth = InferenceTruth.Of(graph, inputs, parameters, batchSize: 1, seed: 1);
        using var runtime = new OnnxRuntimeBackend(threads: 2);
        using var native = new NativeBackend();
        double[] inBounds = [.. ((IBackend[])[native, runtime]).Select(backend =>
        {
            using IExecutable network = backend.CompileInference(graph, 1);
            float[][] outputs = ForwardPass.Infer(network, graph.Parameters, inputs, parameters, 1);
            return outputs.Select((output, i) => truth.InBounds(i, output)).Max();
        })];
        string text = $"{inBounds[0]:0.00} and {inBounds[1]:0.00} of the bound";
        return inBounds.All(each => each <= 1) ? text : throw new InvalidOperationException(text);
    }

    // The check runs every layer and the whole network on the values of the import.
    private static string Gradients(string name, string backend)
    {
        ImportedModel model = ComesBack(ModelSweep.GraphOf(name));
        using IBackend opened = BackendRegistry.Create(backend, 2);
        GradientReport report = GradientCheck.Run(model.Graph, [opened], new GradientCheckOptions
        {
            Modes = CheckModes.Real,
            BatchSize = GradientBatch,
        });
        return report.Verdict == Verdict.Pass ? $"{report.Worst?.Tensor.WorstInBounds:0.00} of the bound"
            : throw new InvalidOperationException(string.Join("; ", report.Failures
                .Select(each => $"{each.Tensor.Name} of {each.Layer.Layer}").Take(3)));
    }

    // Weights that keep the values of deep networks in range, whatever their layers.
    private static float[] Values(Parameter parameter) => parameter.Role switch
    {
        ParameterRole.Scale or ParameterRole.RunningVariance => [.. Samples.Uniform(parameter.Length, parameter.Index)
            .Select(value => 1 + value / 4)],
        ParameterRole.Weight => [.. Samples.Uniform(parameter.Length, parameter.Index)
            .Select(value => value * MathF.Sqrt(6f / parameter.FanIn))],
        _ => [.. Samples.Uniform(parameter.Length, parameter.Index).Select(value => value / 4)],
    };

    // What fails is the answer, whatever it is, and the next network follows.
    private static (string Text, bool Passes) Cell(Func<string> run)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            return ($"{run()}, {clock.Elapsed.TotalSeconds:0} s", true);
        }
        catch (Exception failure) when (failure is NotSupportedException or ArgumentException
            or InvalidOperationException or InvalidDataException or OutOfMemoryException)
        {
            return ($"FAILS: {failure.Message}, {clock.Elapsed.TotalSeconds:0} s", false);
        }
    }

    private static void Write(string[] cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");
}
