using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Normalisation of sets of values of each sample, over channel blocks. It keeps the means and 1/√(σ² + ε) for
/// the backward pass.</summary>
internal sealed class SampleNormPrimitive : Primitive
{
    private readonly SampleNorm _layer;
    private readonly int _groups;
    private readonly bool _scalesValues;
    private Slot? _mean, _inverse;

    /// <summary>Initialises the primitive of an operation.</summary>
    public SampleNormPrimitive(Operation operation, SampleNorm layer)
        : base(operation)
    {
        Shape shape = operation.Node.Shape;
        NormSets sets = layer.SetsOf(shape);
        _layer = layer;
        // The sample of a vector is the channels of its only pixel.
        bool isPixel = shape.IsVector && sets.Length == shape.C;
        (_groups, _scalesValues) = (sets.Step != 1 || isPixel ? 0 : sets.Count, layer.ScalesEveryValue && !isPixel);
    }

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Y;

    /// <inheritdoc/>
    public override Packing PackingOf(Parameter parameter)
        => _scalesValues ? new MapPacking(Operation.Node.Shape) : base.PackingOf(parameter);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_sample_norm norm = Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor);
        long floats = cn_sample_norm_statistics_bytes(norm, plan.Pass.BatchSize).FloatsOrThrow();
        (_mean, _inverse) = (new Slot(floats), new Slot(floats));
        plan.Add(new SampleNormForward(norm, x, Of(plan, ParameterRole.Scale), Of(plan, ParameterRole.Bias), y, _mean,
            _inverse), _groups == 0
                ? Choice.OnePass()
                : new Choice("statistics of channels, of groups, then y", "a group stays in cache"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        Slot x = plan.X(this);
        Slot? dx = plan.DX(this);
        cn_sample_norm norm = Describe(x.Tensor, Y, dx?.Tensor ?? x.Tensor, dy.Tensor);
        Slot? Gradient(ParameterRole role) => ParameterOf(role) is { } parameter && plan.Trains(parameter)
            ? plan.Parameters.Gradient(parameter)
            : null;
        Slot? dscale = Gradient(ParameterRole.Scale), dshift = Gradient(ParameterRole.Bias);
        if (dx is null && dscale is null && dshift is null)
            return;
        plan.Add(new SampleNormBackward(norm, x, dy, Of(plan, ParameterRole.Scale), _mean!, _inverse!, dx, dscale,
            dshift, plan.Workspace(n => cn_sample_norm_workspace_bytes(plan.Pass.Context, norm, n).SizeOrThrow())),
            new Choice("sums of dy and dy·x̂, then dx", "dx needs both sums of its set"));
    }

    private Parameter? ParameterOf(ParameterRole role)
        => Operation.Node.Parameters.SingleOrDefault(parameter => parameter.Role == role);

    private Slot? Of(Lowering plan, ParameterRole role)
        => ParameterOf(role) is { } parameter ? plan.Parameters.Values(parameter) : null;

    private cn_sample_norm Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        epsilon = _layer.Epsilon,
        x = x,
        y = y,
        dx = dx,
        dy = dy,
        groups = _groups,
        scales_values = _scalesValues ? 1 : 0,
    };
}

/// <summary>Computes y and the statistics of every set of values.</summary>
internal sealed unsafe class SampleNormForward(cn_sample_norm norm, Slot x, Slot? scale, Slot? shift, Slot y, Slot mean,
    Slot inverse)
    : Step(x, scale, shift, y, mean, inverse)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_sample_norm_forward(run.Context, norm, run.N, x.Pointer, scale.Address(), shift.Address(), y.Pointer,
            mean.Pointer, inverse.Pointer).ThrowIfFailed();
}

/// <summary>Computes the gradients that are wanted from x and dy.</summary>
internal sealed unsafe class SampleNormBackward(cn_sample_norm norm, Slot x, Slot dy, Slot? scale, Slot mean,
    Slot inverse, Slot? dx, Slot? dscale, Slot? dshift, Slot? workspace)
    : Step(x, dy, scale, mean, inverse, dx, dscale, dshift, workspace)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Backward;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_sample_norm_backward(run.Context, norm, run.N, x.Pointer, dy.Pointer, scale.Address(), mean.Pointer,
            inverse.Pointer, dx.Address(), dscale.Address(), dshift.Address(), workspace.Address(),
            workspace.Bytes()).ThrowIfFailed();
}
