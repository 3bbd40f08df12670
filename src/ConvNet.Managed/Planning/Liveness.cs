namespace ConvNet.Planning;

/// <summary>Determines when each value of a graph is needed. The schedule is: forward of node i at point i, the loss,
/// then backward in reverse order.</summary>
/// <remarks>A value read by several nodes gets one gradient per edge, and one more if it has a loss. They are summed
/// into the first of them.</remarks>
internal sealed class Liveness
{
    private readonly Graph _graph;
    private readonly bool[] _reachesLoss, _wantsGradient;

    /// <summary>Finds the gradients that are needed: those on a path to an output with a loss from a trained parameter
    /// or, if requested, from an input.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="objectives">The outputs that have a loss; empty if there is no backward pass.</param>
    /// <param name="inputGradient">Whether the gradients of the inputs are needed.</param>
    /// <param name="frozen">The parameters that need no gradient.</param>
    public Liveness(Graph graph, IReadOnlyList<Objective> objectives, bool inputGradient, FrozenParameters frozen)
    {
        (_graph, Training, Frozen) = (graph, objectives.Count > 0, frozen);
        _reachesLoss = Losses.Reached(graph, objectives);
        _wantsGradient = new bool[graph.Nodes.Count];
        foreach (Node node in graph.Nodes)
        {
            _wantsGradient[node.Index] = ReachesLoss(node) && (node.Layer is null
                ? inputGradient
                : node.Parameters.Any(frozen.Trains) || node.Inputs.Any(WantsGradient));
        }
    }

    /// <summary>Whether a loss depends on a node's output.</summary>
    public bool ReachesLoss(Node node) => _reachesLoss[node.Index];

    /// <summary>Whether there is a backward pass.</summary>
    public bool Training { get; }

    /// <summary>The parameters that need no gradient.</summary>
    public FrozenParameters Frozen { get; }

    /// <summary>The point at which the loss is computed.</summary>
    public int LossPoint => _graph.Nodes.Count;

    /// <summary>The last point of the schedule: the backward pass of the input.</summary>
    public int End => Training ? 2 * _graph.Nodes.Count : LossPoint;

    /// <summary>The point at which a node runs forward; inputs are available from the beginning.</summary>
    public static int ForwardPoint(Node node) => node.Layer is null ? 0 : node.Index;

    /// <summary>The point at which a node runs backward; gradients of inputs are kept until the end.</summary>
    public int BackwardPoint(Node node) => node.Layer is null ? End : 2 * _graph.Nodes.Count - node.Index;

    /// <summary>Whether the gradient of a node's output is needed.</summary>
    public bool WantsGradient(Node node) => _wantsGradient[node.Index];

    /// <summary>The lifetime of the output of a node.</summary>
    public Lifetime Value(Node node, long length)
    {
        int last = node.IsOutput ? LossPoint : ForwardPoint(node);
        foreach (Node consumer in node.Consumers)
        {
            last = Math.Max(last, ForwardPoint(consumer));
            if (WantsGradient(consumer) && consumer.Layer!.BackwardReads.HasFlag(BackwardReads.Inputs))
                last = Math.Max(last, BackwardPoint(consumer));
        }
        if (WantsGradient(node) && node.Layer is { } layer && layer.BackwardReads.HasFlag(BackwardReads.Output))
            last = BackwardPoint(node);
        return new Lifetime(length, ForwardPoint(node), last);
    }

    /// <summary>The lifetime of the gradient on the edge from a node to its consumer with index
    /// <paramref name="edge"/>.</summary>
    public Lifetime EdgeGradient(Node node, int edge, long length)
        => new(length, BackwardPoint(node.Consumers[edge]), BackwardPoint(node));

    /// <summary>The lifetime of the gradient of an output that its loss computes.</summary>
    public Lifetime LossGradient(Node output, long length) => new(length, LossPoint, BackwardPoint(output));

    /// <summary>The lifetime of the data that a node saves from its forward pass for its backward pass.</summary>
    public Lifetime Saved(Node node, long length)
        => new(length, ForwardPoint(node), WantsGradient(node) ? BackwardPoint(node) : ForwardPoint(node));
}
