using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>A named network with the weights of a file.</summary>
internal sealed class ImportedWeights
{
    private readonly IReadOnlyList<NamedTensor> _tensors;
    private readonly Normalization? _normalization;

    private ImportedWeights(string model, Graph graph, IReadOnlyList<NamedTensor> tensors, Normalization? normalization)
        => (Model, Graph, _tensors, _normalization) = (model, graph, tensors, normalization);

    /// <summary>The name of the network.</summary>
    public string Model { get; }

    /// <summary>The network.</summary>
    public Graph Graph { get; }

    /// <summary>The number of tensors.</summary>
    public int Tensors => _tensors.Count;

    /// <summary>Checks that weights fit a network.</summary>
    /// <exception cref="InvalidDataException">They do not; the message lists what does not fit.</exception>
    public static ImportedWeights Of(string model, Graph graph, IReadOnlyList<NamedTensor> tensors,
        Normalization? normalization, string file)
    {
        tensors = WeightFile.Unwrapped(tensors, graph);
        if (WeightFile.Mismatch(tensors, graph) is { } mismatch)
            throw new InvalidDataException($"{file}: {mismatch} Rename or leave out tensors with --names.");
        return new ImportedWeights(model, graph, tensors, normalization);
    }

    /// <summary>Saves the network as a model of this library.</summary>
    public void Save(string path)
    {
        using var backend = new ManagedBackend();
        using IExecutable executable = backend.CompileInference(Graph, 1);
        WeightFile.CopyTo(_tensors, executable);
        SavedModel.Save(path, executable, _normalization);
    }
}
