using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Batch normalisation over blocks of channels; keeps mean and 1/√(σ² + ε) for the backward pass.</summary>
internal sealed class BatchNormPrimitive(Operation operation, BatchNorm2d layer) : Primitive(operation)
{
    private Slot? _mean, _inverse;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_batch_norm norm = Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor);
        Slot[] parameters = [.. Operation.Node.Parameters.Select(plan.Parameters.Values)];
        if (plan.Pass.Kind != PassKind.Training)
        {
            plan.Add(new BatchNormInfer(norm, x, parameters, y), Choice.OnePass());
            return;
        }
        (_mean, _inverse) = (new Slot(parameters[0].Floats), new Slot(parameters[0].Floats));
        plan.Add(new BatchNormForward(norm, x, parameters, y, _mean, _inverse, Workspace(plan, norm)),
            new Choice("mean, variance, then y", "sums are cut by the size of the work and added in order"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        Slot x = plan.X(this), dx = plan.DX(this) ?? new Slot(x.Tensor, plan.Pass.BatchSize);
        cn_batch_norm norm = Describe(x.Tensor, Y, dx.Tensor, dy.Tensor);
        Slot scale = plan.Parameters.Values(Operation.Node.Parameters[0]);
        Slot dscale = plan.Parameters.Gradient(Operation.Node.Parameters[0]), dshift = plan.Parameters.Gradient(Operation.Node.Parameters[1]);
        plan.Add(new BatchNormBackward(norm, x, dy, scale, _mean!, _inverse!, dx, dscale, dshift, Workspace(plan, norm)),
            new Choice("sums of dy and dy·x̂, then dx", "dx needs both sums of its channel"));
    }

    private cn_batch_norm Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        x = x,
        y = y,
        dx = dx,
        dy = dy,
        epsilon = layer.Epsilon,
        momentum = layer.Momentum,
        flags = Operation.Relu ? cn_flags.CN_RELU : cn_flags.None,
    };

    private static Slot? Workspace(Lowering plan, cn_batch_norm norm)
        => plan.Workspace(n => cn_batch_norm_workspace_floats(plan.Pass.Context, norm, n).SizeOrThrow());
}

/// <summary>y from x with the statistics of the batch; moves the running ones.</summary>
internal sealed unsafe class BatchNormForward(cn_batch_norm norm, Slot x, Slot[] parameters, Slot y, Slot mean, Slot inverse, Slot? workspace)
    : Step([x, .. parameters, y, mean, inverse, workspace])
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_batch_norm_forward(run.Context, norm, run.N, x.Pointer, parameters[0].Pointer, parameters[1].Pointer, y.Pointer, mean.Pointer,
            inverse.Pointer, parameters[2].Pointer, parameters[3].Pointer, workspace.Address(), workspace.Length()).ThrowIfFailed();
}

/// <summary>y from x with the running statistics.</summary>
internal sealed unsafe class BatchNormInfer(cn_batch_norm norm, Slot x, Slot[] parameters, Slot y) : Step([x, .. parameters, y])
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_batch_norm_infer(run.Context, norm, run.N, x.Pointer, parameters[0].Pointer, parameters[1].Pointer, parameters[2].Pointer,
            parameters[3].Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>dx and the gradients of scale and shift from x and dy.</summary>
internal sealed unsafe class BatchNormBackward(cn_batch_norm norm, Slot x, Slot dy, Slot scale, Slot mean, Slot inverse, Slot dx, Slot dscale,
    Slot dshift, Slot? workspace) : Step(x, dy, scale, mean, inverse, dx, dscale, dshift, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_batch_norm_backward(run.Context, norm, run.N, x.Pointer, dy.Pointer, scale.Pointer, mean.Pointer, inverse.Pointer, dx.Pointer,
            dscale.Pointer, dshift.Pointer, workspace.Address(), workspace.Length()).ThrowIfFailed();
}
