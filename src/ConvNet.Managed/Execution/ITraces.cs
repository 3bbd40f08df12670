namespace ConvNet;

/// <summary>An executable that shows the tensors that its operations exchange, and lets the caller replace them.
/// </summary>
/// <remarks>
/// A check can so compare each operation of the plan that trains with a reference on the very values that the operation
/// read, and can give every operation values of its own choice, such as whole numbers.
/// </remarks>
public interface ITraces
{
    /// <summary>The operations of the training pass in the order of the forward pass; empty in an executable for
    /// inference only.</summary>
    IReadOnlyList<TracedOperation> TrainingOperations { get; }

    /// <summary>The operations of <see cref="IExecutable.Infer"/> in the order in which they run.</summary>
    IReadOnlyList<TracedOperation> InferenceOperations { get; }

    /// <summary>Called for each tensor as soon as it is complete and before anything reads it. Null, the default, shows
    /// nothing and costs nothing.</summary>
    /// <remarks>
    /// During <see cref="IExecutable.Forward"/> and <see cref="IExecutable.Infer"/>: the output of each operation.
    /// During a backward pass: for each operation whose backward pass runs, the complete gradient of its output, before
    /// the operation reads it, and each output that is recomputed. Inputs of the graph are not shown. An exception of
    /// the callback ends the pass.
    /// </remarks>
    /// <exception cref="InvalidOperationException">A pass is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable is disposed.</exception>
    TraceCallback? Trace { get; set; }
}

/// <summary>Nodes that an executable runs as one operation.</summary>
/// <param name="Nodes">The nodes. The first is the operation itself, each further one reads the output of the one
/// before it, and the output of the last is the output of the operation. Nodes that only view a tensor in another
/// shape, and dropout in inference, belong to no operation.</param>
public sealed record TracedOperation(IReadOnlyList<Node> Nodes)
{
    /// <summary>The node of the operation itself, which reads the inputs.</summary>
    public Node Node => Nodes[0];

    /// <summary>The node whose output is the output of the operation.</summary>
    public Node Output => Nodes[^1];

    /// <summary>Returns the names of the nodes, such as <c>conv1 + relu1</c>.</summary>
    public override string ToString() => string.Join(" + ", Nodes.Select(node => node.Name));
}

/// <summary>What a traced tensor is.</summary>
public enum TracedKind
{
    /// <summary>The output of an operation.</summary>
    Output,

    /// <summary>The output of an operation, computed again for the backward pass.</summary>
    RecomputedOutput,

    /// <summary>The gradient of the output of an operation: the sum over its readers and the losses. An operation with
    /// a fused activation multiplies it by the slope at the output that it computed, not at one that replaced
    /// it.</summary>
    Gradient,

    /// <summary>The gradient of the output, already multiplied by the slope of the activation that is fused into the
    /// operation: dy·f′(y), where f is the last activation among its nodes and y the output as its readers see it. Of a
    /// max pool without one, f is the activation that gives its input, whose own gradient then includes the slope
    /// too.</summary>
    /// <remarks>A max pool without an activation among its nodes may take over the slope of the operation whose output
    /// it reads. f is then that operation's activation, and the gradient that the pool passes back is that operation's
    /// <see cref="GradientBeforeActivation"/>: it is not multiplied by the slope once more.</remarks>
    GradientBeforeActivation,
}

/// <summary>A tensor between two operations.</summary>
/// <param name="operation">The operation that computes the tensor, or whose output has this gradient.</param>
/// <param name="kind">What the tensor is.</param>
/// <param name="n">The number of samples.</param>
/// <param name="values">The values, N×C×H×W.</param>
/// <param name="isReplaceable">Whether the values can be replaced.</param>
public readonly ref struct TracedTensor(TracedOperation operation, TracedKind kind, int n, Span<float> values,
    bool isReplaceable)
{
    /// <summary>The operation that computes the tensor, or whose output has this gradient.</summary>
    public TracedOperation Operation { get; } = operation;

    /// <summary>What the tensor is.</summary>
    public TracedKind Kind { get; } = kind;

    /// <summary>The number of samples.</summary>
    public int N { get; } = n;

    /// <summary>The values, N×C×H×W. If <see cref="IsReplaceable"/>, the callback may write other values, and returns
    /// true to make every later reader use them.</summary>
    public Span<float> Values { get; } = values;

    /// <summary>Whether every later reader uses values that the callback writes. False where a kernel has already read
    /// the tensor, as one that also computes the statistics of its output, where the memory belongs to another tensor
    /// as well, and where the backend does not support it.</summary>
    public bool IsReplaceable { get; } = isReplaceable;
}

/// <summary>Receives a traced tensor.</summary>
/// <param name="tensor">The tensor. It is valid during the call only.</param>
/// <returns>Whether the callback has written other values.</returns>
public delegate bool TraceCallback(TracedTensor tensor);
