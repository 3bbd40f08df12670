using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>A rearrangement of values over channel blocks. The backward pass is the inverse rearrangement.</summary>
/// <param name="operation">The operation.</param>
/// <param name="forward">The kind and its attributes, without tensors.</param>
/// <param name="backward">The same for the inverse.</param>
internal sealed class RearrangePrimitive(Operation operation, cn_rearrangement forward, cn_rearrangement backward)
    : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <summary>Returns the primitive of a channel shuffle. Its inverse swaps the groups and their size.</summary>
    public static RearrangePrimitive Channels(Operation operation, int groups)
        => new(operation, Kind(cn_rearrangement_kind.CN_CHANNEL_SHUFFLE, groups),
            Kind(cn_rearrangement_kind.CN_CHANNEL_SHUFFLE, operation.Node.Shape.C / groups));

    /// <summary>Returns the primitive of a pixel shuffle, or of its inverse.</summary>
    public static RearrangePrimitive Pixels(Operation operation, int factor, bool isInverse)
    {
        cn_rearrangement shuffle = Kind(cn_rearrangement_kind.CN_PIXEL_SHUFFLE, factor),
            inverse = Kind(cn_rearrangement_kind.CN_PIXEL_UNSHUFFLE, factor);
        return isInverse ? new(operation, inverse, shuffle) : new(operation, shuffle, inverse);
    }

    /// <summary>Returns the primitive of a permutation of channels, rows and columns.</summary>
    public static RearrangePrimitive Permutation(Operation operation, Reordering dimensions)
        => new(operation, Order(dimensions.Order), Order(dimensions.Inverse().Order));

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan) => Add(plan, forward, plan.X(this), plan.Y(this));

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is { } dx)
            Add(plan, backward, dy, dx);
    }

    private static cn_rearrangement Kind(cn_rearrangement_kind kind, int factor)
        => new() { kind = kind, factor = factor };

    private static cn_rearrangement Order(int[] order) => new()
    {
        kind = cn_rearrangement_kind.CN_PERMUTE,
        order = new cn_axes(order[0], order[1], order[2]),
    };

    private static void Add(Lowering plan, cn_rearrangement op, Slot from, Slot to)
        => plan.Add(new RearrangeStep(op with { x = from.Tensor, y = to.Tensor }, from, to), Choice.OnePass());
}

/// <summary>Rearranges the values of a tensor.</summary>
internal sealed unsafe class RearrangeStep(cn_rearrangement op, Slot from, Slot to) : Step(from, to)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_rearrange(run.Context, op, run.N, from.Pointer, to.Pointer).ThrowIfFailed();
}
