using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>A slice of channels. Whole blocks of channels are a view of the input; other channels are copied. The
/// slices of one value write their gradients into one tensor.</summary>
internal sealed class SlicePrimitive(Operation operation, Slice layer) : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <summary>The first channel.</summary>
    public int Channel => layer.Start;

    /// <summary>The number of channels.</summary>
    public int Channels => layer.Length;

    /// <summary>Whether the slice can be a view of a blocked input.</summary>
    public bool CanSlice => Slot.CanSlice(X(0), Channel, Channels);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        if (plan.Layouts.IsView(Operation.Output))
            return;
        plan.Add(new CopyChannels(plan.X(this), Channel, plan.Y(this), 0, Channels), Choice.OnePass(
            CanSlice ? "producer and consumer differ in layout" : "the slice shares a block of channels with others"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (!plan.WantsDX(this))
            return;
        Slot dx = plan.SlicedGradient(this);
        if (dy.Whole != dx)
            plan.Add(new CopyChannels(dy, 0, dx, Channel, Channels), Choice.OnePass());
        plan.PassGradient(this, 0, dx);
    }
}

/// <summary>Zeroes a tensor.</summary>
internal sealed unsafe class ZeroStep(Slot to) : Step(to)
{
    /// <inheritdoc/>
    public override void Run(in Run run) => cn_fill(run.Context, to.Floats, 0, to.Pointer).ThrowIfFailed();
}
