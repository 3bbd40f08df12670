using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Max and average pooling over blocks of channels.</summary>
internal sealed class PoolPrimitive(Operation operation, Window window, cn_pool_kind kind, bool countPadding = true) : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        plan.Add(new PoolForward(Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor), x, y), Choice.OnePass());
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        // An average needs no x, which may then make room for others.
        Slot? x = kind == cn_pool_kind.CN_POOL_MAX ? plan.X(this) : null;
        plan.Add(new PoolBackward(Describe(x?.Tensor ?? X(0), Y, dx.Tensor, dy.Tensor), x, dy, dx),
            Choice.OnePass(x is null ? "" : "the maxima are sought in x again: they are not kept"));
    }

    private cn_pool2d Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        x = x,
        y = y,
        dx = dx,
        dy = dy,
        kernel_h = window.Kernel.H,
        kernel_w = window.Kernel.W,
        stride_h = window.Stride.H,
        stride_w = window.Stride.W,
        pad_h = window.Padding.H,
        pad_w = window.Padding.W,
        kind = kind,
        count_include_pad = countPadding ? 1 : 0,
    };
}

/// <summary>y from x.</summary>
internal sealed unsafe class PoolForward(cn_pool2d pool, Slot x, Slot y) : Step(x, y)
{
    /// <inheritdoc/>
    public override void Run(in Run run) => cn_pool2d_forward(run.Context, pool, run.N, x.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>dx from dy, and from x where the maximum is sought again.</summary>
internal sealed unsafe class PoolBackward(cn_pool2d pool, Slot? x, Slot dy, Slot dx) : Step(x, dy, dx)
{
    /// <inheritdoc/>
    public override void Run(in Run run) => cn_pool2d_backward(run.Context, pool, run.N, x.Address(), dy.Pointer, dx.Pointer).ThrowIfFailed();
}
