using System.CommandLine;
using ConvNet.Data;
using ConvNet.Onnx;
using ConvNet.Serialization;
using Google.Protobuf;
using Onnx;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet export</c>: writes a saved model as an ONNX file for inference, or its weights for
/// PyTorch.</summary>
internal sealed class ExportVerb : Verb
{
    private readonly Option<string> _load;
    private readonly Option<string?> _onnx, _pytorch;
    private readonly Option<int> _operatorSet;
    private readonly Option<bool> _fold, _normalize;
    private readonly AveragedOption _averaged;
    private readonly Option<string[]> _classes;

    public ExportVerb() : base("export", "Writes a saved model as an ONNX file for inference, or its weights for "
        + "PyTorch.",
        "export --load digits.safetensors --onnx digits.onnx",
        "export --load photos.safetensors --onnx photos.onnx --fold --normalize --classes cat,dog --opset 17",
        "export --load resnet18.safetensors --pytorch resnet18.pt")
    {
        _load = RequiredFile("--load", "The saved model, as written by train --save.", FileUse.Read);
        _onnx = Written("--onnx", "Write the network to this file as an ONNX model.");
        _pytorch = Written("--pytorch", "Write the weights to this file as torch.load reads a state dict.");
        _operatorSet = Number("--opset", "Version of the ONNX operators, from "
            + $"{OnnxExportOptions.OldestOperatorSet} to {OnnxExportOptions.NewestOperatorSet}.",
            new OnnxExportOptions().OperatorSet, NumberRanges.Whole(OnnxExportOptions.OldestOperatorSet,
                OnnxExportOptions.NewestOperatorSet), "N");
        _fold = Flag("--fold", "Fold batch normalisations into the convolutions and linear layers before them.");
        _normalize = Flag("--normalize", "Let the model read pixels and normalise them itself. Without it, it reads "
            + "normalised values.");
        _classes = Several("--classes", "Names of the classes, for the metadata of the file. Default: those of the "
            + "saved model, if it has any.", "NAME");
        _averaged = new AveragedOption(this);
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string load = command.GetValue(_load)!;
        string? onnx = command.GetValue(_onnx), pytorch = command.GetValue(_pytorch);
        if (onnx is null == pytorch is null)
            throw new ArgumentException($"export writes one file. Name it with {_onnx.Name} or {_pytorch.Name}.");
        (SavedModel saved, _, IReadOnlyList<string> parts) = NetworkFile.Open(load);
        string file = onnx ?? pytorch!;
        NetworkFile.CheckKept(onnx is null ? _pytorch : _onnx, file, parts);
        bool averaged = _averaged.Of(command, saved, load);
        if (pytorch is not null)
            return ExportWeights(command, terminal, saved, load, averaged, pytorch);
        string[] names = IsGiven(command, _classes) ? [.. Words(command, _classes)] : [.. saved.ClassNames];
        CheckClasses(saved.Graph, names);
        Normalization? normalization = !command.GetValue(_normalize) ? null : saved.Normalization
            ?? throw new InvalidDataException($"{load} does not contain the normalisation of the images. Omit "
                + $"{_normalize.Name}.");
        ModelProto model = OnnxExport.Model(saved.Graph,
            parameter => saved.ValuesOf(parameter, averaged), new OnnxExportOptions
            {
                OperatorSet = command.GetValue(_operatorSet),
                FoldBatchNorm = command.GetValue(_fold),
                Normalization = normalization,
                ClassNames = names,
            });
        terminal.Cancellation.ThrowIfCancellationRequested();
        AtomicFile.Write(file, "the ONNX model", model.WriteTo, model.CalculateSize());
        terminal.Wrote(file);
        var document = new
        {
            model = load,
            file,
            bytes = model.CalculateSize(),
            operatorSet = command.GetValue(_operatorSet),
            inputs = model.Graph.Input.Select(Described),
            outputs = model.Graph.Output.Select(Described),
            nodes = model.Graph.Node.Count,
            operators = model.Graph.Node.Select(node => node.OpType).CountBy(type => type)
                .OrderBy(count => count.Key, StringComparer.Ordinal)
                .ToDictionary(count => count.Key, count => count.Value),
            classes = names,
        };
        terminal.People.WriteLine($"{file}: {document.bytes:N0} bytes, operator set {document.operatorSet}, "
            + $"{document.nodes} nodes: "
            + string.Join(", ", document.operators.Select(count => $"{count.Value} {count.Key}")));
        foreach ((string what, ValueInfoProto value) in model.Graph.Input.Select(input => ("input", input))
            .Concat(model.Graph.Output.Select(output => ("output", output))))
            terminal.People.WriteLine($"{what} {value.Name}: {string.Join('×', SizesOf(value))}");
        terminal.WriteJson(document);
        return ExitCode.Ok;
    }

    private int ExportWeights(ParseResult command, Terminal terminal, SavedModel saved, string load, bool averaged,
        string file)
    {
        foreach (Option option in (Option[])[_operatorSet, _fold, _normalize, _classes])
        {
            if (IsGiven(command, option))
                throw new ArgumentException($"{option.Name} is an option of {_onnx.Name}. Omit it.");
        }
        NamedTensor[] tensors = [.. saved.Graph.Parameters.Select(parameter => new NamedTensor(parameter.Name,
            parameter.Dimensions, saved.ValuesOf(parameter, averaged)))];
        new TorchCheckpoint(tensors).Write(file);
        terminal.Wrote(file);
        terminal.People.WriteLine($"{file}: {tensors.Length:N0} tensors, {saved.Graph.ParameterCount:N0} parameters");
        terminal.WriteJson(new
        {
            model = load,
            file,
            bytes = new FileInfo(file).Length,
            tensors = tensors.Length,
            parameters = saved.Graph.ParameterCount,
        });
        return ExitCode.Ok;
    }

    private void CheckClasses(Graph graph, string[] names)
    {
        if (names.Length > 0 && (graph.Outputs.Count != 1 || graph.Output.Shape.C != names.Length))
            throw new ArgumentException($"{_classes.Name} has {names.Length} names, but the outputs of the network are "
                + $"{string.Join(" and ", graph.Outputs.Select(output => output.Shape))}. Give one name for each "
                + "class, or omit it.");
    }

    private static object Described(ValueInfoProto value) => new { value.Name, shape = SizesOf(value) };

    private static string[] SizesOf(ValueInfoProto value) => [.. value.Type.TensorType.Shape.Dim
        .Select(dim => dim.HasDimParam ? dim.DimParam : $"{dim.DimValue}")];
}
