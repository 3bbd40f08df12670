using Onnx;

namespace ConvNet.Onnx;

/// <summary>Reads an ONNX model as a graph with its parameters.</summary>
/// <remarks>
/// Constants are folded, functions are inlined, and layers that are composed of several nodes are recognised.
/// The first dimension of every input and output is that of the samples. An import needs memory for the file, with the
/// files of its data, and for the values of its constants in 32 bits (64 bits for whole numbers). Constants that are
/// computed from others may have 64 million values, and the rest of the file 16 MB. Sizes are compared with the data
/// that is there before memory is allocated.
/// </remarks>
public static class OnnxImport
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The path of the file. Data outside the file is read from its folder only.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">The file is not an ONNX model, is damaged, or a size is
    /// free.</exception>
    /// <exception cref="OnnxImportException">Nodes cannot be imported; the exception lists all of them.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static ImportedModel Read(string path, OnnxImportOptions? options = null)
        => Model(ModelFile.Read(path), path, Path.GetDirectoryName(Path.GetFullPath(path)), options);

    /// <summary>Reads a model from a stream; all its data must be in it.</summary>
    /// <param name="stream">The stream, which can be sought.</param>
    /// <param name="source">Its name, for errors.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentNullException">The stream is null.</exception>
    /// <exception cref="ArgumentException">The stream cannot be sought.</exception>
    /// <exception cref="InvalidDataException">The stream is not an ONNX model, is damaged, or a size is
    /// free.</exception>
    /// <exception cref="OnnxImportException">Nodes cannot be imported; the exception lists all of them.</exception>
    public static ImportedModel Read(Stream stream, string source, OnnxImportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanSeek)
            throw new ArgumentException("The stream cannot be sought, so that its size is not known before it is read. "
                + "Copy it to a MemoryStream or a file.", nameof(stream));
        return Model(ModelFile.Read(stream, source), source, null, options);
    }

    /// <summary>Whether a path is that of an ONNX model, by its extension.</summary>
    internal static bool IsModel(string path) => path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase);

    /// <summary>Returns the names of the inputs of a file that are not constants.</summary>
    /// <param name="path">The path of the file.</param>
    internal static IReadOnlyList<string> InputsOf(string path)
    {
        GraphProto graph = ModelFile.Read(path).Graph;
        return [.. graph.Input.Select(input => input.Name).Except(graph.Initializer.Select(tensor => tensor.Name))];
    }

    /// <summary>Imports a model.</summary>
    internal static ImportedModel Model(ModelProto model, string source, string? folder, OnnxImportOptions? options)
    {
        try
        {
            var external = new ExternalData(folder);
            ImportedModel imported = new GraphImporter(model, source, external, options ?? new OnnxImportOptions())
                .Import();
            imported.DataFiles = [.. external.Files];
            return imported;
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException($"{source}: {error.Message}", error);
        }
    }
}
