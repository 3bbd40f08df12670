using System.Text;
using System.Text.Json;
using ConvNet.Data;

namespace ConvNet.Serialization;

/// <summary>A trained network in a file: the graph, the values of all parameters and buffers, and how its images were
/// normalised.</summary>
/// <remarks>
/// The file is a safetensors file of <see cref="SafeTensors"/>; its metadata holds <c>graph</c>
/// (<see cref="GraphJson"/>) and <c>normalization</c>
/// (<c>{"maxValue": 255, "mean": [0.286], "standardDeviation": [0.353]}</c>). The optimiser's state is not kept: a
/// training that goes on starts with momentum 0; <see cref="TrainingState"/> keeps it.
/// </remarks>
public sealed class SavedModel
{
    private const string Content = "the trained model";

    private readonly Dictionary<string, float[]> _values;

    private SavedModel(Graph graph, Normalization? normalization, Dictionary<string, float[]> values)
    {
        (Graph, Normalization, _values) = (graph, normalization, values);
    }

    /// <summary>The graph.</summary>
    public Graph Graph { get; }

    /// <summary>How the images were normalised; null when the file does not say.</summary>
    public Normalization? Normalization { get; }

    /// <summary>Saves an executable's graph and parameters: whole or not at all.</summary>
    /// <param name="path">The file; one that is there is replaced and keeps its mode.</param>
    /// <param name="executable">What is saved.</param>
    /// <param name="normalization">How the images were normalised, if the file is to say so.</param>
    /// <param name="allowNonFinite">
    /// Whether values that are NaN or infinite are saved as well; <see cref="Load(string, bool, LayerSet?)"/> then
    /// reads them only when it is told the same.
    /// </param>
    /// <exception cref="InvalidDataException">A value is NaN or infinite; what was there is untouched.</exception>
    /// <exception cref="NotSupportedException">
    /// The graph has a layer that has no form in JSON, or is too large for the file's header.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the file may not be written to.</exception>
    public static void Save(
        string path, IExecutable executable, Normalization? normalization = null, bool allowNonFinite = false)
    {
        ArgumentNullException.ThrowIfNull(executable);
        Graph graph = executable.Graph;
        byte[] header = Header(graph, normalization);
        AtomicFile.Probe(path, Content);
        var values = new float[graph.Parameters.Select(parameter => parameter.Length).DefaultIfEmpty().Max()];
        ReadOnlyMemory<float> Values(Parameter parameter)
        {
            executable.Read(parameter, values.AsSpan(0, parameter.Length));
            return values.AsMemory(0, parameter.Length);
        }
        foreach (Parameter parameter in allowNonFinite ? [] : graph.Parameters)
        {
            ReadOnlySpan<float> saved = Values(parameter).Span;
            if (Floats.IndexOfNonFinite(saved) is >= 0 and var bad)
                throw new InvalidDataException(
                    $"{path} was not written: {Excerpt.Of($"{parameter}")} has a {saved[bad]} at index {bad:N0}, so "
                        + "the training went wrong. "
                    + "What was there is untouched. To save it all the same, call Save with "
                        + $"{nameof(allowNonFinite)}: true.");
        }
        SafeTensors.Write(path, Content, header, Count(graph), graph.Parameters.Select(Values));
    }

    /// <summary>Throws when <see cref="Save"/> could not write to a path: to be asked before a long training.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the file may not be written to.</exception>
    public static void CheckPath(string path) => AtomicFile.Probe(path, Content);

    /// <summary>
    /// Throws when <see cref="Save"/> could not write this graph to a path: to be asked before a long training.
    /// </summary>
    /// <exception cref="NotSupportedException">
    /// The graph has a layer that has no form in JSON, or is too large for the file's header.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written, or there is no room for it.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the file may not be written to.</exception>
    public static void CheckPath(string path, Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        AtomicFile.Probe(path, Content, SafeTensors.FileBytes(Header(graph, null), Count(graph)));
    }

    /// <summary>Loads a file. All of it is checked: lengths, offsets, shapes against the graph, and that every value is
    /// finite.</summary>
    /// <param name="path">The file.</param>
    /// <param name="allowNonFinite">Whether values that are NaN or infinite are taken as they are.</param>
    /// <param name="layers">The layers that the graph may have; those of this library unless given.</param>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; the message says
    /// what.</exception>
    /// <exception cref="IOException">The file cannot be read, or is no regular file.</exception>
    public static SavedModel Load(string path, bool allowNonFinite = false, LayerSet? layers = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        using FileStream file = InputFile.Open(path);
        return Load(file, path, allowNonFinite, layers);
    }

    /// <summary>Loads an open file.</summary>
    internal static SavedModel Load(Stream file, string path, bool allowNonFinite = false, LayerSet? layers = null)
    {
        SafeTensorsHeader header = SafeTensors.ReadHeader(file, path);
        if (!header.Metadata.TryGetValue("graph", out string? json))
            throw new InvalidDataException($"{path}: its metadata has no \"graph\"; it was not saved by this program.");
        Graph graph = GraphJson.Read(json, $"{path}, graph", layers);
        Normalization? normalization = header.Metadata.TryGetValue("normalization", out string? text)
            ? ReadNormalization(text, path) : null;
        CheckTensors(graph, header.Tensors, path);
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (TensorEntry entry in header.Tensors)
        {
            float[] read = SafeTensors.ReadValues(file, entry);
            if (!allowNonFinite && Floats.IndexOfNonFinite(read) is >= 0 and var bad)
                throw new InvalidDataException(
                    $"{path}: {Excerpt.Of(entry.Name)} ({Excerpt.OfSizes(entry.Dimensions)}) has a {read[bad]} at "
                        + $"index {bad:N0}; the training that gave it went wrong.");
            values[entry.Name] = read;
        }
        return new SavedModel(graph, normalization, values);
    }

    // Every parameter has a tensor of its dimensions and the other way round, before a value is read.
    private static void CheckTensors(Graph graph, IReadOnlyList<TensorEntry> tensors, string path)
    {
        var missing = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        foreach (TensorEntry tensor in tensors)
        {
            if (!missing.Remove(tensor.Name, out Parameter? parameter))
                throw new InvalidDataException(
                    $"{path}: the graph has no parameter \"{Excerpt.Of(tensor.Name)}\", and the file has a tensor of "
                    + "that name.");
            if (!tensor.Dimensions.SequenceEqual(parameter.Dimensions))
                throw new InvalidDataException(
                    $"{path}: the graph has {Excerpt.Of($"{parameter}")}, and the file's tensor is "
                    + $"{Excerpt.OfSizes(tensor.Dimensions)}.");
        }
        if (missing.Count > 0)
            throw new InvalidDataException(
                $"{path}: the graph's {Excerpt.Of($"{missing.Values.First()}")} has no tensor in the file.");
    }

    /// <summary>Writes the parameters into an executable of <see cref="Graph"/>, or of another graph with the same
    /// parameters.</summary>
    /// <exception cref="ArgumentException">The executable has other parameters; nothing was written.</exception>
    public void CopyTo(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        IReadOnlyList<Parameter> parameters = executable.Graph.Parameters;
        if (parameters.Count != Graph.Parameters.Count)
            throw new ArgumentException($"The saved model has {Graph.Parameters.Count} parameters and the graph "
                + $"{parameters.Count}; they are of different networks.", nameof(executable));
        for (int i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].ToString() != Graph.Parameters[i].ToString())
                throw new ArgumentException($"The saved model has {Graph.Parameters[i]} where the graph has "
                    + $"{parameters[i]}; they are of different networks.", nameof(executable));
        }
        foreach (Parameter parameter in parameters)
            executable.Write(parameter, _values[parameter.Name]);
    }

    private static byte[] Header(Graph graph, Normalization? normalization)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "convnet", ["graph"] = GraphJson.Write(graph) };
        if (normalization is not null)
            metadata["normalization"] = Write(normalization);
        try
        {
            return SafeTensors.Header(
                metadata, [.. graph.Parameters.Select(parameter => (parameter.Name, parameter.Dimensions))]);
        }
        catch (ArgumentException error)
        {
            throw new NotSupportedException($"The graph cannot be saved. {error.Message}", error);
        }
    }

    private static long Count(Graph graph) => graph.Parameters.Sum(parameter => (long)parameter.Length);

    private static string Write(Normalization normalization)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("maxValue", normalization.MaxValue);
            WriteNumbers(writer, "mean", normalization.Mean);
            WriteNumbers(writer, "standardDeviation", normalization.StandardDeviation);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IReadOnlyList<float> numbers)
    {
        writer.WriteStartArray(name);
        foreach (float number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private static Normalization ReadNormalization(string text, string path)
    {
        string place = $"{path}, normalization";
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, place), place);
        var json = new JsonReader(document.RootElement, place);
        int maxValue = json.Int("maxValue");
        (float[] mean, float[] deviation) = (json.Numbers("mean"), json.Numbers("standardDeviation"));
        json.RejectOthers();
        if (maxValue is < 1 or > byte.MaxValue)
            throw json.Error($"\"maxValue\" is {maxValue}; it must be 1 to {byte.MaxValue}.");
        try
        {
            return new Normalization((byte)maxValue, mean, deviation);
        }
        catch (ArgumentException error)
        {
            throw json.Error(error.PlainMessage(), error);
        }
    }
}
