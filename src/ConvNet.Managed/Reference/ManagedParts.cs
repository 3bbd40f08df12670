using ConvNet.Planning;
using ConvNet.Profiling;

namespace ConvNet;

/// <summary>The indices of the recorded parts of one node; null for a part that the node does not have.</summary>
/// <param name="Forward">The computation of its output.</param>
/// <param name="Sum">The sum of the gradients of its consumers.</param>
/// <param name="Data">The gradient of its inputs, if it is computed separately from that of its weights.</param>
/// <param name="Weights">The gradient of its weights, if it is computed separately from that of its inputs.</param>
/// <param name="Gradient">All of its gradients, if they are computed together.</param>
internal readonly record struct NodeParts(int? Forward, int? Sum, int? Data, int? Weights, int? Gradient);

/// <summary>The parts of a managed pass that a recording times: the layers' loops, the loss and the optimiser's
/// step.</summary>
internal sealed class ManagedParts
{
    private const string Loops = "loops in C#";

    private readonly List<LayerProfile> _all = [];
    private readonly NodeParts[] _nodes;
    private readonly Liveness _liveness;
    private readonly IReadOnlyList<Objective> _objectives;
    private readonly int _batch, _threads, _valueBytes;

    /// <summary>Lists the parts in the order in which they run.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="liveness">Which gradients are needed.</param>
    /// <param name="objectives">The outputs that have a loss; empty for inference.</param>
    /// <param name="batch">The number of samples in a full batch.</param>
    /// <param name="spec">How the graph is trained; null for inference.</param>
    /// <param name="threads">The maximum number of threads of a layer.</param>
    /// <param name="valueBytes">The size of a value in bytes.</param>
    public ManagedParts(Graph graph, Liveness liveness, IReadOnlyList<Objective> objectives, int batch,
        TrainingSpec? spec, int threads, int valueBytes)
    {
        (_liveness, _objectives, _batch, _threads, _valueBytes) = (liveness, objectives, batch, threads, valueBytes);
        _nodes = new NodeParts[graph.Nodes.Count];
        foreach (Node node in graph.LayerNodes)
            _nodes[node.Index] = new NodeParts
            {
                Forward = Add(node, ProfiledPass.Forward, "forward",
                X(node) + Y(node) + W(node) + Saved(node))
            };
        if (spec is null)
            return;
        string loss = string.Join(" + ", objectives.Select(objective => objective.Loss.GetType().Name)),
            optimizer = spec.Optimizer.GetType().Name;
        Loss = Add(new LayerProfile(loss, Lower(loss), [], ProfiledPass.Loss, "loss", Loops, "",
            string.Join(" + ", objectives.Select(objective => objective.Output.Shape)), 0,
            2 * _valueBytes * objectives.Sum(objective => Y(objective.Output)), 1));
        foreach (Node node in graph.Nodes.Reverse().Where(liveness.WantsGradient))
            _nodes[node.Index] = AddGradients(node);
        long trained = graph.Parameters.Where(liveness.Frozen.Trains).Sum(p => (long)p.Length);
        // Gradients are read; parameters and state are read and written.
        long touched = (3 + 2 * spec.Optimizer.StateNames.Count) * trained;
        Update = Add(new LayerProfile(optimizer, Lower(optimizer), [], ProfiledPass.Update, "step", Loops, "",
            $"{trained}", 0, _valueBytes * touched, 1));
    }

    /// <summary>All parts.</summary>
    public IReadOnlyList<LayerProfile> All => _all;

    /// <summary>The index of the loss.</summary>
    public int Loss { get; }

    /// <summary>The index of the optimiser's step.</summary>
    public int Update { get; }

    /// <summary>The indices of the parts of a node.</summary>
    public NodeParts this[Node node] => _nodes[node.Index];

    private NodeParts AddGradients(Node node)
    {
        NodeParts parts = _nodes[node.Index];
        int gradients = node.Consumers.Count(_liveness.ReachesLoss)
            + _objectives.Count(objective => objective.Output == node);
        if (gradients > 1)
            parts = parts
                with
            {
                Sum = Add(node, ProfiledPass.BackwardData, "sum of gradients", 3 * (gradients - 1)
                * Y(node), multiplyAdds: 0)
            };
        if (node.Layer is not { } layer)
            return parts;
        long dx = node.Inputs.Where(_liveness.WantsGradient).Sum(Y), dw = node.Parameters
            .Where(_liveness.Frozen.Trains).Sum(p => (long)p.Length);
        if (layer.Accuracy == Accuracy.Sums)
        {
            int? data = dx > 0 ? Add(node, ProfiledPass.BackwardData, "backward data", Y(node) + W(node) + dx) : null;
            int? weights = dw > 0 ? Add(node, ProfiledPass.BackwardWeights, "backward weights", Y(node) + X(node) + dw)
                : null;
            return dx > 0 && dw > 0 ? parts with { Data = data, Weights = weights } : parts
                with
            { Gradient = data ?? weights };
        }
        ProfiledPass pass = dw == 0 ? ProfiledPass.BackwardData : dx == 0 ? ProfiledPass.BackwardWeights
            : ProfiledPass.Backward;
        long reads = (layer.BackwardReads.HasFlag(BackwardReads.Inputs) ? X(node) : 0)
            + (layer.BackwardReads.HasFlag(BackwardReads.Output) ? Y(node) : 0);
        return parts
            with
        {
            Gradient = Add(node, pass, "backward", Y(node) + reads + W(node) + Saved(node) + dx + dw,
            pass == ProfiledPass.Backward ? 2 : 1)
        };
    }

    private int Add(Node node, ProfiledPass pass, string kernel, long values, int multiplyAdds = 1)
    {
        Shape[] inputs = node.InputShapes;
        return Add(new LayerProfile(node.Name, node.Layer?.Kind ?? node.Name, [], pass, kernel, Loops, "",
            LayerProfile.ShapeOf(node, node),
            2L * _batch * multiplyAdds * (node.Layer?.MultiplyAdds(inputs) ?? 0), _valueBytes * values, _threads));
    }

    private int Add(LayerProfile part)
    {
        _all.Add(part);
        return _all.Count - 1;
    }

    private long X(Node node) => node.Inputs.Distinct().Sum(Y);

    private long Y(Node node) => (long)_batch * node.Shape.Length;

    private long Saved(Node node) => node.Layer!.SavedLength(_batch, node.InputShapes);

    private static long W(Node node) => node.Parameters.Sum(p => (long)p.Length);

    private static string Lower(string name) => name.ToLowerInvariant();
}
