using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>Resolves the value of <c>--model</c>: a built-in network or a JSON file.</summary>
internal static class ModelChoice
{
    private const string SavedExtension = ".safetensors";

    /// <summary>The description of <c>--model</c> in help texts.</summary>
    public static string Description => "A network that convnet models lists, such as lenet5, or a JSON file of the "
        + "graph.";

    /// <summary>Returns the models that are files.</summary>
    public static IEnumerable<string> Files(IEnumerable<string> models)
        => models.Where(model => !BuiltInModels.Names.Contains(model));

    /// <summary>Opens a model.</summary>
    /// <param name="model">The name of a built-in network, or a file.</param>
    /// <param name="input">The shape of the images. Null selects the default of the model. A file must have this
    /// shape.</param>
    /// <param name="classes">The number of classes of a built-in network. Null selects its default.</param>
    public static Graph Open(string model, Shape? input, int? classes = null)
    {
        if (BuiltInModels.Names.Contains(model))
            return BuiltInModels.Create(model, input, classes);
        if (!File.Exists(model))
        {
            throw new ArgumentException($"There is no model \"{Excerpt.Of(model)}\": it is neither a file "
                + $"nor one of {string.Join(", ", BuiltInModels.Names)}."
                + NearMisses.Question(model, BuiltInModels.Names));
        }
        return WithShape(GraphJson.Load(model), model, input);
    }

    /// <summary>Returns the shape of the images that a model was made for; null if it has several inputs.</summary>
    /// <param name="model">The name of a built-in network, or a file.</param>
    public static Shape? InputOf(string model) => BuiltInModels.Names.Contains(model) ? BuiltInModels.InputOf(model)
        : InputOf(Open(model, input: null));

    /// <summary>Returns the shape of the images that a network reads; null if it has several inputs.</summary>
    public static Shape? InputOf(Graph graph) => graph.Inputs is [var only] ? only.Shape : null;

    /// <summary>Opens a model, or the network of an ONNX model or of a file that <c>train --save</c> wrote.</summary>
    /// <param name="model">The name of a built-in network, or a file.</param>
    /// <param name="input">The shape of the images. Null selects the default of the model. A file must have this
    /// shape.</param>
    /// <returns>The graph, the names of the parameters that the training of the file has frozen, and that training;
    /// null if the file holds none.</returns>
    public static (Graph Graph, IReadOnlyList<string> Frozen, TrainingSpec? Training) OpenWithTraining(string model,
        Shape? input)
    {
        if (!(model.EndsWith(SavedExtension, StringComparison.Ordinal) || OnnxImport.IsModel(model))
            || !File.Exists(model))
            return (Open(model, input), [], null);
        SavedModel saved = NetworkFile.Load(model);
        return (WithShape(saved.Graph, model, input), saved.Frozen, saved.Training?.Spec);
    }

    private static Graph WithShape(Graph graph, string model, Shape? input)
        => input is null || graph.Input.Shape == input
            ? graph
            : throw new ArgumentException($"{model} reads {graph.Input.Shape} images, not {input}. Change the "
                + "\"input\" in the file or the requested shape.");
}
