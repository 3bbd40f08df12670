namespace ConvNet.GradientChecking;

/// <summary>An operation that reads a tensor.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Position">The position of the reading node in the operation.</param>
/// <param name="Input">The index of the node's input.</param>
internal readonly record struct TensorUse(TracedOperation Operation, int Position, int Input);

/// <summary>The operations of a pass and the tensors between them.</summary>
internal sealed class PlanOutline
{
    private readonly Dictionary<Node, TracedOperation> _byOutput = [];
    private readonly Dictionary<Node, List<TensorUse>> _uses = [];

    /// <summary>Collects the tensors and their readers.</summary>
    /// <param name="operations">The operations in the order in which they run.</param>
    /// <exception cref="InvalidOperationException">An operation reads a tensor inside another one.</exception>
    public PlanOutline(IReadOnlyList<TracedOperation> operations)
    {
        Operations = operations;
        foreach (TracedOperation operation in operations)
            _byOutput[operation.Output] = operation;
        foreach (TracedOperation operation in operations)
        {
            for (int position = 0; position < operation.Nodes.Count; position++)
                AddUses(operation, position);
        }
    }

    /// <summary>The operations in the order in which they run.</summary>
    public IReadOnlyList<TracedOperation> Operations { get; }

    /// <summary>Returns the node whose tensor a node shows: itself if it is an input or the output of an operation,
    /// otherwise the node behind the views.</summary>
    public Node Source(Node node)
    {
        while (node.Layer is not null && !_byOutput.ContainsKey(node))
        {
            node = node.Inputs.Count == 1 ? node.Inputs[0] : throw new InvalidOperationException(
                $"{node.Place} is read, but no operation of the plan has it as its output.");
        }
        return node;
    }

    /// <summary>The operation that computes the tensor of a node; null for an input.</summary>
    public TracedOperation? ProducerOf(Node source) => _byOutput.GetValueOrDefault(source);

    /// <summary>The readers of a tensor.</summary>
    public IReadOnlyList<TensorUse> UsesOf(Node source) => _uses.TryGetValue(source, out List<TensorUse>? uses)
        ? uses : [];

    private void AddUses(TracedOperation operation, int position)
    {
        Node node = operation.Nodes[position];
        for (int i = 0; i < node.Inputs.Count; i++)
        {
            if (position > 0 && node.Inputs[i] == operation.Nodes[position - 1])
                continue;
            Node source = Source(node.Inputs[i]);
            if (!_uses.TryGetValue(source, out List<TensorUse>? uses))
                _uses.Add(source, uses = []);
            uses.Add(new TensorUse(operation, position, i));
        }
    }
}
