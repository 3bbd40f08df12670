using System.CommandLine;
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
    /// model, and the files that its data was read from.</summary>
    /// <inheritdoc cref="Load" path="/exception"/>
    public static (SavedModel Model, IReadOnlyList<string> Constants, IReadOnlyList<string> Parts) Open(string path)
    {
        if (!OnnxImport.IsModel(path))
        {
            if (WeightFile.IsOfAnotherProgram(path))
                throw new InvalidDataException($"{path} has weights but no network. A model with both is made by: "
                    + $"convnet import {Verb.Quoted(path)} --model NETWORK --save MODEL.safetensors");
            return (SavedModel.Load(path), [], []);
        }
        try
        {
            ImportedModel imported = OnnxImport.Read(path);
            return (imported.ToSavedModel(), imported.Constants, imported.DataFiles);
        }
        catch (InvalidDataException error) when (error.GetBaseException() is FreeSizeException free)
        {
            throw new InvalidDataException($"{error.Message} A model with that size is made by: convnet import "
                + $"{Verb.Quoted(path)} --input {Verb.Quoted($"{free.Input}=3x224x224")} --save MODEL.safetensors",
                error);
        }
    }

    /// <summary>Throws if an output would replace an input that no option names.</summary>
    /// <param name="option">The option that names the output.</param>
    /// <param name="output">The output; null for none.</param>
    /// <param name="inputs">The files that the command reads.</param>
    /// <exception cref="ArgumentException">It would.</exception>
    public static void CheckKept(Option option, string? output, IEnumerable<string> inputs)
    {
        if (output is null)
            return;
        string behind = NamedFiles.Behind(output);
        if (File.Exists(behind) && inputs.Any(input => NamedFiles.Behind(input) == behind))
            throw new ArgumentException($"{option.Name} would overwrite {output}, which the command reads. Choose "
                + "another output file.");
    }
}
