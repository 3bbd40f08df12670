using System.Globalization;
using System.Text.Json;
using ConvNet.Data;
using ConvNet.Onnx;
using ConvNet.Serialization;
using Onnx;

namespace ConvNet.Cli.Inspect;

/// <summary>Tells what a file holds, by its content.</summary>
internal static class FileInspector
{
    private const string Weights = "weights", Format = "format";

    private const int Head = TorchSequence.StartBytes;

    /// <summary>Examines a file or a folder.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of no known kind.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Inspection Of(string path)
    {
        if (Directory.Exists(path))
            return OfFolder(path);
        byte[] head = HeadOf(path);
        return head switch
        {
            _ when WeightFile.IsTorch(head) => OfTorch(path),
            _ when WeightFile.IsSafeTensors(head) => OfSafeTensors(path),
            [0, 0, 8, 1 or 2 or 3 or 4, ..] => OfIdx(path),
            [0x1f, 0x8b, ..] when !IsCsv(path) => OfIdx(path),
            [(byte)'{', ..] => OfJson(path),
            // The version of the format, which every ONNX model begins with.
            [0x08, ..] => OfOnnx(path),
            _ when IsCsv(path) => OfData(path),
            _ => throw new InvalidDataException($"{path} is of no known kind. These are: saved models, safetensors, "
                + "files of torch.save, ONNX models, graphs and other JSON files of this program, IDX and CSV files, "
                + "and folders of checkpoints or of data."),
        };
    }

    private static Inspection OfFolder(string path)
    {
        if (CheckpointFolder.FilesIn(path) is [.., var newest] files)
        {
            Inspection last = OfSafeTensors(newest);
            return last with
            {
                Kind = "folder of checkpoints",
                Facts = [("checkpoints", $"{files.Length}"), ("newest", Path.GetFileName(newest)), .. last.Facts],
            };
        }
        return OfData(path);
    }

    private static Inspection OfData(string path) => new("data", [("form", $"{ImageSource.KindOf(path)}")], []);

    private static Inspection OfSafeTensors(string path)
    {
        using FileStream file = InputFile.Open(path);
        SafeTensorsHeader header = SafeTensors.ReadHeader(file, path);
        InspectedTensor[] tensors = [.. header.Tensors.Select(tensor => new InspectedTensor(tensor.Name,
            $"{tensor.Type}", [.. tensor.Dimensions.Select(size => (long)size)]))];
        if (!header.Metadata.ContainsKey(SavedModel.GraphKey))
            return new Inspection("safetensors file", [(Weights, Number(tensors.Sum(tensor => tensor.Count))),
                .. header.Metadata.Select(entry => (entry.Key, Excerpt.Of(entry.Value)))], tensors);
        SavedModelDescription model = SavedModel.Describe(header, path);
        return new Inspection("saved model",
        [
            .. FactsOf(model.Graph),
            .. model.Normalization is { } normalization ? ((string, string)[])[("normalization", $"{normalization}")]
                : [],
            .. NamesOf(model.ClassNames),
            .. model.Training is { } training ? FactsOf(training) : [],
        ], tensors);
    }

    private static IEnumerable<(string, string)> FactsOf(SavedTraining training) =>
    [
        ("optimizer", training.Spec.Optimizer.Kind),
        ("epochs", $"{training.Progress.Epochs.Count} of {training.Options.Epochs}"),
        .. training.Progress.Epochs is [.., { TestAccuracy: { } accuracy }]
            ? ((string, string)[])[("accuracy", $"{accuracy:0.00%}")] : [],
        .. training.Data is { } data ? ((string, string)[])[("data", Excerpt.Of(data))] : [],
    ];

    private static IEnumerable<(string, string)> FactsOf(Graph graph) =>
    [
        ("layers", Number(graph.LayerNodes.Count())),
        ("parameters", Number(graph.ParameterCount)),
        .. graph.Inputs.Select(node => ($"input {Excerpt.Of(node.Name)}", $"{node.Shape}")),
        .. graph.Outputs.Select(node => ($"output {Excerpt.Of(node.Name)}", $"{node.Shape}")),
    ];

    private static IEnumerable<(string, string)> NamesOf(IReadOnlyList<string> classes)
        => classes.Count == 0 ? [] : [("classes", Excerpt.Of(string.Join(", ", classes)))];

    private static Inspection OfTorch(string path)
    {
        InspectedTensor[] tensors = [.. TorchCheckpoint.Describe(path).Select(each => new InspectedTensor(each.Name,
            each.Tensor.Storage.Type, [.. each.Tensor.Sizes.Select(size => (long)size)]))];
        return new Inspection("PyTorch checkpoint", [(Weights, Number(tensors.Sum(tensor => tensor.Count)))], tensors);
    }

    private static Inspection OfOnnx(string path)
    {
        ModelProto model = ModelFile.Read(path);
        GraphProto graph = model.Graph;
        return new Inspection("ONNX model",
        [
            ("format", $"version {model.IrVersion}"),
            ("operators", string.Join(", ", model.OpsetImport.Select(set
                => $"{(set.Domain.Length == 0 ? "ai.onnx" : Excerpt.Of(set.Domain))} {set.Version}"))),
            ("producer", Excerpt.Of($"{model.ProducerName} {model.ProducerVersion}".Trim())),
            ("nodes", $"{Number(graph.Node.Count)}: {string.Join(", ", graph.Node.CountBy(node => node.OpType)
                .OrderByDescending(count => count.Value).ThenBy(count => count.Key, StringComparer.Ordinal)
                .Select(count => $"{count.Value} {Excerpt.Of(count.Key)}"))}"),
            .. graph.Input.Where(input => graph.Initializer.All(value => value.Name != input.Name))
                .Select(input => ($"input {Excerpt.Of(input.Name)}", ShapeOf(input))),
            .. graph.Output.Select(output => ($"output {Excerpt.Of(output.Name)}", ShapeOf(output))),
            .. NamesOf(Onnx.ClassNames.Of(model)),
        ], [.. graph.Initializer.Select(tensor => new InspectedTensor(tensor.Name,
            $"{(TensorProto.Types.DataType)tensor.DataType}", [.. tensor.Dims]))]);
    }

    private static string ShapeOf(ValueInfoProto value) => value.Type?.TensorType?.Shape is not { } shape ? "unknown"
        : string.Join('×', shape.Dim.Select(dim => dim.HasDimValue ? $"{dim.DimValue}"
            : dim.HasDimParam ? Excerpt.Of(dim.DimParam) : "?"));

    private static Inspection OfIdx(string path)
    {
        using IdxReader reader = IdxReader.Open(path);
        return new Inspection("IDX file of bytes", [("dimensions", string.Join('×', reader.Dimensions))], []);
    }

    private static Inspection OfJson(string path)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.Bytes(path, "JSON file"), path);
        string? format = document.RootElement.TryGetProperty(Format, out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return format switch
        {
            GraphJson.Format => new Inspection("graph", [.. FactsOf(GraphJson.Load(path))], []),
            { } other when other.StartsWith("convnet-", StringComparison.Ordinal) => new Inspection(other,
                [.. document.RootElement.EnumerateObject().Select(entry => (Excerpt.Of(entry.Name),
                    Excerpt.Of(entry.Value.GetRawText())))], []),
            _ => throw new InvalidDataException($"{path} is a JSON file of another program: it has no \"{Format}\" of "
                + "this one."),
        };
    }

    private static bool IsCsv(string path) => path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase)
        || path.EndsWith(".csv.gz", StringComparison.OrdinalIgnoreCase);

    private static byte[] HeadOf(string path)
    {
        using FileStream file = InputFile.Open(path);
        var head = new byte[Head];
        int length = file.ReadAtLeast(head, Head, throwOnEndOfStream: false);
        return length > 0 ? head[..length] : throw new InvalidDataException($"{path} is empty.");
    }

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
