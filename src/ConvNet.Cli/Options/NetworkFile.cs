using ConvNet.Cli.Verbs;
using ConvNet.Onnx;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>Reads a network with its weights: what <c>train --save</c> wrote, or an ONNX model.</summary>
internal static class NetworkFile
{
    /// <summary>What such a file is, for the help.</summary>
    public const string Description = "The saved model, as written by train --save, or an ONNX model (.onnx).";

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or a size of its inputs is free.</exception>
    /// <exception cref="NotSupportedException">Nodes of an ONNX model cannot be imported.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SavedModel Load(string path) => Open(path).Model;

    /// <summary>Reads a file with the names of the parameters that stand for constants of a formula in an ONNX
    /// model.</summary>
    /// <inheritdoc cref="Load" path="/exception"/>
    public static (SavedModel Model, IReadOnlyList<string> Constants) Open(string path)
    {
        if (!OnnxImport.IsModel(path))
            return (SavedModel.Load(path), []);
        try
        {
            ImportedModel imported = OnnxImport.Read(path);
            return (imported.ToSavedModel(), imported.Constants);
        }
        catch (InvalidDataException error) when (error.GetBaseException() is FreeSizeException)
        {
            throw new InvalidDataException($"{error.Message} A model with that size is made by: convnet import "
                + $"{Verb.Quoted(path)} --input 3x224x224 --save MODEL.safetensors", error);
        }
    }
}
