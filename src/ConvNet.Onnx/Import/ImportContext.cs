namespace ConvNet.Onnx;

/// <summary>The graph that an import builds, and what is known about the values of the ONNX graph.</summary>
/// <param name="program">The ONNX graph.</param>
/// <param name="batch">The number of samples in the sizes of the file, or <see cref="FreeBatch"/>.</param>
/// <param name="isUnbatched">Whether the tensors of the file have no dimension of the samples, so that each has one
/// more here.</param>
internal sealed class ImportContext(OnnxProgram program, long batch, bool isUnbatched)
{
    /// <summary>Stands for a free number of samples in sizes. A prime number that no other size has.</summary>
    public const long FreeBatch = 2_147_483_629;

    private readonly Dictionary<string, Activation> _activations = new(StringComparer.Ordinal);
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _layerNames = new(StringComparer.Ordinal);
    private readonly List<string> _fixed = [];
    private readonly HashSet<string> _wholes = new(StringComparer.Ordinal);
    private long _left = Folding.MostValues;

    /// <summary>The graph.</summary>
    public Graph Graph { get; } = new();

    /// <summary>The number of samples in the sizes of the file, or <see cref="FreeBatch"/>.</summary>
    public long Batch => batch;

    /// <summary>Whether the number of samples is free.</summary>
    public bool IsFree => !isUnbatched && batch == FreeBatch;

    /// <summary>The number of dimensions that values have before those of the file: 1 if the file has none of the
    /// samples.</summary>
    public int Lead => isUnbatched ? 1 : 0;

    /// <summary>Whether normalisation and dropout in training mode are refused.</summary>
    public bool RefusesTrainingMode { get; init; }

    /// <summary>Whether PyTorch wrote the file.</summary>
    public bool IsOfTorch { get; init; }

    /// <summary>The outputs that are views of the values of a layer, which therefore has another name.</summary>
    public IReadOnlySet<string> Viewed { get; init; } = new HashSet<string>();

    /// <summary>The values of the parameters.</summary>
    public Dictionary<Parameter, float[]> Values { get; } = [];

    /// <summary>The parameters that stand for constants of a formula in the file rather than for trained
    /// values.</summary>
    public IReadOnlyList<string> Fixed => _fixed;

    /// <summary>The outputs of the graph with their sizes.</summary>
    public List<(string Name, long[] Sizes)> OutputSizes { get; } = [];

    /// <summary>The outputs that do not depend on an input.</summary>
    public List<ConstantOutput> ConstantOutputs { get; } = [];

    /// <summary>Adds an input.</summary>
    /// <exception cref="InvalidDataException">A sample of it has no values, or too many.</exception>
    public void AddInput(string name, long[] sizes)
    {
        _names.Add(name);
        try
        {
            Define(name, Activation.Of(Graph.AddInput(name, ShapeOf(sizes)), sizes));
        }
        catch (UnsupportedNodeException error)
        {
            throw new InvalidDataException($"the input \"{Excerpt.Of(name)}\": {error.Message}.", error);
        }
    }

    /// <summary>Returns the dimension of a value that an axis of the file is.</summary>
    /// <param name="x">The value.</param>
    /// <param name="axis">The axis; counted from the end if it is negative.</param>
    /// <param name="more">The number of dimensions that the axis counts in addition.</param>
    /// <exception cref="InvalidDataException">There is no such dimension.</exception>
    public int Dimension(Activation x, long axis, int more = 0)
    {
        int of = x.Rank + more - Lead;
        return axis >= -of && axis < of ? (int)(axis < 0 ? axis + of : axis) + Lead
            : throw new InvalidDataException($"axis {axis} does not exist in a tensor of {of} dimensions.");
    }

    /// <summary>Returns sizes of the file as sizes of a value.</summary>
    public long[] Lifted(long[] sizes) => isUnbatched ? [1, .. sizes] : sizes;

    /// <summary>Whether a value is of whole numbers, which are computed as real ones.</summary>
    public bool IsWhole(string name) => _wholes.Contains(name);

    /// <summary>Notes that a value is of whole numbers.</summary>
    public void SetWhole(string name) => _wholes.Add(name);

    /// <summary>Defines a value.</summary>
    public void Define(string name, Activation value) => _activations[name] = value;

    /// <summary>Returns a value that depends on the inputs; null if it is a constant or could not be
    /// imported.</summary>
    public Activation? Find(string name) => _activations.GetValueOrDefault(name);

    /// <summary>Whether a value is known: a constant, or one that has been imported.</summary>
    public bool IsKnown(string name) => name.Length == 0 || _activations.ContainsKey(name)
        || program.Constants.ContainsKey(name) || program.Unread.ContainsKey(name);

    /// <summary>Whether a further output of a node is read. Old files name all outputs.</summary>
    public bool IsRead(OnnxNode node, int output) => output < node.Outputs.Count
        && (program.Uses(node.Outputs[output]) > 0 || program.IsOutput(node.Outputs[output]));

    /// <summary>Defines a constant.</summary>
    public void Define(string name, OnnxTensor value) => program.Constants[name] = value;

    /// <summary>Whether an input of a node is a constant.</summary>
    public bool IsConstant(OnnxNode node, int input) => program.Constant(node, input) is not null;

    /// <summary>Returns an input of a node that depends on the inputs of the graph.</summary>
    /// <exception cref="UnsupportedNodeException">It is a constant.</exception>
    public Activation Input(OnnxNode node, int input = 0)
    {
        if (!node.Has(input))
            throw new InvalidDataException($"{node.Place} has no input {input}.");
        return Find(node.Inputs[input]) ?? throw new UnsupportedNodeException(
            program.Unread.GetValueOrDefault(node.Inputs[input]) ?? $"its input {input} is a constant");
    }

    /// <summary>Returns a constant that a node reads; null if the input is omitted.</summary>
    /// <exception cref="UnsupportedNodeException">It is computed when the model runs.</exception>
    public OnnxTensor? Optional(OnnxNode node, int input, bool isShape = false)
    {
        if (!node.Has(input))
            return null;
        OnnxTensor constant = program.Constant(node, input) ?? throw new UnsupportedNodeException(
            program.Unread.GetValueOrDefault(node.Inputs[input])
            ?? $"its input {input} is computed when the model runs; it must be a constant");
        return constant.DependsOnBatch && !isShape
            ? throw new UnsupportedNodeException($"its input {input} depends on the number of samples") : constant;
    }

    /// <summary>Returns a constant that a node must read.</summary>
    public OnnxTensor Constant(OnnxNode node, int input, bool isShape = false) => Optional(node, input, isShape)
        ?? throw new InvalidDataException($"{node.Place} has no input {input}.");

    /// <summary>Returns the value of a constant with one element; otherwise, the default.</summary>
    public double Scalar(OnnxNode node, int input, double otherwise)
    {
        if (Optional(node, input) is not { } constant)
            return otherwise;
        return constant.Length == 1 ? constant.At(0) : throw new InvalidDataException($"{node.Place}: input {input} "
            + $"has {constant.Length} values; it must have one.");
    }

    /// <summary>Creates a constant of truth values with the sizes of a value of the graph.</summary>
    /// <exception cref="UnsupportedNodeException">The number of samples is free, or there are too many
    /// values.</exception>
    public OnnxTensor Filled(OnnxNode node, Activation like, long value)
    {
        long[] sizes = like.Sizes[Lead..];
        if (IsFree)
            throw new UnsupportedNodeException($"the size of its output {Excerpt.Of(node.Outputs[1])} depends on the "
                + "number of samples, which is free");
        double length = sizes.Aggregate(1.0, (product, size) => product * size);
        return length <= Folding.MostValues
            ? OnnxTensor.OfWholes(sizes, () => [.. Enumerable.Repeat(value, (int)length)], ElementKind.Truth)
            : throw new UnsupportedNodeException($"its output {Excerpt.Of(node.Outputs[1])} has {length:N0} values");
    }

    /// <summary>Adds the layer that computes the first output of a node.</summary>
    /// <param name="node">The ONNX node.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The nodes that it reads.</param>
    /// <returns>The new node.</returns>
    public Node Add(OnnxNode node, Layer layer, params ReadOnlySpan<Node> inputs)
        => AddNamed(NameOf(node), layer, inputs);

    /// <summary>Adds a layer whose name is derived from its kind or given.</summary>
    public Node AddNamed(string? name, Layer layer, params ReadOnlySpan<Node> inputs)
    {
        if (name is null)
            return Graph.Add(null, layer, inputs);
        string unique = name;
        for (int number = 2; Graph.Find(unique) is not null; number++)
            unique = $"{name}.{number}";
        return Graph.Add(unique, layer, inputs);
    }

    /// <summary>Adds a layer that computes a part of a node.</summary>
    public Node AddPart(OnnxNode node, string part, Layer layer, params ReadOnlySpan<Node> inputs)
        => AddNamed($"{NameOf(node)}.{part}", layer, inputs);

    /// <summary>Sets the values of the parameters with a role; of which there is one per layer.</summary>
    /// <exception cref="UnsupportedNodeException">The constant has another number of values.</exception>
    public void Write(Node node, ParameterRole role, float[] values, bool isFixed = false)
    {
        Parameter parameter = node.Parameters.Single(each => each.Role == role);
        if (values.Length != parameter.Length)
            throw new UnsupportedNodeException($"{parameter} would be given {values.Length:N0} values");
        Values[parameter] = values;
        if (isFixed)
            _fixed.Add(parameter.Name);
    }

    /// <summary>Sets all values of the parameter with a role, which stands for a constant of a formula.</summary>
    /// <exception cref="UnsupportedNodeException">The model has too many such values.</exception>
    public void Fill(Node node, ParameterRole role, float value)
    {
        int length = node.Parameters.Single(each => each.Role == role).Length;
        Reserve(length);
        Write(node, role, [.. Enumerable.Repeat(value, length)], isFixed: true);
    }

    /// <summary>Counts values that the import computes from few numbers of the file, before it does, so that a small
    /// file cannot ask for much memory.</summary>
    /// <exception cref="UnsupportedNodeException">They would be too many.</exception>
    public void Reserve(long values)
    {
        if ((_left -= values) < 0)
            throw new UnsupportedNodeException($"the layers would have more than {Folding.MostValues:N0} constants "
                + $"that are not in the file, with {values:N0} of this node");
    }

    /// <summary>Defines the first output of a node.</summary>
    public void Set(OnnxNode node, Activation value) => Define(node.Outputs[0], value);

    /// <summary>Returns the name of the layer of a node: that of an output of the graph, of its weights, of the node or
    /// of its output.</summary>
    public string NameOf(OnnxNode node)
    {
        string output = node.Outputs[0];
        if (!_layerNames.TryGetValue(output, out string? name))
        {
            _layerNames[output] = name = Viewed.Contains(output) ? $"{output}.values"
                : program.IsOutput(output) ? output : WeightsOf(node)
                ?? (node.Name.Length > 0 && _names.Add(node.Name) ? node.Name : output);
        }
        return name;
    }

    // In models of torch, the weights have the names of the layers in the program.
    private string? WeightsOf(OnnxNode node)
    {
        const string Weight = ".weight";
        return node.Inputs.Count > 1 && node.Inputs[1].EndsWith(Weight, StringComparison.Ordinal)
            && node.Inputs[1][..^Weight.Length] is { Length: > 0 } layer && _names.Add(layer) ? layer : null;
    }

    /// <summary>Returns the shape of a sample of a tensor.</summary>
    /// <exception cref="UnsupportedNodeException">The sample has no values, or too many.</exception>
    public static Shape ShapeOf(long[] sizes)
    {
        long[] sample = [.. sizes.Skip(1)];
        double length = sample.Aggregate(1.0, (product, size) => product * size);
        if (sample.Any(size => size < 1) || length > int.MaxValue)
            throw new UnsupportedNodeException($"a sample of {string.Join('×', sample)} values has no values, or too "
                + "many");
        return new Shape(Size(0), Size(1), (int)sample.Skip(2).Aggregate(1L, (product, size) => product * size));

        int Size(int i) => i < sample.Length ? (int)sample[i] : 1;
    }
}
