using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>An elementwise operation. Its inputs and its output have the layout of the first input that is not
/// plain.</summary>
internal abstract class ElementwisePrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs)
    : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y { get; } = inputs.FirstOrDefault(x => x.layout != cn_layout.CN_PLAIN, inputs[0]);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Y;
}

/// <summary>An activation that is not fused into another operation.</summary>
internal sealed class ActivationPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs,
    cn_activation activation)
    : ElementwisePrimitive(operation, inputs)
{
    /// <inheritdoc/>
    public override void Forward(Lowering plan)
        => plan.Add(new ActivationForward(plan.X(this), plan.Y(this), activation), Choice.OnePass());

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        bool fromY = Operation.Node.Layer!.BackwardReads.HasFlag(BackwardReads.Output);
        plan.Add(new ActivationBackward(fromY ? plan.Y(this) : plan.X(this), dy, dx, activation), Choice.OnePass());
    }
}

/// <summary>Sum of two or more values, from left to right. The gradient of every input equals that of the
/// sum.</summary>
internal sealed class AddPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs)
    : ElementwisePrimitive(operation, inputs)
{
    /// <inheritdoc/>
    public override bool PassesGradient(int input) => true;

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot sum = plan.X(this), y = plan.Y(this);
        int last = Operation.Inputs.Count - 1;
        for (int i = 1; i <= last; i++)
        {
            plan.Add(new AddStep(sum, plan.X(this, i), y, i == last ? Operation.Activation : default),
                Choice.OnePass());
            sum = y;
        }
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        int readers = 0;
        for (int i = 0; i < Operation.Inputs.Count; i++)
        {
            if (!plan.WantsDX(this, i))
                continue;
            plan.PassGradient(this, i, dy);
            dy.Shared |= ++readers > 1;
        }
    }
}

/// <summary>Difference of two values.</summary>
internal sealed class SubtractPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs)
    : ElementwisePrimitive(operation, inputs)
{
    /// <inheritdoc/>
    public override bool PassesGradient(int input) => input == 0;

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
        => plan.Add(new SubtractStep(plan.X(this), plan.X(this, 1), plan.Y(this)), Choice.OnePass());

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        // Dropout with a threshold of 0 only multiplies by its scale.
        if (plan.DX(this, 1) is { } negative)
            plan.Add(new DropoutStep(new cn_dropout { x = dy.Tensor, y = negative.Tensor, scale = -1 }, dy, negative),
                Choice.OnePass());
        if (plan.WantsDX(this))
            plan.PassGradient(this, 0, dy);
    }
}

/// <summary>Product of two values of the same shape.</summary>
internal sealed class MultiplyPrimitive(Operation operation, IReadOnlyList<cn_tensor> inputs)
    : ElementwisePrimitive(operation, inputs)
{
    /// <inheritdoc/>
    public override void Forward(Lowering plan)
        => plan.Add(new MultiplyStep(plan.X(this), plan.X(this, 1), plan.Y(this)), Choice.OnePass());

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        for (int i = 0; i < 2; i++)
        {
            if (plan.DX(this, i) is { } dx)
                plan.Add(new MultiplyStep(plan.X(this, 1 - i), dy, dx), Choice.OnePass());
        }
    }
}

/// <summary>A layer that zeroes random values, in training. The mask is a function of the element's position, so the
/// backward pass regenerates it.</summary>
internal sealed class DropoutPrimitive(Operation operation, RandomDrop layer, cn_drop_unit unit,
    IReadOnlyList<cn_tensor> inputs)
    : ElementwisePrimitive(operation, unit == cn_drop_unit.CN_DROP_MAPS ? [WithMapsOf(operation, inputs[0])] : inputs)
{
    /// <inheritdoc/>
    public override void Forward(Lowering plan) => Apply(plan, plan.X(this), plan.Y(this));

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is { } dx)
            Apply(plan, dy, dx);
    }

    // A reshaped value has the maps of the value that it is a view of.
    private static cn_tensor WithMapsOf(Operation operation, cn_tensor x)
    {
        Shape shape = operation.Node.Shape;
        return (x.c, x.h, x.w) == (shape.C, shape.H, shape.W) ? x : Layouts.Tensor(cn_layout.CN_BLOCKED, shape);
    }

    private void Apply(Lowering plan, Slot from, Slot to) => plan.Add(new DropoutStep(new cn_dropout
    {
        x = from.Tensor,
        y = to.Tensor,
        seed = plan.Seed,
        node = (uint)Operation.Node.Index,
        threshold = layer.Threshold,
        scale = layer.Scale,
        unit = unit,
    }, from, to), Choice.OnePass("the mask is a function of the index, so nothing is stored"));
}

/// <summary>Computes y = f(x).</summary>
internal sealed unsafe class ActivationForward(Slot x, Slot y, cn_activation activation) : Step(x, y)
{
    private readonly cn_elementwise _op = new(x.Tensor, x.Tensor, y.Tensor, activation);

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_activation_forward(run.Context, _op, run.N, x.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes dx = f′·dy, from y if it determines f′, otherwise from x. dx may be dy.</summary>
internal sealed unsafe class ActivationBackward(Slot known, Slot dy, Slot dx, cn_activation activation)
    : Step(known, dy, dx)
{
    private readonly cn_elementwise _op = new(known.Tensor, dy.Tensor, dx.Tensor, activation);

    /// <inheritdoc/>
    public override long Floats => base.Floats + (dx == dy ? dx.Floats : 0);

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_activation_backward(run.Context, _op, run.N, known.Pointer, dy.Pointer, dx.Pointer).ThrowIfFailed();
}

/// <summary>Computes y = f(a + b). y may be a.</summary>
internal sealed unsafe class AddStep(Slot a, Slot b, Slot y, cn_activation activation) : Step(a, b, y)
{
    private readonly cn_elementwise _op = new(a.Tensor, b.Tensor, y.Tensor, activation);

    /// <inheritdoc/>
    public override long Floats => base.Floats + (y == a ? y.Floats : 0);

    /// <inheritdoc/>
    public override void Run(in Run run) => cn_add(run.Context, _op, run.N, a.Pointer, b.Pointer, y.Pointer)
        .ThrowIfFailed();
}

/// <summary>Computes y = a − b. y may be a.</summary>
internal sealed unsafe class SubtractStep(Slot a, Slot b, Slot y) : Step(a, b, y)
{
    private readonly cn_elementwise _op = new(a.Tensor, b.Tensor, y.Tensor, default);

    /// <inheritdoc/>
    public override void Run(in Run run) => cn_subtract(run.Context, _op, run.N, a.Pointer, b.Pointer, y.Pointer)
        .ThrowIfFailed();
}

/// <summary>Computes y = a·b. y may be a.</summary>
internal sealed unsafe class MultiplyStep(Slot a, Slot b, Slot y) : Step(a, b, y)
{
    private readonly cn_elementwise _op = new(a.Tensor, b.Tensor, y.Tensor, default);

    /// <inheritdoc/>
    public override void Run(in Run run) => cn_multiply(run.Context, _op, run.N, a.Pointer, b.Pointer, y.Pointer)
        .ThrowIfFailed();
}

/// <summary>Applies the dropout mask of the step: to = mask·from.</summary>
internal sealed unsafe class DropoutStep(cn_dropout dropout, Slot from, Slot to) : Step(from, to)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_dropout_apply(run.Context, dropout, run.N, run.FirstSample, (uint)run.PassNumber, from.Pointer,
            to.Pointer)
            .ThrowIfFailed();
}
