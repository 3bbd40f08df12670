using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

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

    /// <summary>The fused activation that gives the output. The identity if there is none.</summary>
    public cn_activation Activation { get; internal set; }

    /// <summary>The activation whose slope the gradient of the output is multiplied by before the backward pass of the
    /// operation. The identity if there is none.</summary>
    public cn_activation Slope { get; internal set; }

    /// <summary>Whether the gradient of the output includes the slope, because a max pool that reads the output takes
    /// it over.</summary>
    public bool SlopeIsMoved { get; internal set; }

    /// <summary>Whether the gradient of the output is multiplied by a slope.</summary>
    public bool HasSlope => Slope.IsFusable;

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
/// The output of a flatten or reshape layer is always the same value as its input. In inference, so is the output of
/// dropout. All further rules require fusion. Except for the last rule, the fused node must be the only reader of the
/// value. An activation whose slope its output determines is fused into a convolution, a linear layer, a batch
/// normalisation or a sum. Its backward pass moves behind a max pool that is its only reader. A sum of two values is
/// fused into a convolution or a batch normalisation. A pooling layer is fused into a convolution if its backward pass
/// does not need its input. In an executable for inference only, a batch normalisation is folded into the convolution
/// before it. In training, a convolution also computes the statistics for a batch normalisation that reads it.
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
        var ordered = new List<Operation?>();
        var indexOf = new Dictionary<Operation, int>();
        Value Append(Operation operation)
        {
            indexOf[operation] = ordered.Count;
            ordered.Add(operation);
            return operation.Output;
        }
        foreach (Node input in graph.Inputs)
            values[input.Index] = new Value(input, null);
        foreach (Node node in graph.LayerNodes)
        {
            Value x = values[node.Inputs[0].Index];
            if (node.Layer is Flatten or Reshape || node.Layer is RandomDrop && pass.Kind != PassKind.Training)
                values[node.Index] = x;
            else if (pass.Fuse && Fuse(node, x, pass))
                values[node.Index] = x;
            else if (pass.Fuse && FuseSum(node, values) is { } sum)
            {
                // The operation takes the position of the sum, where both operands are available.
                ordered[indexOf[sum]] = null;
                values[node.Index] = Append(sum);
            }
            else
            {
                values[node.Index] = Append(new Operation(node, node.Inputs.Select(input => values[input.Index])));
            }
        }
        List<Operation> operations = [.. ordered.OfType<Operation>()];
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
            MoveSlope(pool);
        foreach (Operation conv in operations.Where(operation => operation.Node.Layer is Conv2d))
            conv.GivesStatistics = pass.Fuse && conv.Pool is null && pass.Kind == PassKind.Training
                && conv.Output.Uses.Any(use => Normalises(use, conv.Output));
        return new FusedGraph(operations, Of(graph.Inputs), Of(graph.Outputs), objectives);
    }

    // The slope of an activation can be applied at the output of a max pool that follows it, where there are fewer
    // elements.
    private static void MoveSlope(Operation pool)
    {
        Value x = pool.Inputs[0];
        if (x.Producer is { HasSlope: true } producer && x.Uses.Count == 1 && !x.HasLoss
            && Commutes(producer.Slope, LoweringTable.PoolOf(pool.Node)!))
            (producer.Slope, pool.Slope, producer.SlopeIsMoved) = (default, producer.Slope, true);
    }

    // Returns whether the gradient of a pool's input has the same bits if the slope of the activation before the pool
    // is applied at the output of the pool. The output of a max pool is the value of the winner, which determines the
    // slope. But if windows overlap, a pixel's gradient is a sum, and only 0 and 1 distribute over it without rounding.
    private static bool Commutes(cn_activation activation, PoolKernel pool)
        => pool.Kind == cn_pool_kind.CN_POOL_MAX && !activation.NeedsInput
        && (activation.IsGate || !pool.Overlaps);

    // Returns whether the backward pass of the pool works without its input: either the winners are stored and the
    // slope of an activation before the pool can be applied after it, or the pool is an average without an activation
    // before it.
    private static bool PoolsBack(Node pool, Operation producer)
        => LoweringTable.PoolOf(pool) is { } kernel && (producer.Activation.IsFusable
            ? kernel.HasWinners && Commutes(producer.Activation, kernel)
            : kernel.HasWinners || kernel.Kind == cn_pool_kind.CN_POOL_AVERAGE);

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
            if (x.Producer is not
                { Activation.IsFusable: false, Sums: false, Pool: null, Node.Layer: Conv2d or BatchNorm2d } producer
                || !AloneReads(node, i, x))
                continue;
            producer.Absorb(node, values[node.Inputs[1 - i].Index]);
            return producer;
        }
        return null;
    }

    // A slope that is computed from the input of the activation needs it in the backward pass. Only a batch
    // normalisation has it then: it recomputes its output from its own input.
    private static bool KeepsItsInput(Operation operation, PassSpec pass) => pass.Kind != PassKind.Training
        || operation is { Node.Layer: BatchNorm2d, Sums: false } && !pass.Frozen.Contains(operation.Node);

    private static bool Fuse(Node node, Value x, PassSpec pass)
    {
        if (x.Producer is not { Pool: null } producer || !AloneReads(node, 0, x))
            return false;
        switch (node.Layer)
        {
            case MaxPool2d or AvgPool2d when producer is { Node.Layer: Conv2d, Sums: false }
                && LoweringTable.PoolOf(node) is { IsFusable: true }
                && (pass.Kind != PassKind.Training || PoolsBack(node, producer)):
                producer.Pool = node;
                producer.Absorb(node);
                return true;
            case not null when LoweringTable.ActivationOf(node) is { IsFusable: true } activation
                && producer is { Activation.IsFusable: false, Node.Layer: Conv2d or Linear or BatchNorm2d or Add }
                && (!activation.NeedsInput || KeepsItsInput(producer, pass)):
                producer.Activation = producer.Slope = activation;
                producer.Absorb(node);
                return true;
            case BatchNorm2d when pass.Kind == PassKind.Inference
                && producer is { Node.Layer: Conv2d, Norm: null, Sums: false, Activation.IsFusable: false }:
                producer.Norm = node;
                producer.Absorb(node);
                return true;
            default:
                return false;
        }
    }
}
