using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Max and average pooling over blocks of channels.</summary>
internal sealed class PoolPrimitive(Operation operation, Window window, cn_pool_kind kind, bool countPadding = true) : Primitive(operation)
{
    private Slot? _winners;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    /// <remarks>A window whose maximum the ReLU before the pool cut off has no winner.</remarks>
    public override bool CutsGradient => Operation.CutsGradient && _winners is not null;

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_pool2d pool = Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor);
        if (plan.Pass.Kind == PassKind.Training && plan.WantsDX(this))
            _winners = Winners(cn_pool2d_winner_bytes(pool, plan.Pass.BatchSize).SizeOrThrow());
        plan.Add(new PoolForward(pool, x, y, _winners), Choice.OnePass().Then(_winners is not null, "the winners' numbers, a byte each"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        // With the winners, and for an average, x is not needed and may make room for others.
        Slot? x = kind == cn_pool_kind.CN_POOL_MAX && _winners is null ? plan.X(this) : null;
        plan.Add(new PoolBackward(Describe(x?.Tensor ?? X(0), Y, dx.Tensor, dy.Tensor), x, _winners, dy, dx),
            Choice.OnePass(x is null ? "" : "the maxima are sought in x again: their windows are too large for a byte"));
    }

    private static Slot? Winners(long bytes) => bytes > 0 ? new Slot((bytes + sizeof(float) - 1) / sizeof(float)) : null;

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
        flags = Operation.CutsGradient ? cn_flags.CN_RELU : cn_flags.None,
    };
}

/// <summary>y from x, and which pixel of a window won.</summary>
internal sealed unsafe class PoolForward(cn_pool2d pool, Slot x, Slot y, Slot? winners) : Step(x, y, winners)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_pool2d_forward(run.Context, pool, run.N, x.Pointer, y.Pointer, (byte*)winners.Address()).ThrowIfFailed();
}

/// <summary>dx from dy and the winners, or from x where the maximum is sought again.</summary>
internal sealed unsafe class PoolBackward(cn_pool2d pool, Slot? x, Slot? winners, Slot dy, Slot dx) : Step(x, winners, dy, dx)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_pool2d_backward(run.Context, pool, run.N, x.Address(), (byte*)winners.Address(), dy.Pointer, dx.Pointer).ThrowIfFailed();
}
