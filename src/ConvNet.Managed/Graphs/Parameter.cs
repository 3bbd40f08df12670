namespace ConvNet;

/// <summary>A trainable tensor or a buffer of one node; its values live in the executables.</summary>
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

    /// <summary>The node that it belongs to.</summary>
    public Node Node { get; }

    /// <summary>The name in the graph, as <c>conv1.weight</c>.</summary>
    public string Name { get; }

    /// <summary>What it is for.</summary>
    public ParameterRole Role { get; }

    /// <summary>Its sizes, the outermost first.</summary>
    public IReadOnlyList<int> Dimensions { get; }

    /// <summary>The number of values.</summary>
    public int Length { get; }

    /// <summary>Inputs that one output sums over.</summary>
    public long FanIn { get; }

    /// <summary>Outputs that one input reaches.</summary>
    public long FanOut { get; }

    /// <summary>True when the optimiser moves it, unless it is frozen; false for a buffer, which the forward pass
    /// updates.</summary>
    public bool Trainable { get; }

    /// <summary>How it starts.</summary>
    public InitialValue Initial { get; }

    /// <summary>The position among <see cref="Graph.Parameters"/>.</summary>
    public int Index { get; }

    /// <summary>Name and dimensions.</summary>
    public override string ToString() => $"{Name} ({string.Join("×", Dimensions)})";
}
