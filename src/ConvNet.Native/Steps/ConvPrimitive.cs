using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Convolution. Reads channel blocks, or plain input if it has fewer channels than a block.</summary>
internal sealed class ConvPrimitive : Primitive
{
    // With more channels, a channel block is faster than plain rows, even if most of the block is padding.
    private const int MostPlainChannels = 4;

    private readonly cn_conv2d _conv;
    private readonly SumAlgorithm[] _algorithms = new SumAlgorithm[Enum.GetValues<SumPass>().Length];
    private readonly PoolKernel? _pool;
    private readonly int _dyHalo;
    private Slot? _winners;

    /// <summary>Initialises the convolution of an operation.</summary>
    public ConvPrimitive(Operation operation, Conv2d layer, cn_tensor input) : base(operation)
    {
        Shape shape = operation.Node.Inputs[0].Shape;
        bool stem = input.layout == cn_layout.CN_PLAIN && ReadsPlain(shape.C, layer.Groups);
        cn_tensor x = Layouts.Tensor(stem ? cn_layout.CN_PLAIN : cn_layout.CN_BLOCKED, shape);
        cn_tensor y = Layouts.Tensor(cn_layout.CN_BLOCKED, operation.Node.Shape);
        _conv = Describe(x, y, layer.Window, layer.Groups)
            with
        { flags = layer.Bias ? cn_flags.CN_BIAS : cn_flags.None };
        _pool = operation.Pool is { } pool ? LoweringTable.PoolOf(pool) : null;
        XHalo = cn_conv2d_halo(_conv, cn_pass.CN_FORWARD).SizeOrThrow();
        _dyHalo = cn_conv2d_halo(_conv, cn_pass.CN_BACKWARD_DATA).SizeOrThrow();
    }

    /// <summary>Returns whether plain input with a given number of channels is best read directly.</summary>
    public static bool ReadsPlain(int channels, int groups) => channels <= MostPlainChannels && groups == 1;

    /// <summary>Describes a convolution without bias whose gradients have the layouts of its values.</summary>
    public static cn_conv2d Describe(cn_tensor x, cn_tensor y, Window window, int groups) => new()
    {
        x = x,
        y = y,
        dx = x,
        dy = y,
        window = cn_window.Of(window),
        groups = groups,
    };

    /// <inheritdoc/>
    public override cn_tensor Y => Operation.Pool is { } pool ? Layouts.Tensor(cn_layout.CN_BLOCKED, pool.Shape)
        : _conv.y;

    /// <inheritdoc/>
    public override int XHalo { get; }

    /// <inheritdoc/>
    /// <remarks>With a fused pool, the unpooled gradient has the halo instead.</remarks>
    public override int DYHalo => _pool is null ? _dyHalo : 0;

    /// <inheritdoc/>
    /// <remarks>A window at whose maximum the slope is 0 has no winner.</remarks>
    public override bool TakesSlope => PoolKernel.Gates(Operation, _winners);

    /// <inheritdoc/>
    public override bool StepsInside => Algorithms.HasPackedBlocks(_conv) || Algorithms.IsDepthwise(_conv);

    private cn_activation GatedBy => PoolKernel.GateOf(Operation);

    private bool HasBias => _conv.flags.HasFlag(cn_flags.CN_BIAS);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => input == 0 ? _conv.x : _conv.y;

    /// <inheritdoc/>
    public override Packing PackingOf(Parameter parameter)
        => parameter.Role == ParameterRole.Weight ? new ConvPacking(_conv) : base.PackingOf(parameter);

    /// <inheritdoc/>
    public override SumAlgorithm AlgorithmOf(SumPass pass) => _algorithms[(int)pass];

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_conv2d conv = _conv with { x = x.Tensor, y = _pool is null ? y.Tensor : _conv.y };
        conv.activation = Operation.Activation;
        Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        Slot? bias = HasBias ? plan.Parameters.Values(Operation.Node.Parameters[1]) : null;
        if (Operation.Norm is { } norm)
        {
            conv.flags |= cn_flags.CN_BIAS;
            (w, bias) = (new Slot(w.Floats, SlotOwner.Pass),
                new Slot(plan.Parameters.Values(norm.Parameters[0]).Floats, SlotOwner.Pass));
            plan.AddPreparation(new FoldNorm(plan.Parameters, Operation.Node, norm, new ConvPacking(_conv), w, bias),
                Choice.OnePass("running statistics change only when they are written"));
        }
        bool prepares = plan.Pass.Kind != PassKind.Training;
        string selected = Select(plan, ref conv, cn_pass.CN_FORWARD, prepares);
        if (prepares && conv.algorithm != cn_algorithm.CN_DIRECT)
            w = Transform(plan, ref conv, w);
        if (_pool is not null)
        {
            ForwardPooled(plan, conv, selected, w, bias);
            return;
        }
        Slot? add = Operation.Sums ? plan.X(this, 1) : null, statistics = plan.GiveStatistics(this);
        conv.add = add?.Tensor ?? default;
        Slot? workspace = Workspace(plan, conv, cn_pass.CN_FORWARD);
        plan.Add(new ConvForward(conv, x, w, bias, add, y, statistics, workspace),
            Algorithms.Of(conv, cn_pass.CN_FORWARD, workspace.Length(), selected)
            .Then(add is not null, "a sum").Then(statistics is not null, "statistics of rows"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (Operation.Sums && plan.WantsDX(this, 1))
            plan.PassGradient(this, 1, dy);
        Parameter weight = Operation.Node.Parameters[0];
        Parameter? bias = HasBias ? Operation.Node.Parameters[1] : null;
        cn_pool2d? pool = plan.Trains(weight) ? PoolBehindWeights(plan, dy) : null;
        if (_pool is not null && pool is null)
            dy = Unpool(plan, dy);
        cn_conv2d conv = _conv with
        {
            x = plan.Layouts.Read(this, 0),
            dy = pool is null ? dy.Tensor : _conv.y,
        };
        // Must precede the weight update.
        if (plan.CompleteDX(this) is { } parts)
            BackwardData(plan, conv with { dx = parts.DX.Tensor, add = parts.Others?.Tensor ?? default }, dy, parts);
        if (!plan.Trains(weight))
        {
            if (bias is not null && plan.Trains(bias))
                plan.Add(new BiasGradient(dy, plan.Parameters.Gradient(bias)),
                    Choice.OnePass("the weights are frozen"));
            return;
        }
        Slot x = plan.X(this);
        var gradient = new WeightGradient(plan.Parameters, this);
        string selected = Select(plan, ref conv, cn_pass.CN_BACKWARD_WEIGHTS);
        Slot? workspace = Workspace(plan, conv, cn_pass.CN_BACKWARD_WEIGHTS);
        plan.Add(new ConvBackwardWeights(conv, pool, x, pool is null ? null : _winners, dy, gradient, workspace),
            Algorithms.Of(conv, cn_pass.CN_BACKWARD_WEIGHTS, workspace.Length(), selected)
                .Then(gradient.StepsInside, "the optimiser's step"));
    }

    // Returns the pool if the weight gradient can be computed directly from the gradient of the pool's output: dx is
    // not needed and a kernel exists. Otherwise returns null.
    private cn_pool2d? PoolBehindWeights(Lowering plan, Slot dy)
    {
        if (_winners is null || plan.WantsDX(this))
            return null;
        cn_conv2d conv = _conv with { x = plan.X(this).Tensor };
        Select(plan, ref conv, cn_pass.CN_BACKWARD_WEIGHTS);
        cn_pool2d pool = _pool!.Describe(_conv.y, Y, _conv.y, dy.Tensor, GatedBy);
        return cn_conv2d_pools_backward(conv, pool).SizeOrThrow() == 1 ? pool : null;
    }

    private void BackwardData(Lowering plan, cn_conv2d conv, Slot dy, GradientParts parts)
    {
        if (parts.Value is not null)
            conv.x_activation = Operation.Inputs[0].Producer!.Slope;
        string selected = Select(plan, ref conv, cn_pass.CN_BACKWARD_DATA);
        Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        Slot? workspace = Workspace(plan, conv, cn_pass.CN_BACKWARD_DATA);
        plan.Add(new ConvBackwardData(conv, dy, w, parts.Others, parts.Value, parts.DX, workspace),
            Algorithms.Of(conv, cn_pass.CN_BACKWARD_DATA, workspace.Length(), selected)
            .Then(parts.Others is not null, "the gradients of other consumers")
                .Then(parts.Value is not null, "the slope of the preceding activation"));
    }

    // Uses one call, or two if the rows would not stay in cache until they are pooled.
    private void ForwardPooled(Lowering plan, cn_conv2d conv, string selected, Slot w, Slot? bias)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        cn_pool2d pool = _pool!.Describe(_conv.y, y.Tensor, _conv.y, y.Tensor, GatedBy);
        _winners = plan.Pass.Kind == PassKind.Training ? PoolKernel.Winners(pool, plan.Pass.BatchSize) : null;
        if (cn_conv2d_pools(conv, pool).SizeOrThrow() == 1)
        {
            Slot? workspace = plan.Workspace(n => cn_conv2d_pool_workspace_floats(plan.Pass.Context, conv, pool, n)
                .SizeOrThrow());
            plan.Add(new ConvPoolForward(conv, pool, x, w, bias, y, _winners, workspace),
                Algorithms.Of(conv, cn_pass.CN_FORWARD, workspace.Length(), selected).Then(true, "pooling"));
            return;
        }
        var whole = new Slot(_conv.y, plan.Pass.BatchSize);
        Slot? room = Workspace(plan, conv, cn_pass.CN_FORWARD);
        plan.Add(new ConvForward(conv, x, w, bias, null, whole, null, room),
            Algorithms.Of(conv, cn_pass.CN_FORWARD, room.Length(), selected));
        plan.Add(new PoolForward(pool, whole, y, _winners), Choice.OnePass("the rows of a window do not stay in "
            + "cache until the convolution has computed all of them"));
    }

    // Selects the algorithm of a pass. Returns the reason as text.
    private string Select(Lowering plan, ref cn_conv2d conv, cn_pass pass, bool transformed = false)
    {
        Selection selection = plan.Pass.Algorithms.Choose(conv, pass, plan.Pass.BatchSize, plan.Pass.Context.isa,
            transformed);
        conv.algorithm = (cn_algorithm)selection.Algorithm;
        _algorithms[(int)pass] = selection.Algorithm;
        return selection.Reason;
    }

    // Weights that are read many times between updates are transformed once after each update.
    private static Slot Transform(Lowering plan, ref cn_conv2d conv, Slot w)
    {
        var transformed = new Slot(cn_conv2d_transformed_floats(conv, cn_pass.CN_FORWARD).SizeOrThrow(),
            SlotOwner.Pass);
        plan.AddPreparation(new TransformWeights(conv, w, transformed),
            Choice.OnePass("once, until the weights change"));
        conv.flags |= cn_flags.CN_TRANSFORMED;
        return transformed;
    }

    // Computes the gradient of the convolution's output from the gradient of the fused pool's output.
    private Slot Unpool(Lowering plan, Slot dy)
    {
        var whole = new Slot(_conv.y with { halo = plan.WantsDX(this) ? Layouts.Limit(_dyHalo) : 0 },
            plan.Pass.BatchSize);
        plan.Add(new PoolBackward(_pool!.Describe(_conv.y, Y, whole.Tensor, dy.Tensor, GatedBy), null,
            _winners, dy, whole), Choice.OnePass());
        return whole;
    }

    private static Slot? Workspace(Lowering plan, cn_conv2d conv, cn_pass pass)
        => plan.Workspace(n => cn_conv2d_workspace_floats(plan.Pass.Context, conv, pass, n).SizeOrThrow());
}

/// <summary>Computes y from x, with an optional residual input, and the row statistics of y.</summary>
internal sealed unsafe class ConvForward(cn_conv2d conv, Slot x, Slot w, Slot? bias, Slot? add, Slot y,
    Slot? statistics, Slot? workspace)
    : Step(x, w, bias, add, y, statistics, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_forward(run.Context, conv, run.N, x.Pointer, w.Pointer, bias.Address(), add.Address(), y.Pointer,
            statistics.Address(),
            workspace.Address(), workspace.Length()).ThrowIfFailed();
}

/// <summary>Computes the pooled output y from x, and the index of the winner of each window.</summary>
internal sealed unsafe class ConvPoolForward(cn_conv2d conv, cn_pool2d pool, Slot x, Slot w, Slot? bias, Slot y,
    Slot? winners, Slot? workspace)
    : Step(x, w, bias, y, winners, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_pool_forward(run.Context, conv, pool, run.N, x.Pointer, w.Pointer, bias.Address(), y.Pointer,
            (byte*)winners.Address(),
            workspace.Address(), workspace.Length()).ThrowIfFailed();
}

/// <summary>Computes dw and db from x and dy, where dy may be the gradient of a fused pool's output. In a training step
/// the optimiser step runs as part of it.</summary>
internal sealed unsafe class ConvBackwardWeights(cn_conv2d conv, cn_pool2d? pool, Slot x, Slot? winners, Slot dy,
    WeightGradient gradient, Slot? workspace)
    : Step([x, winners, dy, .. gradient.Slots, workspace])
{
    /// <inheritdoc/>
    public override long Floats => base.Floats + gradient.UpdateFloats;

    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.BackwardWeights;

    /// <inheritdoc/>
    public override void Bind() => gradient.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        cn_update update = gradient.Update(run);
        cn_update* step = gradient.Updates(run) ? &update : null;
        int status = pool is { } behind
            ? cn_conv2d_pool_backward_weights(run.Context, conv, behind, run.N, x.Pointer, (byte*)winners.Address(),
                dy.Pointer, gradient.DW(run),
                gradient.DB(run), step, workspace.Address(), workspace.Length())
            : cn_conv2d_backward_weights(run.Context, conv, run.N, x.Pointer, dy.Pointer, gradient.DW(run),
                gradient.DB(run), step,
                workspace.Address(), workspace.Length());
        status.ThrowIfFailed();
    }
}

/// <summary>Computes dx from dy, adds an optional gradient, and multiplies the result by the slope of the activation
/// whose output x is.</summary>
internal sealed unsafe class ConvBackwardData(cn_conv2d conv, Slot dy, Slot w, Slot? add, Slot? x, Slot dx,
    Slot? workspace)
    : Step(dy, w, add, x, dx, workspace)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_backward_data(run.Context, conv, run.N, dy.Pointer, w.Pointer, add.Address(), x.Address(),
            dx.Pointer, workspace.Address(),
            workspace.Length()).ThrowIfFailed();
}

/// <summary>Transforms weights for the forward pass of a Winograd algorithm.</summary>
internal sealed unsafe class TransformWeights(cn_conv2d conv, Slot w, Slot transformed) : Step(w, transformed)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_transform_weights(run.Context, conv, cn_pass.CN_FORWARD, w.Pointer, transformed.Pointer)
            .ThrowIfFailed();
}

/// <summary>Folds a batch normalisation into the preceding convolution: w ← w·γ/√(σ² + ε), b ← (b − μ)·γ/√(σ² + ε) +
/// β.</summary>
internal sealed unsafe class FoldNorm(ParameterStore parameters, Node conv, Node norm, ConvPacking packing, Slot w,
    Slot bias) : Step(w, bias)
{
    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        float[] weights = Values(conv.Parameters[0]);
        float[] gamma = Values(norm.Parameters[0]), beta = Values(norm.Parameters[1]),
            mean = Values(norm.Parameters[2]), variance = Values(norm.Parameters[3]);
        float[] earlier = conv.Parameters.Count > 1 ? Values(conv.Parameters[1]) : new float[gamma.Length];
        double epsilon = ((BatchNorm2d)norm.Layer!).Epsilon;
        int filter = weights.Length / gamma.Length;
        for (int k = 0; k < gamma.Length; k++)
        {
            double scale = gamma[k] / Math.Sqrt(variance[k] + epsilon);
            foreach (ref float weight in weights.AsSpan(k * filter, filter))
                weight = (float)(weight * scale);
            bias.Pointer[k] = (float)((earlier[k] - mean[k]) * scale + beta[k]);
        }
        packing.Pack(run.Context, weights, w.Pointer);
    }

    private float[] Values(Parameter parameter)
    {
        var values = new float[parameter.Length];
        parameters.Read(parameter, values);
        return values;
    }
}
