using ConvNet.Models;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>Finds the graph that <c>--model</c> names: a built-in network or a JSON file.</summary>
internal static class ModelChoice
{
    /// <summary>What <c>--model</c> takes, for help.</summary>
    public static string Description => $"{string.Join(", ", BuiltInModels.Names)}, or a JSON file of the graph.";

    /// <summary>Those models that are files.</summary>
    public static IEnumerable<string> Files(IEnumerable<string> models)
        => models.Where(model => !BuiltInModels.Names.Contains(model));

    /// <summary>The graph.</summary>
    /// <param name="model">A built-in name or a file.</param>
    /// <param name="input">The shape of the images; a built-in network's own unless given. A file's must be this
    /// one.</param>
    /// <param name="classes">The number of classes of a built-in network; its own unless given.</param>
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
        Graph graph = GraphJson.Load(model);
        return input is null || graph.Input.Shape == input
            ? graph
            : throw new ArgumentException($"{model} reads {graph.Input.Shape} images, and {input} is asked for; its "
                + "\"input\" says what it reads.");
    }
}
