using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Multiplies channels by factors, over channel blocks: the maps of one input by the values of another, or all
/// values of a channel by a parameter.</summary>
internal sealed class ChannelScalePrimitive : Primitive
{
    private readonly cn_factors _factors;
    private readonly bool _negatives;
    private readonly int _maps;

    private ChannelScalePrimitive(Operation operation, cn_factors factors, bool negatives = false, int maps = 0)
        : base(operation) => (_factors, _negatives, _maps) = (factors, negatives, maps);

    /// <summary>Returns the primitive of a product of maps and of a value for each of them.</summary>
    public static ChannelScalePrimitive OfMaps(Operation operation) => new(operation, cn_factors.CN_FACTOR_OF_MAP,
        maps: operation.Node.Inputs[0].Shape == operation.Node.Shape ? 0 : 1);

    /// <summary>Returns the primitive of a layer whose only parameter has a factor for each channel, or one for all
    /// values.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="perChannel">Whether each channel has a factor.</param>
    /// <param name="negatives">Whether values above 0 are not multiplied.</param>
    public static ChannelScalePrimitive OfParameter(Operation operation, bool perChannel, bool negatives)
        => new(operation, perChannel ? cn_factors.CN_FACTOR_OF_CHANNEL : cn_factors.CN_FACTOR_OF_ALL, negatives);

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input)
        => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[input].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this, _maps), y = plan.Y(this), s = Factors(plan);
        plan.Add(new ChannelScaleForward(Describe(x.Tensor, s) with { y = y.Tensor }, x, s, y), Choice.OnePass());
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        Slot? dx = plan.DX(this, _maps);
        Slot? ds = _factors == cn_factors.CN_FACTOR_OF_MAP ? plan.DX(this, 1 - _maps)
            : plan.Trains(Parameter) ? plan.Parameters.Gradient(Parameter) : null;
        if (dx is null && ds is null)
            return;
        Slot? x = _negatives || ds is not null ? plan.X(this, _maps) : null, s = dx is null ? null : Factors(plan);
        cn_channel_scale scale = Describe(x?.Tensor ?? X(_maps), s) with
        {
            dx = dx?.Tensor ?? default,
            dy = dy.Tensor,
            ds = ds?.Tensor ?? default,
        };
        Slot? workspace = ds is null ? null
            : plan.Workspace(n => cn_channel_scale_workspace_bytes(plan.Pass.Context, scale, n).SizeOrThrow());
        plan.Add(new ChannelScaleBackward(scale, x, dy, s, dx, ds, workspace), ds is null ? Choice.OnePass()
            : new Choice("dx and sums of rows, then sums of all", "x and dy are read once for both gradients"));
    }

    private Parameter Parameter => Operation.Node.Parameters[0];

    private Slot Factors(Lowering plan) => _factors == cn_factors.CN_FACTOR_OF_MAP ? plan.X(this, 1 - _maps)
        : plan.Parameters.Values(Parameter);

    private cn_channel_scale Describe(cn_tensor x, Slot? factors) => new()
    {
        factors = _factors,
        x = x,
        s = factors?.Tensor ?? X(1 - _maps),
        negatives = _negatives ? 1 : 0,
    };
}

/// <summary>Computes y from x and the factors.</summary>
internal sealed unsafe class ChannelScaleForward(cn_channel_scale scale, Slot x, Slot s, Slot y) : Step(x, s, y)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_channel_scale_forward(run.Context, scale, run.N, x.Pointer, s.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes the gradients that are wanted.</summary>
internal sealed unsafe class ChannelScaleBackward(cn_channel_scale scale, Slot? x, Slot dy, Slot? s, Slot? dx, Slot? ds,
    Slot? workspace)
    : Step(x, dy, s, dx, ds, workspace)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Backward;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_channel_scale_backward(run.Context, scale, run.N, x.Address(), dy.Pointer, s.Address(), dx.Address(),
            ds.Address(), workspace.Address(), workspace.Bytes()).ThrowIfFailed();
}
