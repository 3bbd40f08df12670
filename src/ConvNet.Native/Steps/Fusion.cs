using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>A value of the graph that lies in memory: an input, or what an operation writes.</summary>
internal sealed class Value(Node node, Operation? producer)
{
    private readonly List<Use> _uses = [];

    /// <summary>The node whose values these are; after fusion the last of the nodes that were fused.</summary>
    public Node Node { get; internal set; } = node;

    /// <summary>What writes it; null for an input.</summary>
    public Operation? Producer { get; } = producer;

    /// <summary>Who reads it, in the order of the operations.</summary>
    public IReadOnlyList<Use> Uses => _uses;

    /// <summary>Whether it is an output that has a loss, so that a part of its gradient comes from there.</summary>
    public bool HasLoss { get; internal set; }

    internal void AddUse(Use use) => _uses.Add(use);
}

/// <summary>One place at which an operation reads a value.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Input">The number of the input.</param>
internal readonly record struct Use(Operation Operation, int Input);

/// <summary>A layer of the graph, with what was fused into it.</summary>
internal sealed class Operation
{
    private readonly List<Value> _inputs;
    private readonly List<Node> _fused = [];

    /// <summary>Makes the operation of a node.</summary>
    public Operation(Node node, IEnumerable<Value> inputs)
        => (Node, _inputs, Output) = (node, [.. inputs], new Value(node, this));

    /// <summary>The node whose layer computes.</summary>
    public Node Node { get; }

    /// <summary>What it reads: the inputs of the node, then what is added where <see cref="Sums"/> says so.</summary>
    public IReadOnlyList<Value> Inputs => _inputs;

    /// <summary>What it writes.</summary>
    public Value Output { get; }

    /// <summary>The batch normalisation whose running statistics are folded into the weights; null where none
    /// is.</summary>
    public Node? Norm { get; internal set; }

    /// <summary>The nodes that run inside it, in their order.</summary>
    public IReadOnlyList<Node> Fused => _fused;

    /// <summary>Whether the last input is added to what the layer computes: a sum that runs inside.</summary>
    public bool Sums { get; private set; }

    /// <summary>The pooling that the output goes through; null where there is none. Nothing else runs behind
    /// it.</summary>
    public Node? Pool { get; internal set; }

    /// <summary>Whether it also gives the statistics of the rows of its output, for a batch normalisation that reads
    /// it.</summary>
    public bool GivesStatistics { get; internal set; }

    /// <summary>Whether it runs as in inference, because its parameters are frozen.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>Whether the output is cut off at zero.</summary>
    public bool Relu { get; internal set; }

    /// <summary>Whether the gradient of the output is cut to zero where the output is zero: the backward pass of a
    /// ReLU.</summary>
    public bool CutsGradient { get; internal set; }

    /// <summary>Lets a node that reads the output run inside the operation; what it writes is now the output.</summary>
    internal void Absorb(Node node)
    {
        _fused.Add(node);
        Output.Node = node;
    }

    /// <summary>Lets a sum run inside the operation.</summary>
    /// <param name="sum">The sum.</param>
    /// <param name="other">What it adds to the output.</param>
    internal void Absorb(Node sum, Value other)
    {
        Absorb(sum);
        _inputs.Add(other);
        Sums = true;
    }
}

/// <summary>A graph after fusion.</summary>
/// <param name="Operations">The operations in the order in which they run.</param>
/// <param name="Inputs">The inputs, in the order of the graph's.</param>
/// <param name="Outputs">The outputs, in the order of the graph's. One value may be several: it and its flattened
/// form.</param>
/// <param name="Objectives">The outputs that have a loss, in the order of the pass's.</param>
internal sealed record FusedGraph(IReadOnlyList<Operation> Operations, IReadOnlyList<Value> Inputs,
    IReadOnlyList<Value> Outputs, IReadOnlyList<Value> Objectives);

/// <summary>First planning pass: finds the operations of a graph.</summary>
/// <remarks>
/// Always: a flattened value is the value itself, as is, in inference, one that went through dropout. With fusion: a
/// ReLU that alone reads a convolution, a linear layer, a batch normalisation or a sum becomes part of it, its backward
/// pass moves behind a max pool that alone reads it, a sum of two that alone reads a convolution or a batch
/// normalisation becomes part of that, a convolution pools its output where the pool alone reads it, and gives a batch
/// normalisation behind it its statistics, and in an executable for inference only such a batch normalisation is folded
/// into the convolution where it alone reads it.
/// </remarks>
internal static class Fusion
{
    /// <summary>Finds the operations.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pass">What the pass is for, and whether to fuse.</param>
    public static FusedGraph Apply(Graph graph, PassSpec pass)
    {
        var values = new Value[graph.Nodes.Count];
        // Where an operation runs; one that a sum moves behind others leaves its place empty.
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
                // It runs when the sum would: only then both sides are there.
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

    // The gradient of a max pool over a ReLU can be cut before the pool, where there is less of it: a window whose
    // maximum is zero passes nothing on, and in any other the winner is above zero.
    private static void MoveCut(Operation pool)
    {
        Value x = pool.Inputs[0];
        if (x.Producer is { CutsGradient: true } producer && x.Uses.Count == 1 && !x.HasLoss)
            (producer.CutsGradient, pool.CutsGradient) = (false, true);
    }

    // Whether the gradient finds its way back without the values that were pooled: by the winners, which know of a
    // ReLU, or as a mean.
    private static bool PoolsBack(Node pool, Operation producer)
        => LoweringTable.PoolOf(pool) is { } kernel
            && (kernel.HasWinners || kernel.Kind == cn_pool_kind.CN_POOL_AVERAGE && !producer.Relu);

    private static bool Normalises(Use use, Value x)
        => use is { Input: 0, Operation: { IsFrozen: false, Node.Layer: BatchNorm2d } }
        && use.Operation.Node.Inputs[0] == x.Node;

    // A value that others read too, or read through a flatten, must stay as it is, and so must an output.
    private static bool AloneReads(Node node, int input, Value x) => x.Node == node.Inputs[input]
        && x.Node.Consumers.Count == 1 && !x.Node.IsOutput;

    // The operation into which a sum of two goes; null where there is none.
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
