namespace ConvNet.Planning;

/// <summary>When each value of a graph is needed, over one schedule: forward of node i at i, the loss, backward in
/// reverse.</summary>
/// <remarks>A value read by several nodes gets one gradient per edge; the sum is gathered in the gradient of the first
/// edge.</remarks>
internal sealed class Liveness
{
    private readonly Graph _graph;
    private readonly bool[] _wantsGradient;

    /// <summary>Finds the gradients that are wanted: those on a way from a parameter, or from the images where asked,
    /// to the output.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="training">Whether there is a backward pass.</param>
    /// <param name="inputGradient">Whether the gradient of the images is wanted.</param>
    public Liveness(Graph graph, bool training, bool inputGradient)
    {
        (_graph, Training) = (graph, training);
        _wantsGradient = new bool[graph.Nodes.Count];
        foreach (Node node in graph.Nodes)
        {
            _wantsGradient[node.Index] = training && (node.Layer is null
                ? inputGradient
                : node.Parameters.Any(p => p.Trainable) || node.Inputs.Any(WantsGradient));
        }
    }

    /// <summary>Whether there is a backward pass.</summary>
    public bool Training { get; }

    /// <summary>The point of the loss.</summary>
    public int LossPoint => _graph.Nodes.Count;

    /// <summary>The last point of the schedule: the backward pass of the input.</summary>
    public int End => Training ? 2 * _graph.Nodes.Count : LossPoint;

    /// <summary>The point at which a node runs forward.</summary>
    public static int ForwardPoint(Node node) => node.Index;

    /// <summary>The point at which a node runs backward.</summary>
    public int BackwardPoint(Node node) => 2 * _graph.Nodes.Count - node.Index;

    /// <summary>Whether the gradient of a node's output is wanted.</summary>
    public bool WantsGradient(Node node) => _wantsGradient[node.Index];

    /// <summary>When the output of a node is needed.</summary>
    public Lifetime Value(Node node, long length)
    {
        int last = node == _graph.Output ? LossPoint : ForwardPoint(node);
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

    /// <summary>When the gradient on the edge from a node to its consumer number <paramref name="edge"/> is
    /// needed.</summary>
    public Lifetime EdgeGradient(Node node, int edge, long length)
        => new(length, BackwardPoint(node.Consumers[edge]), BackwardPoint(node));

    /// <summary>When the gradient of the output is needed.</summary>
    public Lifetime OutputGradient(long length) => new(length, LossPoint, BackwardPoint(_graph.Output));

    /// <summary>When what a node keeps from forward to backward is needed.</summary>
    public Lifetime Saved(Node node, long length)
        => new(length, ForwardPoint(node), WantsGradient(node) ? BackwardPoint(node) : ForwardPoint(node));
}
