using System.Text;
using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>Reads and writes graphs as JSON: every layer with all its attributes, without weights.</summary>
/// <remarks>
/// <code>{ "format": "convnet-graph", "version": 1, "input": [1, 28, 28], "nodes": [
///   { "layer": "conv", "outChannels": 6, "kernelSize": 5, "padding": 2 }, { "layer": "relu" }, { "layer": "flatten" },
///   { "layer": "linear", "outFeatures": 10 } ] }</code>
/// A node reads the nodes named in <c>inputs</c>, or the preceding node. By default, its <c>name</c> is derived from
/// its kind. Sizes are one number or [rows, columns]. Attributes with a default may be omitted. The nodes must be in
/// topological order.
/// <para>
/// <c>input</c> defines the first node, an input named <c>input</c>; it may be omitted. Other inputs are listed among
/// the nodes, with a shape instead of a layer: <c>{ "name": "position", "input": [2, 1, 1] }</c>. Several outputs are
/// named, as in <c>"outputs": ["class", "box"]</c>. By default, the output is the node that no other node reads.
/// Editors find the schema of the file by a <c>$schema</c>, which is not read; see <see cref="Schema"/>.
/// </para>
/// </remarks>
public static class GraphJson
{
    /// <summary>The format that the JSON of a graph names.</summary>
    internal const string Format = "convnet-graph";

    private const int Version = 1;
    private const string InputName = "input";

    /// <summary>Writes a graph.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="NotSupportedException">A layer has no <see cref="LayerDeclaration"/> and so no JSON form, a
    /// name is not valid Unicode, or the text would be longer than the reader accepts.</exception>
    public static string Write(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        bool startsWithInput = graph.Nodes is [{ Layer: null, Name: InputName }, ..];
        var text = new StringBuilder($"{{\n  \"format\": \"{Format}\", \"version\": {Version},\n");
        if (startsWithInput)
            text.Append("  \"input\": ").Append(Line(json => WriteSizes(json, graph.Nodes[0].Shape))).Append(",\n");
        text.Append("  \"nodes\": [\n    ").AppendJoin(",\n    ", graph.Nodes.Skip(startsWithInput ? 1 : 0)
            .Select(node => Line(json => WriteNode(json, node)))).Append("\n  ]");
        if (graph.DeclaredOutputs.Count > 1)
            text.Append(",\n  \"outputs\": ").Append(Line(json => WriteNames(json, graph.DeclaredOutputs)));
        text.Append("\n}");
        int length = Encoding.UTF8.GetByteCount(text.ToString());
        return length <= InputFile.MaxTextBytes
            ? text.ToString()
            : throw new NotSupportedException(
                $"A graph of {graph.Nodes.Count:N0} nodes needs {length:N0} bytes in JSON; the limit is "
                + $"{InputFile.MaxTextBytes:N0}.");
    }

    /// <summary>Returns the JSON schema of graph files, for editors and other tools.</summary>
    /// <param name="layers">The layers that a file may name; by default those of this library.</param>
    public static string Schema(LayerSet? layers = null) => GraphSchema.Of(layers ?? LayerSet.BuiltIn, Format, Version);

    /// <summary>Reads a graph.</summary>
    /// <param name="json">The JSON text.</param>
    /// <param name="source">The source of the text, for error messages.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <exception cref="ArgumentNullException"><paramref name="json"/> is null.</exception>
    /// <exception cref="InvalidDataException">The text is not a valid graph; the message says where and
    /// why.</exception>
    public static Graph Read(string json, string source = "graph", LayerSet? layers = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        return Read(InputFile.ToUtf8(json, source), source, layers);
    }

    /// <summary>Whether a file is JSON in the format of graphs, whose content may still be invalid.</summary>
    internal static bool IsOne(string path)
    {
        using (FileStream file = InputFile.Open(path))
        {
            if (file.ReadByte() != '{')
                return false;
        }
        using JsonDocument document = JsonReader.Parse(InputFile.Bytes(path, "JSON file"), path);
        return document.RootElement.TryGetProperty("format", out JsonElement format)
            && format.ValueKind == JsonValueKind.String && format.GetString() == Format;
    }

    /// <summary>Reads a graph from a file.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file is not a valid graph; the message says where and
    /// why.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static Graph Load(string path, LayerSet? layers = null)
        => Read(InputFile.Bytes(path, "description of a graph"), path, layers);

    /// <summary>Reads a graph from UTF-8 text.</summary>
    internal static Graph Read(ReadOnlyMemory<byte> utf8, string source, LayerSet? layers = null)
    {
        using JsonDocument document = JsonReader.Parse(utf8, source);
        return Read(document.RootElement, source, layers);
    }

    /// <summary>Reads a graph that is part of a document.</summary>
    internal static Graph Read(JsonElement element, string source, LayerSet? layers)
    {
        var root = new JsonReader(element, source);
        root.CheckFormat(Format, Version, "a graph");
        var graph = new Graph();
        JsonElement? first = root.Optional("input");
        IReadOnlyList<JsonElement> nodes = root.List("nodes");
        if (first is not null || !IsInput(nodes))
            ReadInput(graph, root, InputName);
        string[] outputs = root.Texts("outputs");
        _ = root.Text("$schema");
        root.RejectOthers();
        if (nodes.Count == 0)
            throw root.Error("\"nodes\" contains no layer.");
        for (int i = 0; i < nodes.Count; i++)
            ReadNode(graph, new JsonReader(nodes[i], $"{source}, nodes[{i}]"), layers ?? LayerSet.BuiltIn);
        if (outputs.Length > 0)
            root.Checked(() => SetOutputs(graph, root, outputs));
        else if (graph.Ends is { Count: > 1 } ends)
            throw root.Error($"no layer reads {Graph.Names(ends)}, so it is not known which of them are outputs. Name "
                + $"the outputs, as in \"outputs\": [\"{Excerpt.Of(ends.MaxBy(node => node.Index)!.Name)}\"], and "
                + "remove the other nodes.");
        return graph;
    }

    private static Graph SetOutputs(Graph graph, JsonReader root, string[] names)
    {
        graph.SetOutputs([.. names.Select(name => graph.Find(name)
            ?? throw root.Error($"\"outputs\" names \"{Excerpt.Of(name)}\", but there is no such node."))]);
        return graph;
    }

    // Writes a value on one line, with a space after each comma and colon.
    private static string Line(Action<Utf8JsonWriter> write)
    {
        var line = new StringBuilder();
        bool quoted = false, escaped = false;
        foreach (char letter in JsonText.Of(write))
        {
            if (letter == '"' && !escaped)
                quoted = !quoted;
            escaped = quoted && letter == '\\' && !escaped;
            line.Append(quoted ? $"{letter}" : letter switch
            {
                ',' or ':' => $"{letter} ",
                '{' => "{ ",
                '}' => " }",
                _ => $"{letter}",
            });
        }
        return line.ToString();
    }

    private static void WriteSizes(Utf8JsonWriter writer, Shape shape)
    {
        writer.WriteStartArray();
        foreach (int size in (int[])[shape.C, shape.H, shape.W])
            writer.WriteNumberValue(size);
        writer.WriteEndArray();
    }

    private static void WriteNames(Utf8JsonWriter writer, IEnumerable<Node> nodes)
    {
        writer.WriteStartArray();
        foreach (Node node in nodes)
            writer.WriteStringValue(node.Name);
        writer.WriteEndArray();
    }

    private static bool IsInput(IReadOnlyList<JsonElement> nodes)
        => nodes is [{ ValueKind: JsonValueKind.Object } first, ..] && first.TryGetProperty("input", out _);

    private static void ReadInput(Graph graph, JsonReader json, string name)
    {
        int[] sizes = json.Ints("input");
        if (sizes is not [> 0, > 0, > 0])
            throw json.Error("\"input\" must be the channels, rows and columns of the input, such as [1, 28, 28].");
        json.Checked(() => graph.AddInput(name, new Shape(sizes[0], sizes[1], sizes[2])));
    }

    private static void WriteNode(Utf8JsonWriter writer, Node node)
    {
        LayerDeclaration? declaration = node.Layer?.Declaration;
        if (node.Layer is not null && declaration is null)
            throw new NotSupportedException($"Node \"{node.Name}\" is a {node.Layer.GetType().Name}, "
                + "which cannot be written as JSON because it has no LayerDeclaration.");
        if (!IsText(node.Name))
            throw new NotSupportedException(
                $"The name of node {node.Index}, \"{Excerpt.Of(node.Name)}\", contains an unpaired surrogate, "
                + "which cannot be written as JSON.");
        writer.WriteStartObject();
        writer.WriteString("name", node.Name);
        if (declaration is null)
        {
            writer.WritePropertyName("input");
            WriteSizes(writer, node.Shape);
        }
        else
        {
            WriteLayer(writer, node, declaration);
        }
        writer.WriteEndObject();
    }

    private static void WriteLayer(Utf8JsonWriter writer, Node node, LayerDeclaration declaration)
    {
        writer.WriteString("layer", declaration.Kind);
        writer.WritePropertyName("inputs");
        WriteNames(writer, node.Inputs);
        declaration.Write(writer, node.Layer!);
    }

    private static bool IsText(string name)
    {
        for (int i = 0; i < name.Length; i++)
        {
            if (char.IsSurrogatePair(name, i))
                i++;
            else if (char.IsSurrogate(name[i]))
                return false;
        }
        return true;
    }

    private static void ReadNode(Graph graph, JsonReader json, LayerSet layers)
    {
        if (json.Optional("input") is not null)
        {
            ReadInput(graph, json, json.Text("name") ?? InputName);
            json.RejectOthers();
            return;
        }
        Layer layer = layers.Read(json);
        string? name = json.Text("name");
        string[] inputs = json.Texts("inputs");
        json.RejectOthers();
        Node Named(string input) => graph.Find(input)
            ?? throw json.Error(
                $"there is no earlier node \"{Excerpt.Of(input)}\". Inputs name earlier nodes; an unnamed input of the "
                + "graph has the name \"input\".");
        Node[] reads = inputs.Length == 0 ? [graph.Nodes[^1]] : [.. inputs.Select(Named)];
        json.Checked(() => graph.Add(name, layer, reads));
    }
}
