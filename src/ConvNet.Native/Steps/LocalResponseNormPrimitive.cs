using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Local response normalisation over channel blocks. The backward pass recomputes the sums from x.</summary>
internal sealed class LocalResponseNormPrimitive(Operation operation, LocalResponseNorm layer) : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Y;

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_lrn lrn = Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor);
        plan.Add(new LocalResponseNormForward(lrn, x, y, Workspace(plan, lrn)), Choice.OnePass());
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        Slot x = plan.X(this);
        cn_lrn lrn = Describe(x.Tensor, Y, dx.Tensor, dy.Tensor);
        plan.Add(new LocalResponseNormBackward(lrn, x, dy, dx, Workspace(plan, lrn)),
            Choice.OnePass("the sums are recomputed from x, which saves memory at little cost"));
    }

    private cn_lrn Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        neighbours = layer.Size,
        x = x,
        y = y,
        dx = dx,
        dy = dy,
        alpha = layer.Alpha,
        beta = layer.Beta,
        k = layer.K,
    };

    private static Slot? Workspace(Lowering plan, cn_lrn lrn)
        => plan.Workspace(n => cn_lrn_workspace_bytes(plan.Pass.Context, lrn, n).SizeOrThrow());
}

/// <summary>Computes y from x.</summary>
internal sealed unsafe class LocalResponseNormForward(cn_lrn lrn, Slot x, Slot y, Slot? workspace)
    : Step(x, y, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_lrn_forward(run.Context, lrn, run.N, x.Pointer, y.Pointer, workspace.Address(), workspace.Bytes())
            .ThrowIfFailed();
}

/// <summary>Computes dx from x and dy.</summary>
internal sealed unsafe class LocalResponseNormBackward(cn_lrn lrn, Slot x, Slot dy, Slot dx, Slot? workspace)
    : Step(x, dy, dx, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_lrn_backward(run.Context, lrn, run.N, x.Pointer, dy.Pointer, dx.Pointer, workspace.Address(),
            workspace.Bytes()).ThrowIfFailed();
}
