namespace ConvNet;

/// <summary>The trainable parameters of an executable that are not updated: those that are frozen, and those that no
/// loss depends on.</summary>
/// <remarks>
/// A layer is frozen if it has trainable parameters and all of them are frozen. It then runs as in inference even in a
/// training pass: batch normalisation uses its running statistics and does not update them. This corresponds to a
/// PyTorch module after <c>requires_grad_(False)</c> and <c>eval()</c>. A parameter on which no loss depends has no
/// gradient, so neither weight decay nor momentum moves it, as in PyTorch if <c>grad</c> is <c>None</c>; its layer is
/// not frozen.
/// </remarks>
public sealed class FrozenParameters
{
    private readonly HashSet<Parameter> _parameters, _withoutLoss;

    private FrozenParameters(IEnumerable<Parameter> frozen, IEnumerable<Parameter> withoutLoss)
        => (_parameters, _withoutLoss) = ([.. frozen], [.. withoutLoss]);

    /// <summary>The empty set: every trainable parameter is updated.</summary>
    internal static FrozenParameters None { get; } = new([], []);

    /// <summary>Gets the parameters that the parameter groups of the optimiser freeze from the start, and those that no
    /// loss depends on.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">How it is trained.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> or <paramref name="spec"/> is null.</exception>
    /// <exception cref="ArgumentException">The losses are not those of the graph.</exception>
    public static FrozenParameters Of(Graph graph, TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(spec);
        bool[] reached = Losses.Reached(graph, spec.Losses.For(graph));
        Parameter[] trainable = [.. graph.Parameters.Where(p => p.Trainable)];
        return new(trainable.Where(p => spec.Optimizer.GroupOf(p) is { Frozen: true }),
            trainable.Where(p => !reached[p.Node.Index]));
    }

    /// <summary>Gets another set of frozen parameters for the same losses.</summary>
    internal FrozenParameters With(IEnumerable<Parameter> frozen) => new(frozen, _withoutLoss);

    /// <summary>Whether a parameter is frozen.</summary>
    /// <param name="parameter">A parameter or a buffer; a buffer is never frozen.</param>
    public bool Contains(Parameter parameter) => _parameters.Contains(parameter);

    /// <summary>Whether a parameter gets a gradient and is updated.</summary>
    /// <param name="parameter">A parameter or a buffer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    public bool Trains(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return parameter.Trainable && !_parameters.Contains(parameter) && !_withoutLoss.Contains(parameter);
    }

    /// <summary>Whether no loss depends on a trainable parameter.</summary>
    internal bool IsWithoutLoss(Parameter parameter) => _withoutLoss.Contains(parameter);

    /// <summary>Whether a layer runs as in inference because all of its trainable parameters are frozen.</summary>
    /// <param name="node">The node of the layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="node"/> is null.</exception>
    public bool Contains(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return node.Parameters.Any(_parameters.Contains)
            && node.Parameters.All(p => !p.Trainable || _parameters.Contains(p));
    }

    /// <summary>The frozen parameters in the order of the graph.</summary>
    internal IEnumerable<Parameter> In(Graph graph) => graph.Parameters.Where(_parameters.Contains);

    /// <summary>Whether both sets contain the same parameters.</summary>
    internal bool IsSameAs(FrozenParameters other) => _parameters.SetEquals(other._parameters);
}
