using ConvNet.Data;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>An ONNX graph under construction.</summary>
/// <remarks>
/// A vector is a matrix N×C in ONNX if it is an input of the graph or the output of a <see cref="Flatten"/> or a
/// <see cref="Linear"/>, and a tensor N×C×1×1 if a layer of maps computes it. A layer that needs the other form reads
/// it through an additional node.
/// </remarks>
internal sealed class OnnxGraph
{
    private const string Samples = "N", Pixels = "pixels";

    // The nodes whose values are matrices.
    private readonly HashSet<Node> _matrices = [];
    private readonly HashSet<string> _names;
    private readonly Func<Parameter, float[]> _values;
    private readonly OnnxExportOptions _options;

    /// <summary>Adds the nodes of all layers.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="values">Returns the values of a parameter or buffer.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">The normalisation does not match the only input.</exception>
    /// <exception cref="NotSupportedException">A layer has no ONNX nodes; the message names it.</exception>
    public OnnxGraph(Graph graph, Func<Parameter, float[]> values, OnnxExportOptions options)
    {
        (_values, _options) = (values, options);
        _names = [.. graph.Nodes.Select(node => node.Name), .. graph.Parameters.Select(parameter => parameter.Name)];
        foreach (Node input in graph.Inputs)
        {
            if (input.Shape.IsVector)
                _matrices.Add(input);
            Proto.Input.Add(TypeOf(input));
        }
        if (options.Normalization is { } normalization)
            Normalize(graph.Input, normalization);
        foreach (Node node in graph.LayerNodes)
            LayerNodes.AddTo(this, node);
        foreach (Node output in graph.Outputs)
            Proto.Output.Add(TypeOf(output));
    }

    /// <summary>The ONNX graph, without the values of the parameters.</summary>
    public GraphProto Proto { get; } = new() { Name = "graph" };

    /// <summary>The version of the operators.</summary>
    public int OperatorSet => _options.OperatorSet;

    /// <summary>Whether a node of the ONNX graph reads a parameter under its name.</summary>
    public bool Reads(Parameter parameter) => Proto.Node.Any(node => node.Input.Contains(parameter.Name));

    /// <summary>Folds a batch normalisation into the layer before it, whose weights have the output channel as their
    /// first dimension: w′_k = w_k·γ_k/σ_k and b′_k = (b_k − μ_k)·γ_k/σ_k + β_k, with σ² = running variance +
    /// ε.</summary>
    /// <param name="norm">The node of the normalisation.</param>
    /// <param name="epsilon">ε.</param>
    /// <returns>False if the options do not ask for it, the layer has no weights, or another node or an output reads
    /// its result.</returns>
    public bool FoldInto(Node norm, float epsilon)
    {
        Node layer = norm.Inputs[0];
        // Sums over windows are convolutions here, but have no parameters.
        if (!_options.FoldBatchNorm || layer.Consumers.Count != 1 || layer.Graph.Outputs.Contains(layer)
            || layer.Parameters is not [var weight, ..]
            || Proto.Node.SingleOrDefault(node => node.Output[0] == layer.Name) is not { OpType: "Conv" or "Gemm" } of)
            return false;
        float[] w = [.. _values(weight)];
        double[] scale = Of(ParameterRole.Scale, 1), shift = Of(ParameterRole.Bias, 0),
            mean = Of(ParameterRole.RunningMean, 0), variance = Of(ParameterRole.RunningVariance, 1),
            bias = layer.Parameters is [_, var own] ? [.. _values(own).Select(value => (double)value)]
                : new double[norm.Shape.C];
        int length = w.Length / norm.Shape.C;
        for (int k = 0; k < norm.Shape.C; k++)
        {
            double factor = scale[k] / Math.Sqrt(variance[k] + epsilon);
            foreach (ref float value in w.AsSpan(k * length, length))
                value = (float)(value * factor);
            bias[k] = (bias[k] - mean[k]) * factor + shift[k];
        }
        string x = of.Input[0];
        of.Input.Clear();
        of.Input.AddRange([x, Constant(weight.Name, weight.Dimensions, w),
            Constant($"{layer.Name}.bias", [norm.Shape.C], [.. bias.Select(value => (float)value)])]);
        (of.Name, of.Output[0]) = (norm.Name, norm.Name);
        if (_matrices.Contains(layer))
            _matrices.Add(norm);
        return true;

        double[] Of(ParameterRole role, double otherwise)
            => norm.Parameters.FirstOrDefault(parameter => parameter.Role == role) is { } found
                ? [.. _values(found).Select(value => (double)value)]
                : [.. Enumerable.Repeat(otherwise, norm.Shape.C)];

        string Constant(string name, IEnumerable<int> dimensions, float[] folded)
        {
            TensorProto tensor = OnnxExport.TensorOf(Fresh($"{name}/folded"), dimensions, folded);
            Proto.Initializer.Add(tensor);
            return tensor.Name;
        }
    }

    /// <summary>Adds the node that computes the output of a layer.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of the inputs; the parameters of the layer follow them.</param>
    /// <param name="attributes">The attributes of the operator.</param>
    public void Add(Node node, string type, string[] inputs, params AttributeProto[] attributes)
        => AddResult(node, type, [.. inputs, .. node.Parameters.Select(parameter => parameter.Name)],
            attributes: attributes);

    /// <summary>Adds the node that computes the output of a layer from no other values than those given, with a note
    /// for the import.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of all inputs.</param>
    /// <param name="note">What the operator does not say about the layer.</param>
    /// <param name="attributes">The attributes of the operator.</param>
    public void AddResult(Node node, string type, string[] inputs, string note, params AttributeProto[] attributes)
    {
        AddResult(node, type, inputs, attributes: attributes);
        Note(note);
    }

    /// <summary>Notes at the last node what its operator does not say about the layer.</summary>
    public void Note(string note) => Proto.Node[^1].DocString = note;

    /// <summary>Adds the node that computes the output of a layer from no other values than those given.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of all inputs.</param>
    /// <param name="formOf">The index of the input whose form the output has.</param>
    /// <param name="attributes">The attributes of the operator.</param>
    public void AddResult(Node node, string type, string[] inputs, int formOf = 0,
        params AttributeProto[] attributes)
    {
        // Every operator but these two gives its result the form of an input.
        if (type is "Flatten" or "Gemm" || _matrices.Any(matrix => matrix.Name == inputs[formOf]))
            _matrices.Add(node);
        AddNode(type, node.Name, inputs, attributes);
    }

    /// <summary>Adds the node that computes the output of a layer in the form N×C.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of all inputs.</param>
    /// <param name="attributes">The attributes of the operator.</param>
    public void AddMatrix(Node node, string type, string[] inputs, params AttributeProto[] attributes)
    {
        _matrices.Add(node);
        AddNode(type, node.Name, inputs, attributes);
    }

    /// <summary>Adds a node that computes a part of a layer and returns the name of its result.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="name">The name of the part.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of the inputs.</param>
    public string AddPart(Node node, string name, string type, params string[] inputs)
        => AddPart(node, name, type, inputs, []);

    /// <summary>Adds a node with attributes that computes a part of a layer and returns the name of its
    /// result.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="name">The name of the part.</param>
    /// <param name="type">The name of the operator.</param>
    /// <param name="inputs">The names of the inputs.</param>
    /// <param name="attributes">The attributes of the operator.</param>
    public string AddPart(Node node, string name, string type, string[] inputs, AttributeProto[] attributes)
    {
        string part = Fresh($"{node.Name}.{name}");
        AddNode(type, part, inputs, attributes);
        return part;
    }

    /// <summary>Returns the name of a value in the form it has.</summary>
    public static string[] Value(Node node) => [node.Name];

    /// <summary>Returns the name of a value in the form N×C×H×W.</summary>
    public string[] Map(Node node) => [_matrices.Contains(node) ? Reshaped(node, "reshaped", node.Name, 0, -1, 1, 1)
        : node.Name];

    /// <summary>Returns the name of a vector in the form N×C.</summary>
    public string[] Vector(Node node) => [_matrices.Contains(node) ? node.Name
        : Reshaped(node, "reshaped", node.Name, 0, -1)];

    /// <summary>Returns the names of values in the same form.</summary>
    public string[] Alike(IReadOnlyList<Node> nodes)
        => [.. nodes.SelectMany(node => nodes.All(_matrices.Contains) ? Value(node) : Map(node))];

    /// <summary>Adds a constant for a layer and returns its name.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <param name="name">The name of the constant.</param>
    /// <param name="value">The value of all its elements.</param>
    /// <param name="sizes">Its dimensions; none for a scalar.</param>
    public string Constant(Node node, string name, float value, params int[] sizes)
    {
        var values = new float[sizes.Aggregate(1, (product, size) => product * size)];
        Array.Fill(values, value);
        return Constant(node, name, values, sizes);
    }

    /// <summary>Adds constants of one dimension for a layer and returns their name.</summary>
    public string Constant(Node node, string name, long[] values)
    {
        var tensor = new TensorProto
        {
            Name = Fresh($"{node.Name}.{name}"),
            DataType = (int)TensorProto.Types.DataType.Int64,
        };
        tensor.Dims.Add(values.Length);
        tensor.Int64Data.AddRange(values);
        Proto.Initializer.Add(tensor);
        return tensor.Name;
    }

    /// <summary>Adds constants for a layer and returns their name.</summary>
    public string Constant(Node node, string name, float[] values, params int[] sizes)
    {
        TensorProto tensor = OnnxExport.TensorOf(Fresh($"{node.Name}.{name}"), sizes, values);
        Proto.Initializer.Add(tensor);
        return tensor.Name;
    }

    /// <summary>Adds a node that changes the form of a value and returns the name of its result.</summary>
    /// <param name="node">The node of the layer that the names are derived from.</param>
    /// <param name="name">The name of the result.</param>
    /// <param name="value">The name of the value.</param>
    /// <param name="sizes">The sizes: 0 keeps that of the value, −1 stands for the rest.</param>
    public string Reshaped(Node node, string name, string value, params long[] sizes)
        => AddPart(node, name, "Reshape", value, Constant(node, "shape", sizes));

    // (x / max − mean) / deviation, as Normalization computes it, under the name that the layers read.
    private void Normalize(Node input, Normalization normalization)
    {
        normalization.Infer(input.Shape);
        string pixels = Fresh(Pixels);
        Proto.Input.Single().Name = pixels;
        int[] sizes = input.Shape.IsVector ? [normalization.Mean.Count] : [normalization.Mean.Count, 1, 1];
        string share = AddPart(input, "share", "Div", pixels, Constant(input, "max", normalization.MaxValue));
        string centred = AddPart(input, "centred", "Sub", share,
            Constant(input, "mean", [.. normalization.Mean], sizes));
        AddNode("Div", input.Name, [centred,
            Constant(input, "deviation", [.. normalization.StandardDeviation], sizes)], []);
    }

    private void AddNode(string type, string name, string[] inputs, AttributeProto[] attributes)
    {
        var proto = new NodeProto { OpType = type, Name = name };
        proto.Input.AddRange(inputs);
        proto.Output.Add(name);
        proto.Attribute.AddRange(attributes);
        Proto.Node.Add(proto);
    }

    private ValueInfoProto TypeOf(Node node)
    {
        var shape = new TensorShapeProto();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = Samples });
        foreach (int size in _matrices.Contains(node) ? (int[])[node.Shape.C] : [node.Shape.C, node.Shape.H,
            node.Shape.W])
            shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = size });
        return new ValueInfoProto
        {
            Name = node.Name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor
                {
                    ElemType = (int)TensorProto.Types.DataType.Float,
                    Shape = shape,
                },
            },
        };
    }

    private string Fresh(string name)
    {
        string fresh = name;
        for (int number = 2; !_names.Add(fresh); number++)
            fresh = $"{name}{number}";
        return fresh;
    }
}
