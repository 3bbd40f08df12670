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
    public static SavedModel Load(string path)
    {
        if (!OnnxImport.IsModel(path))
            return SavedModel.Load(path);
        try
        {
            return OnnxImport.Read(path).ToSavedModel();
        }
        catch (InvalidDataException error) when (error.GetBaseException() is FreeSizeException)
        {
            throw new InvalidDataException($"{error.Message} A model with that size is made by: convnet import "
                + $"{Verb.Quoted(path)} --input 3x224x224 --save MODEL.safetensors", error);
        }
    }
}
