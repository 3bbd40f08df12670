using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Softmax over the channels of every pixel, or its logarithm, over channel blocks.</summary>
internal sealed class SoftmaxPrimitive(Operation operation, bool logarithm) : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Y;

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        plan.Add(new SoftmaxForward(Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor), x, y), Choice.OnePass());
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        Slot y = plan.Y(this);
        plan.Add(new SoftmaxBackward(Describe(dx.Tensor, y.Tensor, dx.Tensor, dy.Tensor), y, dy, dx),
            Choice.OnePass());
    }

    private cn_softmax Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        logarithm = logarithm ? 1 : 0,
        x = x,
        y = y,
        dx = dx,
        dy = dy,
    };
}

/// <summary>Computes y from x.</summary>
internal sealed unsafe class SoftmaxForward(cn_softmax softmax, Slot x, Slot y) : Step(x, y)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_softmax_forward(run.Context, softmax, run.N, x.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes dx from y and dy.</summary>
internal sealed unsafe class SoftmaxBackward(cn_softmax softmax, Slot y, Slot dy, Slot dx) : Step(y, dy, dx)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_softmax_backward(run.Context, softmax, run.N, y.Pointer, dy.Pointer, dx.Pointer).ThrowIfFailed();
}
