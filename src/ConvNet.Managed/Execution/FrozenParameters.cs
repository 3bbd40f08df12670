namespace ConvNet;

/// <summary>The trainable parameters of an executable that are not updated.</summary>
/// <remarks>
/// A layer is frozen if it has trainable parameters and all of them are frozen. It then runs as in inference even in a
/// training pass: batch normalisation uses its running statistics and does not update them. This corresponds to a
/// PyTorch module after <c>requires_grad_(False)</c> and <c>eval()</c>.
/// </remarks>
public sealed class FrozenParameters
{
    private readonly HashSet<Parameter> _parameters;

    internal FrozenParameters(IEnumerable<Parameter> parameters) => _parameters = [.. parameters];

    /// <summary>The empty set: no parameter is frozen.</summary>
    internal static FrozenParameters None { get; } = new([]);

    /// <summary>Gets the parameters that the parameter groups of an optimiser freeze from the start.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="optimizer">The optimiser.</param>
    public static FrozenParameters Of(Graph graph, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(optimizer);
        return new(graph.Parameters.Where(p => p.Trainable && optimizer.GroupOf(p) is { Frozen: true }));
    }

    /// <summary>Whether a parameter is frozen.</summary>
    /// <param name="parameter">A parameter or a buffer; a buffer is never frozen.</param>
    public bool Contains(Parameter parameter) => _parameters.Contains(parameter);

    /// <summary>Whether a parameter gets a gradient and is updated.</summary>
    /// <param name="parameter">A parameter or a buffer.</param>
    public bool Trains(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return parameter.Trainable && !_parameters.Contains(parameter);
    }

    /// <summary>Whether a layer runs as in inference because all of its trainable parameters are frozen.</summary>
    /// <param name="node">The node of the layer.</param>
    public bool Contains(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return node.Parameters.Any(_parameters.Contains) && !node.Parameters.Any(Trains);
    }

    /// <summary>The frozen parameters in the order of the graph.</summary>
    internal IEnumerable<Parameter> In(Graph graph) => graph.Parameters.Where(_parameters.Contains);

    /// <summary>Whether both sets contain the same parameters.</summary>
    internal bool IsSameAs(FrozenParameters other) => _parameters.SetEquals(other._parameters);
}
