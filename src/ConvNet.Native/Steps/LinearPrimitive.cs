using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Linear layer. Reads and writes feature blocks with the batch as the inner dimension.</summary>
internal sealed class LinearPrimitive : Primitive
{
    private readonly cn_linear _dense;
    private readonly bool _hasBias;

    /// <summary>Initialises the linear layer of an operation.</summary>
    public LinearPrimitive(Operation operation, Linear layer, cn_tensor input) : base(operation)
    {
        // Flattened maps keep their block order. Plain values are read as full feature blocks instead.
        bool maps = input.layout != cn_layout.CN_PLAIN;
        _dense = new cn_linear
        {
            c = maps ? input.c : operation.Node.Inputs[0].Shape.Length,
            h = maps ? input.h : 1,
            w = maps ? input.w : 1,
            outputs = layer.OutFeatures,
        };
        _hasBias = layer.Bias;
    }

    /// <inheritdoc/>
    public override cn_tensor Y => new(_dense.outputs, 1, 1, 0, cn_layout.CN_FLAT);

    /// <inheritdoc/>
    public override bool StepsInside => true;

    /// <inheritdoc/>
    public override cn_tensor X(int input) => new(_dense.c, _dense.h, _dense.w, 0, cn_layout.CN_FLAT);

    /// <inheritdoc/>
    public override Packing PackingOf(Parameter parameter)
        => parameter.Role == ParameterRole.Weight ? new LinearPacking(_dense) : base.PackingOf(parameter);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        Slot? bias = _hasBias ? plan.Parameters.Values(Operation.Node.Parameters[1]) : null;
        plan.Add(new LinearForward(_dense, plan.X(this), w, new Epilogue(bias, activation: Operation.Activation),
            plan.Y(this), Workspace(plan, cn_pass.CN_FORWARD)), Of(plan, cn_pass.CN_FORWARD));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        // Must precede the weight update.
        if (plan.DX(this) is { } dx)
        {
            Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
            plan.Add(new LinearBackwardData(_dense, dy, w, dx, Workspace(plan, cn_pass.CN_BACKWARD_DATA)),
                Of(plan, cn_pass.CN_BACKWARD_DATA));
        }
        if (!plan.Trains(Operation.Node.Parameters[0]))
        {
            if (_hasBias && plan.Trains(Operation.Node.Parameters[1]))
                plan.Add(new LinearBiasGradient(dy, plan.Parameters.Gradient(Operation.Node.Parameters[1])),
                    Choice.OnePass("the weights are frozen"));
            return;
        }
        var gradient = new WeightGradient(plan.Parameters, this);
        plan.Add(new LinearBackwardWeights(_dense, plan.X(this), dy, gradient,
            Workspace(plan, cn_pass.CN_BACKWARD_WEIGHTS)),
            Of(plan, cn_pass.CN_BACKWARD_WEIGHTS).Then(gradient.StepsInside, "the optimiser's step"));
    }

    private Choice Of(Lowering plan, cn_pass pass) => Algorithms.Of(_dense, pass, plan.Pass.BatchSize);

    private Slot? Workspace(Lowering plan, cn_pass pass)
        => plan.Workspace(n => cn_linear_workspace_bytes(plan.Pass.Context, _dense, pass, n).SizeOrThrow());
}

/// <summary>Computes y from x.</summary>
internal sealed unsafe class LinearForward(cn_linear linear, Slot x, Slot w, Epilogue epilogue, Slot y,
    Slot? workspace)
    : Step([x, w, .. epilogue.Slots, y, workspace])
{
    /// <inheritdoc/>
    public override void Bind() => epilogue.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_linear_forward(run.Context, linear, epilogue.Pointer, run.N, x.Pointer, w.Pointer, y.Pointer,
            workspace.Address(), workspace.Bytes()).ThrowIfFailed();
}

/// <summary>Computes dw and db from x and dy. In a training step the optimiser step runs as part of it.</summary>
internal sealed unsafe class LinearBackwardWeights(cn_linear linear, Slot x, Slot dy, WeightGradient gradient,
    Slot? workspace)
    : Step([x, dy, .. gradient.Slots, workspace])
{
    private readonly Epilogue _epilogue = new(gradient.Bias);

    /// <inheritdoc/>
    public override long Floats => base.Floats + gradient.UpdateFloats;

    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.BackwardWeights;

    /// <inheritdoc/>
    public override void Bind()
    {
        gradient.Bind();
        _epilogue.Bind();
    }

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_linear_backward_weights(run.Context, linear, _epilogue.Pointer, run.N, x.Pointer, dy.Pointer,
            gradient.For(run), workspace.Address(), workspace.Bytes()).ThrowIfFailed();
}

/// <summary>Computes db from dy.</summary>
internal sealed unsafe class LinearBiasGradient(Slot dy, Slot db) : Step(dy, db)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.BackwardWeights;

    /// <inheritdoc/>
    /// <remarks>Feature blocks with the batch inside have the same layout as a single map with one row for each
    /// sample.</remarks>
    public override void Run(in Run run) => cn_bias_gradient(run.Context,
        Layouts.Tensor(cn_layout.CN_BLOCKED, new Shape(dy.Tensor.c, run.N, 1)), 1, dy.Pointer, db.Pointer)
        .ThrowIfFailed();
}

/// <summary>Computes dx from dy.</summary>
internal sealed unsafe class LinearBackwardData(cn_linear linear, Slot dy, Slot w, Slot dx, Slot? workspace)
    : Step(dy, w, dx, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_linear_backward_data(run.Context, linear, run.N, dy.Pointer, w.Pointer, dx.Pointer, workspace.Address(),
            workspace.Bytes()).ThrowIfFailed();
}
