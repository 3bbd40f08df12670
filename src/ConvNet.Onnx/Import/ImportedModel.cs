using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Onnx;

/// <summary>A network that was imported from an ONNX file: the graph and the values of its parameters.</summary>
public sealed class ImportedModel
{
    private readonly IReadOnlyDictionary<Parameter, float[]> _values;

    internal ImportedModel(ImportContext context, Normalization? normalization, IReadOnlyList<string> classNames)
    {
        (_values, Normalization, ClassNames) = (context.Values, normalization, classNames);
        (Constants, IsUnbatched) = (context.Fixed, context.Lead > 0);
        (OutputSizes, ConstantOutputs) = (context.OutputSizes, context.ConstantOutputs);
        // Without outputs, what was added to the graph is not used.
        Graph = OutputSizes.Count > 0 ? context.Graph : new Graph();
    }

    /// <summary>The graph. Inputs and outputs have the names of the file. It has no layers if no output depends on an
    /// input.</summary>
    public Graph Graph { get; }

    /// <summary>The normalisation of pixels, if the file begins with one; the graph then reads normalised
    /// values.</summary>
    public Normalization? Normalization { get; internal set; }

    /// <summary>The names of the classes, if the metadata of the file has them.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The outputs of the file that do not depend on an input, in its order. <see cref="Graph"/> does not have
    /// them.</summary>
    public IReadOnlyList<ConstantOutput> ConstantOutputs { get; }

    /// <summary>The names of parameters that stand for constants of a formula, such as a factor of 2. Freeze them to
    /// train the others alone.</summary>
    public IReadOnlyList<string> Constants { get; }

    /// <summary>The files beside that of the model with data that was read.</summary>
    internal IReadOnlyList<string> DataFiles { get; set; } = [];

    /// <summary>Whether the tensors of the file have no dimension of the samples.</summary>
    internal bool IsUnbatched { get; }

    /// <summary>The outputs of the graph with their sizes in the file; the first is the number of samples, if it has
    /// one.</summary>
    internal IReadOnlyList<(string Name, long[] Sizes)> OutputSizes { get; }

    /// <summary>Returns the values of a parameter or buffer of <see cref="Graph"/>.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph.</exception>
    public float[] ValuesOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        parameter.ThrowIfNotOf(Graph, nameof(parameter));
        // Only the number of batches that statistics were averaged over is not in the file.
        return _values.GetValueOrDefault(parameter) ?? new float[parameter.Length];
    }

    // Metadata of another program may name something else.
    private bool Fit => Graph.Outputs.Count == 1 && Graph.Output.Shape.C == ClassNames.Count;

    /// <summary>Writes the parameters and buffers to an executable of <see cref="Graph"/>, or those that it has in
    /// common with another network.</summary>
    /// <remarks>After <see cref="Graph.WithLayer"/>, the layer that was replaced keeps its initial values:
    /// <code>Graph graph = model.Graph.WithLayer("fc", new Linear(5));
    /// using IExecutable net = backend.Compile(graph, spec);
    /// net.Initialize(new HeNormal(1));
    /// model.CopyTo(net, strict: false);</code></remarks>
    /// <param name="executable">The executable.</param>
    /// <param name="strict">Whether the executable must be of <see cref="Graph"/>. If not, the parameters and buffers
    /// with the same name and dimensions are written.</param>
    /// <returns>The parameters and buffers of the executable that were not written; empty if it is strict.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">The executable belongs to another graph; or it is not strict, and nothing is
    /// in common. Nothing has been written.</exception>
    /// <exception cref="InvalidOperationException">A call of the executable is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    public IReadOnlyList<Parameter> CopyTo(IExecutable executable, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(executable);
        if (!strict)
            return MatchingParameters.Copy(Graph, ValuesOf, executable);
        foreach (Parameter parameter in Graph.Parameters)
            executable.Write(parameter, ValuesOf(parameter));
        return [];
    }

    /// <summary>Returns the network in the form in which it is read from a saved model.</summary>
    /// <exception cref="InvalidDataException">No output depends on an input.</exception>
    internal SavedModel ToSavedModel()
    {
        CheckDepends();
        return SavedModel.Of(Graph, Normalization, Fit ? ClassNames : [], ValuesOf);
    }

    /// <summary>Saves the network as a model of this library.</summary>
    /// <param name="path">The path of the file.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="IOException">The file cannot be written; an existing file is unchanged.</exception>
    /// <exception cref="InvalidDataException">A value is NaN or infinite, or no output depends on an
    /// input.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    public void Save(string path)
    {
        CheckDepends();
        using var backend = new ManagedBackend();
        using IExecutable executable = backend.CompileInference(Graph, 1);
        CopyTo(executable);
        SavedModel.Save(path, executable, Normalization, classNames: Fit ? ClassNames : null);
    }

    private void CheckDepends()
    {
        if (OutputSizes.Count == 0)
            throw new InvalidDataException("no output depends on an input, so that there is no network. "
                + $"{nameof(ConstantOutputs)} has the values of the outputs.");
    }
}
