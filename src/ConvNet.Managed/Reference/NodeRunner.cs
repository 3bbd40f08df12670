using System.Numerics;
using System.Numerics.Tensors;
using ConvNet.Profiling;

namespace ConvNet;

/// <summary>Runs the nodes of a pass one by one. During a recording, a <see cref="TimedRunner{T}"/> takes its
/// place.</summary>
internal class NodeRunner<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <summary>Computes the output of a node.</summary>
    public virtual void Forward(Node node, in Frame<T> frame) => frame.RunForward(node.Layer!);

    /// <summary>Computes the gradients of a node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="memory">The memory of the node.</param>
    /// <param name="frameOf">Creates a frame of the pass for the given memory.</param>
    public virtual void Backward(Node node, NodeMemory<T> memory, Func<NodeMemory<T>, Frame<T>> frameOf)
        => frameOf(memory).RunBackward(node.Layer!);

    /// <summary>Sums the gradients of a node's consumers into the first one.</summary>
    public virtual void SumGradients(Node node, Memory<T>[] edges, int length)
    {
        // Pairwise, to limit the rounding error of a sum over many consumers.
        for (int apart = 1; apart < edges.Length; apart *= 2)
        {
            for (int edge = 0; edge + apart < edges.Length; edge += 2 * apart)
            {
                Span<T> sum = edges[edge].Span[..length];
                TensorPrimitives.Add(sum, edges[edge + apart].Span[..length], sum);
            }
        }
    }

    /// <summary>Times the loss until the timer is disposed, if a recording is active.</summary>
    public virtual PartTimer TimeLoss() => default;

    /// <summary>Times the optimiser's step until the timer is disposed, if a recording is active.</summary>
    public virtual PartTimer TimeUpdate() => default;
}

/// <summary>Runs the nodes and times them.</summary>
/// <param name="parts">The parts that are timed.</param>
/// <param name="recording">Receives the times.</param>
internal sealed class TimedRunner<T>(ManagedParts parts, Recording recording) : NodeRunner<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <inheritdoc/>
    public override void Forward(Node node, in Frame<T> frame)
    {
        using PartTimer timer = Time(parts[node].Forward);
        base.Forward(node, frame);
    }

    /// <inheritdoc/>
    public override void Backward(Node node, NodeMemory<T> memory, Func<NodeMemory<T>, Frame<T>> frameOf)
    {
        if (parts[node] is { Data: { } data, Weights: { } weights })
        {
            // These layers compute each gradient in an independent loop, so the two can be timed separately.
            Timed(memory with { DW = new Memory<T>[memory.DW.Length] }, data);
            Timed(memory with { DX = new Memory<T>[memory.DX.Length] }, weights);
        }
        else
        {
            Timed(memory, parts[node].Gradient);
        }

        void Timed(NodeMemory<T> of, int? part)
        {
            using PartTimer timer = Time(part);
            base.Backward(node, of, frameOf);
        }
    }

    /// <inheritdoc/>
    public override void SumGradients(Node node, Memory<T>[] edges, int length)
    {
        using PartTimer timer = Time(parts[node].Sum);
        base.SumGradients(node, edges, length);
    }

    /// <inheritdoc/>
    public override PartTimer TimeLoss() => Time(parts.Loss);

    /// <inheritdoc/>
    public override PartTimer TimeUpdate() => Time(parts.Update);

    private PartTimer Time(int? part) => new(part is null ? null : recording, part ?? 0);
}
