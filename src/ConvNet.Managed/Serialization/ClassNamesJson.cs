using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>The names of the classes in the metadata of a saved model: <c>{"names": ["cat", "dog"]}</c>.</summary>
internal static class ClassNamesJson
{
    /// <summary>The key of the metadata.</summary>
    public const string Key = "classes";

    /// <summary>Writes the names.</summary>
    public static string Write(IReadOnlyList<string> names)
        => JsonText.Of(writer =>
    {
        writer.WriteStartObject();
        writer.WriteStartArray("names");
        foreach (string name in names)
            writer.WriteStringValue(name);
        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    /// <summary>Reads the names.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="place">Where it is, for errors.</param>
    /// <param name="graph">The graph that they must fit.</param>
    /// <exception cref="InvalidDataException">The text has other content, or the names do not fit.</exception>
    public static IReadOnlyList<string> Read(string text, string place, Graph graph)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, place), place);
        var json = new JsonReader(document.RootElement, place);
        string[] names = json.Texts("names");
        json.RejectOthers();
        return Mismatch(graph, names) is { } mismatch ? throw json.Error(mismatch) : names;
    }

    /// <summary>Returns why names do not fit a graph; null if they do.</summary>
    public static string? Mismatch(Graph graph, IReadOnlyList<string> names)
        => names.Count == 0 || (graph.Outputs.Count == 1 && graph.Output.Shape.C == names.Count) ? null
            : $"There are {names.Count} names of classes, but the outputs of the network are "
                + $"{string.Join(" and ", graph.Outputs.Select(output => output.Shape))}. Give one name for each "
                + "class.";
}
