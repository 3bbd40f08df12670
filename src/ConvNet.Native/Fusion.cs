namespace ConvNet.Native;

/// <summary>A value of the graph that lies in memory: the images, or what an operation writes.</summary>
internal sealed class Value(Node node, Operation? producer)
{
    private readonly List<Use> _uses = [];

    /// <summary>The node whose values these are; after fusion the last of the nodes that were fused.</summary>
    public Node Node { get; internal set; } = node;

    /// <summary>What writes it; null for the images.</summary>
    public Operation? Producer { get; } = producer;

    /// <summary>Who reads it, in the order of the operations.</summary>
    public IReadOnlyList<Use> Uses => _uses;

    internal void AddUse(Use use) => _uses.Add(use);
}

/// <summary>One place at which an operation reads a value.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Input">The number of the input.</param>
internal readonly record struct Use(Operation Operation, int Input);

/// <summary>A layer of the graph, with what was fused into it.</summary>
internal sealed class Operation
{
    private readonly Value[] _inputs;
    private readonly List<Node> _fused = [];

    /// <summary>Makes the operation of a node.</summary>
    public Operation(Node node, Value[] inputs)
    {
        (Node, _inputs, Output) = (node, inputs, new Value(node, this));
        for (int i = 0; i < inputs.Length; i++)
            inputs[i].AddUse(new Use(this, i));
    }

    /// <summary>The node whose layer computes.</summary>
    public Node Node { get; }

    /// <summary>What it reads.</summary>
    public IReadOnlyList<Value> Inputs => _inputs;

    /// <summary>What it writes.</summary>
    public Value Output { get; }

    /// <summary>The batch normalisation whose running statistics are folded into the weights; null where none is.</summary>
    public Node? Norm { get; internal set; }

    /// <summary>The nodes that run inside it, in their order.</summary>
    public IReadOnlyList<Node> Fused => _fused;

    /// <summary>Whether the output is cut off at zero.</summary>
    public bool Relu { get; internal set; }

    /// <summary>Whether the gradient of the output is cut to zero where the output is zero: the backward pass of a ReLU.</summary>
    public bool CutsGradient { get; internal set; }

    /// <summary>Lets a node that reads the output run inside the operation; what it writes is now the output.</summary>
    internal void Absorb(Node node)
    {
        _fused.Add(node);
        Output.Node = node;
    }
}

/// <summary>A graph after fusion.</summary>
/// <param name="Operations">The operations in the order of the nodes.</param>
/// <param name="Input">The images.</param>
/// <param name="Output">The scores.</param>
internal sealed record FusedGraph(IReadOnlyList<Operation> Operations, Value Input, Value Output);

/// <summary>First planning pass: finds the operations of a graph.</summary>
/// <remarks>
/// Always: a flattened value is the value itself, as is, in inference, one that went through dropout. With fusion: a ReLU that
/// alone reads a convolution, a dense layer, a batch normalisation or a sum becomes part of it, its backward pass moves behind a max
/// pool that alone reads it, and in an executable for inference only a batch normalisation that alone reads a convolution is folded in.
/// </remarks>
internal static class Fusion
{
    /// <summary>Finds the operations.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pass">What the pass is for, and whether to fuse.</param>
    public static FusedGraph Apply(Graph graph, PassSpec pass)
    {
        var values = new Value[graph.Nodes.Count];
        var operations = new List<Operation>();
        values[0] = new Value(graph.Input, null);
        foreach (Node node in graph.Nodes)
        {
            if (node.Layer is null)
                continue;
            Value x = values[node.Inputs[0].Index];
            if (node.Layer is Flatten || node.Layer is Dropout && pass.Kind != PassKind.Training)
                values[node.Index] = x;
            else if (pass.Fuse && Fuse(node, x, pass.Kind))
                values[node.Index] = x;
            else
            {
                operations.Add(new Operation(node, [.. node.Inputs.Select(input => values[input.Index])]));
                values[node.Index] = operations[^1].Output;
            }
        }
        foreach (Operation pool in operations.Where(operation => operation.Node.Layer is MaxPool2d))
            MoveCut(pool);
        return new FusedGraph(operations, values[0], values[graph.Output.Index]);
    }

    // The gradient of a max pool over a ReLU can be cut before the pool, where there is less of it: a window whose maximum is zero
    // passes nothing on, and in any other the winner is above zero.
    private static void MoveCut(Operation pool)
    {
        Value x = pool.Inputs[0];
        if (x.Producer is { CutsGradient: true } producer && x.Uses.Count == 1)
            (producer.CutsGradient, pool.CutsGradient) = (false, true);
    }

    private static bool Fuse(Node node, Value x, PassKind kind)
    {
        // A value that others read too, or read through a flatten, must stay as it is.
        if (x.Producer is not { Relu: false } producer || x.Node != node.Inputs[0] || x.Node.Consumers.Count > 1)
            return false;
        switch (node.Layer)
        {
            case Relu when producer.Node.Layer is Conv2d or Dense or BatchNorm2d or Add:
                producer.Relu = producer.CutsGradient = true;
                producer.Absorb(node);
                return true;
            case BatchNorm2d when kind == PassKind.Inference && producer is { Node.Layer: Conv2d, Norm: null }:
                producer.Norm = node;
                producer.Absorb(node);
                return true;
            default:
                return false;
        }
    }
}
