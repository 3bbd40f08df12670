using System.Text;
using System.Text.Json;
using ConvNet.Data;

namespace ConvNet.Serialization;

/// <summary>A trained network in a file: the graph, the values of all parameters and buffers, and how its images were normalised.</summary>
/// <remarks>
/// The file is a safetensors file of <see cref="SafeTensors"/>; its metadata holds <c>graph</c> (<see cref="GraphJson"/>) and
/// <c>normalization</c> (<c>{"maxValue": 255, "mean": [0.286], "standardDeviation": [0.353]}</c>). The optimiser's state is not kept: a training that goes on
/// starts with momentum 0.
/// </remarks>
public sealed class SavedModel
{
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
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="executable">What is saved.</param>
    /// <param name="normalization">How the images were normalised, if the file is to say so.</param>
    /// <exception cref="NotSupportedException">The graph has a layer that has no form in JSON.</exception>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Save(string path, IExecutable executable, Normalization? normalization = null)
    {
        ArgumentNullException.ThrowIfNull(executable);
        var metadata = new Dictionary<string, string> { ["format"] = "convnet", ["graph"] = GraphJson.Write(executable.Graph) };
        if (normalization is not null)
            metadata["normalization"] = Write(normalization);
        var tensors = new List<NamedTensor>();
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            executable.Read(parameter, values);
            tensors.Add(new NamedTensor(parameter.Name, parameter.Dimensions, values));
        }
        new SafeTensors(metadata, tensors).Write(path);
    }

    /// <summary>Throws when <see cref="Save"/> could not write to a path: to be asked before a long training.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void CheckPath(string path) => AtomicFile.Probe(path);

    /// <summary>Loads a file. All of it is checked: lengths, offsets, shapes against the graph, and that every value is finite.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; the message says what.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SavedModel Load(string path)
    {
        SafeTensors file = SafeTensors.Read(path);
        if (!file.Metadata.TryGetValue("graph", out string? json))
            throw new InvalidDataException($"{path}: its metadata has no \"graph\"; it was not saved by this program.");
        Graph graph = GraphJson.Read(json, $"{path}, graph");
        Normalization? normalization = file.Metadata.TryGetValue("normalization", out string? text) ? ReadNormalization(text, path) : null;
        Dictionary<string, NamedTensor> tensors = file.Tensors.ToDictionary(tensor => tensor.Name);
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (Parameter parameter in graph.Parameters)
        {
            if (!tensors.Remove(parameter.Name, out NamedTensor? tensor))
                throw new InvalidDataException($"{path}: the graph's {parameter} has no tensor in the file.");
            if (!tensor.Dimensions.SequenceEqual(parameter.Dimensions))
                throw new InvalidDataException($"{path}: the graph has {parameter}, and the file's tensor is {string.Join("×", tensor.Dimensions)}.");
            int bad = Array.FindIndex(tensor.Values, value => !float.IsFinite(value));
            values[parameter.Name] = bad < 0 ? tensor.Values
                : throw new InvalidDataException($"{path}: {parameter} has a {tensor.Values[bad]} at index {bad:N0}; the training that gave it went wrong.");
        }
        return tensors.Count == 0
            ? new SavedModel(graph, normalization, values)
            : throw new InvalidDataException($"{path}: the graph has no parameter \"{tensors.Keys.First()}\", and the file has a tensor of that name.");
    }

    /// <summary>Writes the parameters into an executable of <see cref="Graph"/>, or of another graph with the same parameters.</summary>
    /// <exception cref="ArgumentException">The executable has other parameters; nothing was written.</exception>
    public void CopyTo(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        IReadOnlyList<Parameter> parameters = executable.Graph.Parameters;
        if (parameters.Count != Graph.Parameters.Count)
            throw new ArgumentException($"The saved model has {Graph.Parameters.Count} parameters and the graph {parameters.Count}; they are of different networks.", nameof(executable));
        for (int i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].ToString() != Graph.Parameters[i].ToString())
                throw new ArgumentException($"The saved model has {Graph.Parameters[i]} where the graph has {parameters[i]}; they are of different networks.", nameof(executable));
        }
        foreach (Parameter parameter in parameters)
            executable.Write(parameter, _values[parameter.Name]);
    }

    private static string Write(Normalization normalization) => JsonSerializer.Serialize(new
    {
        maxValue = normalization.MaxValue,
        mean = normalization.Mean,
        standardDeviation = normalization.StandardDeviation,
    });

    private static Normalization ReadNormalization(string text, string path)
    {
        string place = $"{path}, normalization";
        using JsonDocument document = JsonReader.Parse(Encoding.UTF8.GetBytes(text), place);
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
