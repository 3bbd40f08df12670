using System.CommandLine;
using System.Globalization;
using ConvNet.Onnx;
using ConvNet.Serialization;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet import</c>: reads an ONNX file, or the weights of a named network, as a model of this
/// library.</summary>
internal sealed class ImportVerb : Verb
{
    private readonly Argument<string> _file;
    private readonly Option<string?> _save;
    private readonly Option<string[]> _inputs;
    private readonly Option<bool> _unbatched;
    private readonly WeightOptions _weights;

    public ImportVerb() : base("import", "Reads an ONNX file as a network with its weights, and lists what cannot be "
        + "imported; or reads the weights of a network from PyTorch.",
        "import resnet18.onnx --save resnet18.safetensors",
        "import detector.onnx --input 3x416x416 --json",
        "import resnet18.pt --model resnet18 --normalize imagenet --save resnet18.safetensors")
    {
        _file = FileArgument("FILE", "The ONNX file; data outside the file is read from its folder. With --model: a "
            + "file of weights, safetensors or what torch.save writes of a state dict.");
        _save = Written("--save", "The model file to write, as train --save does. Without it, the file is only "
            + "examined.");
        _inputs = Several("--input", "Shapes of inputs whose sizes are free in the file: 3x224x224, or NAME=3x224x224 "
            + "for one of several inputs.", "SHAPE");
        _unbatched = Flag("--unbatched", "The tensors of the file have no dimension of the samples: an input as a "
            + "whole is one sample.");
        _weights = new WeightOptions(this);
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string file = command.GetValue(_file)!;
        string? save = command.GetValue(_save);
        if (save is not null && NamedFiles.Behind(save) == NamedFiles.Behind(file))
            throw new ArgumentException($"{_save.Name} would overwrite the input: {file} and {save} are the same file. "
                + "Choose another output file.");
        if (command.GetValue(_unbatched) && IsGiven(command, _inputs))
            throw new ArgumentException($"{_inputs.Name} gives the shape of a sample, but with {_unbatched.Name} all "
                + "sizes are in the file. Omit one of them.");
        if (_weights.IsGiven(command))
            return ImportWeights(command, terminal, file, save);
        if (GraphJson.IsOne(file))
            throw new ArgumentException($"{file} is a graph of this program, which needs no import: give it to the "
                + "option --model of another verb, as in train --model.");
        if (WeightFile.IsOne(file))
            throw new ArgumentException($"{file} has weights but no network. Name the network with "
                + $"{_weights.Model.Name}, as in {_weights.Model.Name} resnet18.");
        try
        {
            ImportedModel model = OnnxImport.Read(file, new OnnxImportOptions
            {
                InputShapes = Shapes(command, file),
                Unbatched = command.GetValue(_unbatched),
            });
            terminal.Cancellation.ThrowIfCancellationRequested();
            NetworkFile.CheckKept(_save, save, model.DataFiles);
            _weights.AddNormalization(command, model, file);
            if (save is not null)
            {
                model.Save(save);
                terminal.Wrote(save);
            }
            Write(terminal, file, save, model);
            return ExitCode.Ok;
        }
        catch (OnnxImportException unsupported)
        {
            if (!terminal.Json)
                terminal.People.Write(TableOf(unsupported.Operators));
            terminal.WriteJson(new
            {
                file,
                saved = (string?)null,
                unsupported = unsupported.Operators,
                unseen = unsupported.Unseen,
            });
            return terminal.Fail($"{file} has {unsupported.Operators.Sum(each => each.Count)} nodes that cannot be "
                + "imported." + (unsupported.Unseen == 0 ? ""
                    : $" {unsupported.Unseen} more nodes read their results and have not been examined."));
        }
    }

    private int ImportWeights(ParseResult command, Terminal terminal, string file, string? save)
    {
        if (command.GetValue(_unbatched))
            throw new ArgumentException($"{_unbatched.Name} is for ONNX files, not for weights. Omit it.");
        Shape? input = Words(command, _inputs).ToArray() switch
        {
            [] => null,
            [var word] => Shape.Parse(word),
            _ => throw new ArgumentException($"{_inputs.Name} names several shapes; a network of {_weights.Model.Name} "
                + "reads one image."),
        };
        NetworkFile.CheckKept(_save, save, WeightFile.PartsOf(file));
        ImportedWeights weights = _weights.Read(command, file, input);
        terminal.Cancellation.ThrowIfCancellationRequested();
        if (save is not null)
        {
            weights.Save(save);
            terminal.Wrote(save);
        }
        terminal.People.WriteLine($"{file}: {weights.Tensors:N0} tensors for {weights.Model}, "
            + $"{weights.Graph.ParameterCount:N0} parameters");
        if (save is not null)
            terminal.People.WriteLine($"saved as {save}");
        terminal.WriteJson(new
        {
            file,
            saved = save,
            model = weights.Model,
            inputs = weights.Graph.Inputs.Select(Described),
            outputs = weights.Graph.Outputs.Select(Described),
            tensors = weights.Tensors,
            parameters = weights.Graph.ParameterCount,
        });
        return ExitCode.Ok;
    }

    /// <summary>Creates a table with a row for each operator and reason.</summary>
    internal static TextTable TableOf(IEnumerable<UnsupportedOperator> operators)
    {
        var table = new TextTable(1, "operator", "domain", TableHead.Figure("nodes"), "first node",
            TableHead.Prose("reason"));
        foreach (UnsupportedOperator each in operators)
            table.Add(Excerpt.Of(each.Operator), Excerpt.Of(each.Domain), $"{each.Count}", Excerpt.Of(each.Nodes[0]),
                each.Reason);
        return table;
    }

    private static void Write(Terminal terminal, string file, string? save, ImportedModel model)
    {
        Graph graph = model.Graph;
        int layers = graph.LayerNodes.Count();
        // A graph without layers has no output either.
        IReadOnlyList<Node> outputs = layers > 0 ? graph.Outputs : [];
        terminal.People.WriteLine($"{file}: {layers} layers, {graph.ParameterCount:N0} parameters"
            + (model.Normalization is null ? "" : ", with the normalisation of pixels")
            + (model.ClassNames.Count == 0 ? "" : $", {model.ClassNames.Count} class names"));
        foreach (Node input in graph.Inputs)
            terminal.People.WriteLine($"input {Excerpt.Of(input.Name)}: {input.Shape}");
        foreach (Node output in outputs)
            terminal.People.WriteLine($"output {Excerpt.Of(output.Name)}: {output.Shape}");
        foreach (ConstantOutput output in model.ConstantOutputs)
            terminal.People.WriteLine($"output {Excerpt.Of(output.Name)}: a constant that the network does not have");
        if (model.Constants.Count > 0)
            terminal.People.WriteLine($"{model.Constants.Count} parameters are constants of the file; freeze them to "
                + $"train the others alone: {string.Join(", ", model.Constants.Select(name => Excerpt.Of(name)))}");
        if (save is not null)
            terminal.People.WriteLine($"saved as {save}");
        terminal.WriteJson(new
        {
            file,
            saved = save,
            inputs = graph.Inputs.Select(Described),
            outputs = outputs.Select(Described),
            constantOutputs = model.ConstantOutputs.Select(output => new { output.Name, output.Sizes }),
            layers,
            kinds = graph.LayerNodes.CountBy(node => node.Layer!.Kind).OrderBy(count => count.Key,
                StringComparer.Ordinal).ToDictionary(),
            parameters = graph.ParameterCount,
            normalization = model.Normalization is { } normalization ? new
            {
                normalization.MaxValue,
                normalization.Mean,
                normalization.StandardDeviation,
            } : null,
            classes = model.ClassNames,
            constants = model.Constants,
            unsupported = Array.Empty<UnsupportedOperator>(),
            unseen = 0,
        });
    }

    private Dictionary<string, Shape> Shapes(ParseResult command, string file)
    {
        var shapes = new Dictionary<string, Shape>(StringComparer.Ordinal);
        foreach (string word in Words(command, _inputs))
        {
            int equals = word.LastIndexOf('=');
            string name = equals > 0 ? word[..equals] : OnnxImport.InputsOf(file) is [var only] ? only
                : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"{file} has several inputs; write {_inputs.Name} NAME={word}."));
            if (!shapes.TryAdd(name, Shape.Parse(word[(equals + 1)..])))
                throw new ArgumentException($"{_inputs.Name} gives the shape of {Excerpt.Of(name)} twice.");
        }
        return shapes;
    }

    private static object Described(Node node)
        => new { node.Name, shape = (int[])[node.Shape.C, node.Shape.H, node.Shape.W] };
}
