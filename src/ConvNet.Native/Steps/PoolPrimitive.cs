using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>The kernel parameters of a pooling layer.</summary>
/// <param name="Window">The window; the largest one if windows are adaptive.</param>
/// <param name="Kind">The kind of pooling.</param>
/// <param name="CountIncludePad">Whether an average includes the zeros of the padding.</param>
/// <param name="Divisor">The divisor of an average; 0 for the number of values.</param>
/// <param name="IsAdaptive">Whether the sizes of the maps determine the windows.</param>
internal sealed record PoolKernel(Window Window, cn_pool_kind Kind, bool CountIncludePad = true, int Divisor = 0,
    bool IsAdaptive = false)
{
    /// <summary>Whether kernels can pool their own results.</summary>
    public bool IsFusable => !IsAdaptive && Window.Dilation == 1;

    /// <summary>Returns the kernel of an adaptive pooling layer. If the windows do not overlap, they are those of an
    /// ordinary one.</summary>
    public static PoolKernel Adaptive(AdaptivePool2d layer, Shape x, cn_pool_kind kind)
        => layer.Divides(x)
            ? new PoolKernel(layer.Sees(x)!.Value with { Stride = (x.H / layer.Output.H, x.W / layer.Output.W) }, kind)
            : new PoolKernel(layer.Sees(x)!.Value, kind, IsAdaptive: true);

    /// <summary>Whether the forward pass stores the index of each window's winner in a byte.</summary>
    public bool HasWinners => Kind == cn_pool_kind.CN_POOL_MAX && (long)Window.Kernel.H * Window.Kernel.W
        <= CN_NO_WINNER;

    /// <summary>Whether a pixel can be in several windows.</summary>
    public bool Overlaps => Window.Reach.H > Window.Stride.H || Window.Reach.W > Window.Stride.W;

    /// <summary>Returns the activation before a pool that its winners account for, or the identity if they do not
    /// account for one.</summary>
    public static cn_activation GateOf(Operation operation) => operation.Slope.IsGate ? operation.Slope : default;

    /// <summary>Returns whether the winners of an operation's pool account for the slope of the activation before
    /// it.</summary>
    public static bool Gates(Operation operation, Slot? winners) => winners is not null && operation.Slope.IsGate;

    /// <summary>Returns the descriptor for the given tensors.</summary>
    /// <param name="x">The tensor of the input.</param>
    /// <param name="y">The tensor of the output.</param>
    /// <param name="dx">The tensor of the input's gradient.</param>
    /// <param name="dy">The tensor of the output's gradient.</param>
    /// <param name="winners">Whether winners are recorded.</param>
    /// <param name="activation">The activation that they account for: a window at whose maximum its slope is 0 has no
    /// winner.</param>
    public cn_pool2d Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy, bool winners,
        cn_activation activation) => new()
        {
            x = x,
            y = y,
            dx = dx,
            dy = dy,
            window = cn_window.Of(Window),
            kind = Kind,
            count_include_pad = CountIncludePad ? 1 : 0,
            winners = winners ? 1 : 0,
            activation = winners ? activation : default,
            divisor = Divisor,
            adaptive = IsAdaptive ? 1 : 0,
        };

    /// <summary>Returns memory for the winners of n samples, or null if the pool cannot record any.</summary>
    public Slot? Winners(cn_tensor x, cn_tensor y, int n)
    {
        long floats = cn_pool2d_winner_bytes(Describe(x, y, x, y, false, default), n).FloatsOrThrow();
        return floats > 0 ? new Slot(floats) : null;
    }
}

/// <summary>Max and average pooling over channel blocks.</summary>
internal sealed class PoolPrimitive(Operation operation, PoolKernel kernel) : Primitive(operation)
{
    private Slot? _winners;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    /// <remarks>A window at whose maximum the slope is 0 has no winner.</remarks>
    public override bool TakesSlope => PoolKernel.Gates(Operation, _winners);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        _winners = plan.Pass.Kind == PassKind.Training && plan.WantsDX(this)
            ? kernel.Winners(x.Tensor, y.Tensor, plan.Pass.BatchSize)
            : null;
        cn_pool2d pool = kernel.Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor, _winners is not null,
            PoolKernel.GateOf(Operation));
        plan.Add(new PoolForward(pool, x, y, _winners), Choice.OnePass()
            .Then(_winners is not null, "the indices of the maxima, one byte each"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        // With winners, and for an average, x is not needed and its memory can be reused.
        Slot? x = kernel.Kind == cn_pool_kind.CN_POOL_MAX && _winners is null ? plan.X(this) : null;
        plan.Add(new PoolBackward(
            kernel.Describe(x?.Tensor ?? X(0), Y, dx.Tensor, dy.Tensor, _winners is not null,
                PoolKernel.GateOf(Operation)), x, _winners, dy, dx),
            Choice.OnePass(
                x is null ? "" : "the maxima are searched for in x again: an index in their windows exceeds a byte"));
    }
}

/// <summary>Computes y from x, and the index of the winner of each window.</summary>
internal sealed unsafe class PoolForward(cn_pool2d pool, Slot x, Slot y, Slot? winners) : Step(x, y, winners)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_pool2d_forward(run.Context, pool, run.N, x.Pointer, y.Pointer, (byte*)winners.Address()).ThrowIfFailed();
}

/// <summary>Computes dx from dy and the winners, or from x, in which case the maximum is searched for again.</summary>
internal sealed unsafe class PoolBackward(cn_pool2d pool, Slot? x, Slot? winners, Slot dy, Slot dx)
    : Step(x, winners, dy, dx)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_pool2d_backward(run.Context, pool, run.N, x.Address(), (byte*)winners.Address(), dy.Pointer, dx.Pointer)
            .ThrowIfFailed();
}
