using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>A value of the graph that is stored in memory: an input, or the output of an operation.</summary>
internal sealed class Value(Node node, Operation? producer)
{
    private readonly List<Use> _uses = [];

    /// <summary>The node that the value belongs to. After fusion, the last of the fused nodes.</summary>
    public Node Node { get; internal set; } = node;

    /// <summary>The operation that writes the value. Null for an input.</summary>
    public Operation? Producer { get; } = producer;

    /// <summary>The operations that read the value, in execution order.</summary>
    public IReadOnlyList<Use> Uses => _uses;

    /// <summary>Whether the value is an output with a loss, which contributes to its gradient.</summary>
    public bool HasLoss { get; internal set; }

    internal void AddUse(Use use) => _uses.Add(use);
}

/// <summary>A use of a value as an input of an operation.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Input">The index of the input.</param>
internal readonly record struct Use(Operation Operation, int Input);

/// <summary>A layer of the graph together with the nodes fused into it.</summary>
internal sealed class Operation
{
    private readonly List<Value> _inputs;
    private readonly List<Node> _fused = [];

    /// <summary>Initialises the operation of a node.</summary>
    public Operation(Node node, IEnumerable<Value> inputs)
        => (Node, _inputs, Output) = (node, [.. inputs], new Value(node, this));

    /// <summary>The node whose layer the operation runs.</summary>
    public Node Node { get; }

    /// <summary>The inputs: those of the node, then the residual input if <see cref="Sums"/> is true.</summary>
    public IReadOnlyList<Value> Inputs => _inputs;

    /// <summary>The output.</summary>
    public Value Output { get; }

    /// <summary>The batch normalisation whose running statistics are folded into the weights. Null if there is
    /// none.</summary>
    public Node? Norm { get; internal set; }

    /// <summary>The nodes fused into the operation, in execution order.</summary>
    public IReadOnlyList<Node> Fused => _fused;

    /// <summary>Whether a fused sum adds the last input to the result of the layer.</summary>
    public bool Sums { get; private set; }

    /// <summary>The pooling layer fused into the operation. Null if there is none. No node is fused after it.</summary>
    public Node? Pool { get; internal set; }

    /// <summary>Whether the operation also computes the row statistics of its output, for the batch normalisation that
    /// reads it.</summary>
    public bool GivesStatistics { get; internal set; }

    /// <summary>Whether the operation runs as in inference because its parameters are frozen.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>Whether a fused ReLU clamps the output at zero.</summary>
    public bool Relu { get; internal set; }

    /// <summary>Whether the gradient of the output is set to zero where the output is zero: the backward pass of a
    /// ReLU.</summary>
    public bool CutsGradient { get; internal set; }

    /// <summary>Fuses a node that reads the output into the operation. Its output becomes that of the
    /// operation.</summary>
    internal void Absorb(Node node)
    {
        _fused.Add(node);
        Output.Node = node;
    }

    /// <summary>Fuses a sum into the operation.</summary>
    /// <param name="sum">The sum.</param>
    /// <param name="other">The value that is added to the output.</param>
    internal void Absorb(Node sum, Value other)
    {
        Absorb(sum);
        _inputs.Add(other);
        Sums = true;
    }
}

/// <summary>A graph after fusion.</summary>
/// <param name="Operations">The operations in execution order.</param>
/// <param name="Inputs">The inputs, in the order of the graph's inputs.</param>
/// <param name="Outputs">The outputs, in the order of the graph's outputs. A value occurs more than once if both it and
/// its flattened form are outputs.</param>
/// <param name="Objectives">The outputs that have a loss, in the order of the objectives of the pass.</param>
internal sealed record FusedGraph(IReadOnlyList<Operation> Operations, IReadOnlyList<Value> Inputs,
    IReadOnlyList<Value> Outputs, IReadOnlyList<Value> Objectives);

/// <summary>First planning pass: determines the operations of a graph.</summary>
/// <remarks>
/// The output of a flatten layer is always the same value as its input. In inference, so is the output of dropout. All
/// further rules require fusion. Except for the last rule, the fused node must be the only reader of the value. A ReLU
/// is fused into a convolution, a linear layer, a batch normalisation or a sum. Its backward pass moves behind a max
/// pool that is its only reader. A sum of two values is fused into a convolution or a batch normalisation. A pooling
/// layer is fused into a convolution if its backward pass does not need its input. In an executable for inference only,
/// a batch normalisation is folded into the convolution before it. In training, a convolution also computes the
/// statistics for a batch normalisation that reads it.
/// </remarks>
internal static class Fusion
{
    /// <summary>Determines the operations.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pass">The pass specification, which includes whether to fuse.</param>
    public static FusedGraph Apply(Graph graph, PassSpec pass)
    {
        var values = new Value[graph.Nodes.Count];
        // The operations in execution order. An operation that a sum moves to a later position leaves a null entry.
        var places = new List<Operation?>();
        var placeOf = new Dictionary<Operation, int>();
        Value Place(Operation operation)
        {
            placeOf[operation] = places.Count;
            places.Add(operation);
            return operation.Output;
        }
        foreach (Node input in graph.Inputs)
            values[input.Index] = new Value(input, null);
        foreach (Node node in graph.LayerNodes)
        {
            Value x = values[node.Inputs[0].Index];
            if (node.Layer is Flatten || node.Layer is Dropout && pass.Kind != PassKind.Training)
                values[node.Index] = x;
            else if (pass.Fuse && Fuse(node, x, pass.Kind))
                values[node.Index] = x;
            else if (pass.Fuse && FuseSum(node, values) is { } sum)
            {
                // The operation takes the position of the sum, where both operands are available.
                places[placeOf[sum]] = null;
                values[node.Index] = Place(sum);
            }
            else
            {
                values[node.Index] = Place(new Operation(node, node.Inputs.Select(input => values[input.Index])));
            }
        }
        List<Operation> operations = [.. places.OfType<Operation>()];
        foreach (Operation operation in operations)
        {
            operation.IsFrozen = pass.Frozen.Contains(operation.Node);
            for (int i = 0; i < operation.Inputs.Count; i++)
                operation.Inputs[i].AddUse(new Use(operation, i));
        }
        Value[] Of(IEnumerable<Node> nodes) => [.. nodes.Select(node => values[node.Index])];
        Value[] objectives = Of(pass.Objectives.Select(objective => objective.Output));
        foreach (Value value in objectives)
            value.HasLoss = true;
        foreach (Operation pool in operations.Where(operation => operation.Node.Layer is MaxPool2d))
            MoveCut(pool);
        foreach (Operation conv in operations.Where(operation => operation.Node.Layer is Conv2d))
            conv.GivesStatistics = pass.Fuse && conv.Pool is null && pass.Kind == PassKind.Training
                && conv.Output.Uses.Any(use => Normalises(use, conv.Output));
        return new FusedGraph(operations, Of(graph.Inputs), Of(graph.Outputs), objectives);
    }

    // The backward mask of a ReLU can be applied at the output of a max pool that follows it, where there are fewer
    // elements. A window whose maximum is zero propagates no gradient. In any other window the winner is positive.
    private static void MoveCut(Operation pool)
    {
        Value x = pool.Inputs[0];
        if (x.Producer is { CutsGradient: true } producer && x.Uses.Count == 1 && !x.HasLoss)
            (producer.CutsGradient, pool.CutsGradient) = (false, true);
    }

    // Returns whether the backward pass of the pool works without its input: either the winners are stored, which
    // account for a ReLU, or the pool is an average without a ReLU before it.
    private static bool PoolsBack(Node pool, Operation producer)
        => LoweringTable.PoolOf(pool) is { } kernel
            && (kernel.HasWinners || kernel.Kind == cn_pool_kind.CN_POOL_AVERAGE && !producer.Relu);

    private static bool Normalises(Use use, Value x)
        => use is { Input: 0, Operation: { IsFrozen: false, Node.Layer: BatchNorm2d } }
        && use.Operation.Node.Inputs[0] == x.Node;

    // A value that is an output or has other readers, including readers of its flattened form, must stay unchanged.
    private static bool AloneReads(Node node, int input, Value x) => x.Node == node.Inputs[input]
        && x.Node.Consumers.Count == 1 && !x.Node.IsOutput;

    // Returns the operation that a sum of two values is fused into, or null if there is none.
    private static Operation? FuseSum(Node node, Value[] values)
    {
        if (node is not { Layer: Add, Inputs.Count: 2 })
            return null;
        for (int i = 0; i < 2; i++)
        {
            Value x = values[node.Inputs[i].Index];
            if (x.Producer is not { Relu: false, Sums: false, Pool: null, Node.Layer: Conv2d or BatchNorm2d } producer
                || !AloneReads(node, i, x))
                continue;
            producer.Absorb(node, values[node.Inputs[1 - i].Index]);
            return producer;
        }
        return null;
    }

    private static bool Fuse(Node node, Value x, PassKind kind)
    {
        if (x.Producer is not { Pool: null } producer || !AloneReads(node, 0, x))
            return false;
        switch (node.Layer)
        {
            case MaxPool2d or AvgPool2d when producer is { Node.Layer: Conv2d, Sums: false }
                && (kind != PassKind.Training || PoolsBack(node, producer)):
                producer.Pool = node;
                producer.Absorb(node);
                return true;
            case Relu when producer is { Relu: false, Node.Layer: Conv2d or Linear or BatchNorm2d or Add }:
                producer.Relu = producer.CutsGradient = true;
                producer.Absorb(node);
                return true;
            case BatchNorm2d when kind == PassKind.Inference
                && producer is { Node.Layer: Conv2d, Norm: null, Sums: false, Relu: false }:
                producer.Norm = node;
                producer.Absorb(node);
                return true;
            default:
                return false;
        }
    }
}
