namespace ConvNet;

/// <summary>A trainable tensor or a buffer of one node. Its values are stored in the executables.</summary>
public sealed class Parameter
{
    internal Parameter(Node node, ParameterSpec spec, int index)
    {
        (Node, Role, Dimensions, FanIn, FanOut, Index) = (node, spec.Role, spec.Dimensions, spec.FanIn, spec.FanOut,
            index);
        Name = $"{node.Name}.{spec.Name}";
        Length = spec.Length;
        Trainable = spec.Trainable;
        Initial = spec.Initial;
    }

    /// <summary>The node to which it belongs.</summary>
    public Node Node { get; }

    /// <summary>The name in the graph, such as <c>conv1.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The role of the parameter in its layer.</summary>
    public ParameterRole Role { get; }

    /// <summary>The sizes of its dimensions, outermost first.</summary>
    public IReadOnlyList<int> Dimensions { get; }

    /// <summary>The number of values.</summary>
    public int Length { get; }

    /// <summary>The fan-in: the number of inputs over which one output sums.</summary>
    public long FanIn { get; }

    /// <summary>The fan-out: the number of outputs to which one input contributes.</summary>
    public long FanOut { get; }

    /// <summary>True if the optimiser updates it unless it is frozen; false for a buffer, which the forward pass
    /// updates.</summary>
    public bool Trainable { get; }

    /// <summary>The kind of initial value.</summary>
    public InitialValue Initial { get; }

    /// <summary>The index in <see cref="Graph.Parameters"/>.</summary>
    public int Index { get; }

    /// <summary>Throws unless the parameter is one of a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="argument">The name of the argument that the parameter is.</param>
    internal void ThrowIfNotOf(Graph graph, string argument)
    {
        if (Node.Graph != graph)
            throw new ArgumentException($"{Name} belongs to another graph. Pass a parameter of this one.", argument);
    }

    /// <summary>Returns the name and the dimensions.</summary>
    public override string ToString() => $"{Name} ({string.Join("×", Dimensions)})";
}
