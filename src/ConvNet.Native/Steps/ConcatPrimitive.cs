using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Concatenation along the channels. Copies each input whose producer does not write into the output directly,
/// and each gradient that cannot be read as a slice of the output gradient.</summary>
internal sealed class ConcatPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs) : Primitive(operation)
{
    // Plain if all inputs are plain, otherwise blocked. The flat layout does not support slices.
    private readonly cn_layout _layout = inputs.All(x => x.layout == cn_layout.CN_PLAIN)
        ? cn_layout.CN_PLAIN
        : cn_layout.CN_BLOCKED;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(_layout, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(_layout, Operation.Node.Inputs[input].Shape);

    /// <inheritdoc/>
    public override bool PassesGradient(int input) => CanSlice(input);

    /// <summary>Returns whether an input can be stored as a slice of the output.</summary>
    public bool CanSlice(int input) => Slot.CanSlice(Y, SliceOf(input).Channel, X(input).c);

    /// <summary>Returns the slice of the output that an input becomes.</summary>
    public ChannelSlice SliceOf(int input)
        => new(Operation.Output, Operation.Node.Inputs.Take(input).Sum(node => node.Shape.C));

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        for (int i = 0; i < Operation.Inputs.Count; i++)
        {
            if (plan.Layouts.SliceOf(Operation.Inputs[i]) == SliceOf(i))
                continue;
            Slot x = plan.X(this, i);
            plan.Add(new CopyChannels(x, 0, plan.Y(this), SliceOf(i).Channel, x.Tensor.c), Choice.OnePass(
                CanSlice(i) ? "the input is stored elsewhere" : "the slice shares a block of channels with another"));
        }
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        for (int i = 0; i < Operation.Inputs.Count; i++)
        {
            (int channel, int channels) = (SliceOf(i).Channel, X(i).c);
            if (!plan.WantsDX(this, i))
                continue;
            if (CanSlice(i))
                plan.PassGradient(this, i, dy.Slice(channel, channels, plan.Pass.BatchSize));
            else
                plan.Add(new CopyChannels(dy, channel, plan.DX(this, i)!, 0, channels),
                    Choice.OnePass("the slice shares a block of channels with another"));
        }
    }
}

/// <summary>Copies a range of channels from one tensor to another.</summary>
internal sealed unsafe class CopyChannels(Slot from, int fromChannel, Slot to, int toChannel, int channels)
    : Step(from, to)
{
    /// <inheritdoc/>
    public override long Floats => 2 * Math.Min(from.Floats, to.Floats);

    /// <inheritdoc/>
    public override void Run(in Run run) => cn_copy_channels(run.Context, from.Tensor, to.Tensor, run.N, fromChannel,
        toChannel, channels, from.Pointer, to.Pointer).ThrowIfFailed();
}
