using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Concatenation along the channels: copies each input into its slice, and its gradient out of it.</summary>
internal sealed class ConcatPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs) : Primitive(operation)
{
    // Plain where all inputs are, else in blocks: a flat tensor is no layout of slices.
    private readonly cn_layout _layout = inputs.All(x => x.layout == cn_layout.CN_PLAIN)
        ? cn_layout.CN_PLAIN
        : cn_layout.CN_BLOCKED;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(_layout, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(_layout, Operation.Node.Inputs[input].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        int channel = 0;
        for (int i = 0; i < Operation.Inputs.Count; i++)
        {
            Slot x = plan.X(this, i);
            plan.Add(new CopyChannels(x, 0, plan.Y(this), channel, x.Tensor.c),
                Choice.OnePass("a slice of the output"));
            channel += x.Tensor.c;
        }
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        int channel = 0;
        for (int i = 0; i < Operation.Inputs.Count; i++)
        {
            int channels = X(i).c;
            if (plan.DX(this, i) is { } dx)
                plan.Add(new CopyChannels(dy, channel, dx, 0, channels), Choice.OnePass("a slice of the gradient"));
            channel += channels;
        }
    }
}

/// <summary>Some channels of one tensor become channels of another.</summary>
internal sealed unsafe class CopyChannels(Slot from, int fromChannel, Slot to, int toChannel, int channels)
    : Step(from, to)
{
    /// <inheritdoc/>
    public override long Floats => 2 * Math.Min(from.Floats, to.Floats);

    /// <inheritdoc/>
    public override void Run(in Run run) => cn_copy_channels(run.Context, from.Tensor, to.Tensor, run.N, fromChannel,
        toChannel, channels, from.Pointer, to.Pointer).ThrowIfFailed();
}
