using Onnx;

namespace ConvNet.Onnx;

/// <summary>A case of the ONNX backend tests: a model, and tensors that it must compute from others.</summary>
/// <param name="Category">The kind of case, such as <c>node</c>.</param>
/// <param name="Name">The name.</param>
/// <param name="Folder">Its folder.</param>
internal sealed record ConformanceCase(string Category, string Name, string Folder)
{
    private const string ModelName = "model.onnx", DataSets = "test_data_set_*";

    /// <summary>The path of the model.</summary>
    public string ModelPath => Path.Combine(Folder, ModelName);

    /// <summary>The folders with the tensors.</summary>
    public IEnumerable<string> DataFolders => Directory.EnumerateDirectories(Folder, DataSets)
        .Order(StringComparer.Ordinal);

    /// <summary>Finds the cases of a folder, which is that of the whole suite, of a category or of one case.</summary>
    /// <exception cref="IOException">The folder cannot be read, or has no cases.</exception>
    public static IReadOnlyList<ConformanceCase> In(string folder)
    {
        if (!Directory.Exists(folder))
            throw new IOException($"There is no folder {folder}. On Debian, the package libonnx-testdata installs the "
                + "cases in /usr/share/libonnx-testdata/data.");
        ConformanceCase[] found = [.. Directory.EnumerateFiles(folder, ModelName, SearchOption.AllDirectories)
            .Select(model => Path.GetDirectoryName(Path.GetFullPath(model))!)
            .Where(each => Directory.EnumerateDirectories(each, DataSets).Any())
            .Select(each => new ConformanceCase(Path.GetFileName(Path.GetDirectoryName(each)!), Path.GetFileName(each),
                each))
            .OrderBy(each => each.Category, StringComparer.Ordinal).ThenBy(each => each.Name, StringComparer.Ordinal)];
        return found.Length > 0 ? found : throw new IOException($"{folder} has no cases: no folder in it has a "
            + $"{ModelName} and a {DataSets}.");
    }

    /// <summary>Reads the tensors of a data set: the inputs or the outputs, in the order of the model.</summary>
    /// <param name="folder">The folder of the data set.</param>
    /// <param name="kind"><c>input</c> or <c>output</c>.</param>
    /// <param name="declared">Their types in the model.</param>
    /// <exception cref="InvalidDataException">A file is not a tensor.</exception>
    public static TensorProto[] Tensors(string folder, string kind, IReadOnlyList<ValueInfoProto> declared)
    {
        var tensors = new List<TensorProto>();
        for (int i = 0; Path.Combine(folder, $"{kind}_{i}.pb") is var path && File.Exists(path); i++)
        {
            using FileStream file = File.OpenRead(path);
            TensorProto tensor = ModelFile.Parsed(TensorProto.Parser, file, path, "a tensor");
            // The suite stores the bits of this type as whole numbers.
            const int Bits = (int)TensorProto.Types.DataType.Uint16, Brain = (int)TensorProto.Types.DataType.Bfloat16;
            if (tensor.DataType == Bits && i < declared.Count && declared[i].Type?.TensorType?.ElemType == Brain)
                tensor.DataType = Brain;
            tensors.Add(tensor);
        }
        return [.. tensors];
    }
}
