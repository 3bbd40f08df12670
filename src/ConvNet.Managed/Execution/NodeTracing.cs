using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>The tracing of an executable that runs every node as an operation of its own.</summary>
/// <param name="graph">The graph.</param>
/// <param name="trains">Whether the executable trains.</param>
internal sealed class NodeTracing(Graph graph, bool trains)
{
    private readonly TracedOperation?[] _operations = [.. graph.Nodes
        .Select(node => node.Layer is null ? null : new TracedOperation([node]))];

    /// <inheritdoc cref="ITraces.TrainingOperations"/>
    public IReadOnlyList<TracedOperation> Training => trains ? [.. _operations.OfType<TracedOperation>()] : [];

    /// <inheritdoc cref="ITraces.InferenceOperations"/>
    public IReadOnlyList<TracedOperation> Inference
        => [.. _operations.OfType<TracedOperation>().Where(operation => Shows(operation.Node, training: false))];

    /// <inheritdoc cref="ITraces.Trace"/>
    public TraceCallback? Callback { get; set; }

    /// <summary>This object if there is a callback, otherwise null.</summary>
    public NodeTracing? Active => Callback is null ? null : this;

    /// <summary>Shows the output of a node, unless it is a dropout in inference, which belongs to no
    /// operation.</summary>
    public void ShowOutput<T>(Node node, int n, Span<T> values, bool isReplaceable, bool training)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (Shows(node, training))
            Show(node, TracedKind.Output, n, values, isReplaceable);
    }

    /// <summary>Shows the gradient of the output of a node.</summary>
    public void ShowGradient<T>(Node node, int n, Span<T> values, bool isReplaceable)
        where T : unmanaged, IFloatingPointIeee754<T>
        => Show(node, TracedKind.Gradient, n, values, isReplaceable);

    private static bool Shows(Node node, bool training) => training || node.Layer?.RunsInInference == true;

    // Values that are not float32 are shown as a copy. They become those of the copy if the callback replaces any.
    private void Show<T>(Node node, TracedKind kind, int n, Span<T> values, bool isReplaceable)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        TracedOperation operation = _operations[node.Index]!;
        if (typeof(T) == typeof(float))
        {
            Callback!(new TracedTensor(operation, kind, n, MemoryMarshal.Cast<T, float>(values), isReplaceable));
            return;
        }
        var single = new float[values.Length];
        TensorPrimitives.ConvertChecked<T, float>(values, single);
        if (Callback!(new TracedTensor(operation, kind, n, single, isReplaceable)))
            TensorPrimitives.ConvertChecked<float, T>(single, values);
    }
}
