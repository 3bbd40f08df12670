using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Convolution. Reads channel blocks, or plain input if the library reads that fastest.</summary>
internal sealed unsafe class ConvPrimitive : Primitive
{
    private readonly cn_conv2d _conv;
    private readonly bool _hasBias;
    private readonly SumAlgorithm[] _algorithms = new SumAlgorithm[Enum.GetValues<SumPass>().Length];
    private readonly PoolKernel? _pool;
    private readonly int _dyHalo;
    private Slot? _winners;

    /// <summary>Initialises the convolution of an operation.</summary>
    public ConvPrimitive(Operation operation, Conv2d layer, cn_tensor input, PassSpec pass) : base(operation)
    {
        Shape shape = operation.Node.Inputs[0].Shape;
        cn_tensor x = Layouts.Tensor(cn_layout.CN_BLOCKED, shape);
        cn_tensor y = Layouts.Tensor(cn_layout.CN_BLOCKED, operation.Node.Shape);
        _conv = ConvKernels.Of(x, y, layer.Window, layer.Groups);
        if (input.layout == cn_layout.CN_PLAIN)
        {
            x = Layouts.Tensor(ConvKernels.LayoutOf(_conv), shape);
            _conv = _conv with { x = x, dx = x };
        }
        _hasBias = layer.Bias;
        _pool = operation.Pool is { } pool ? LoweringTable.PoolOf(pool) : null;
        XHalo = DirectVariant(cn_pass.CN_FORWARD).halo;
        _dyHalo = DirectVariant(cn_pass.CN_BACKWARD_DATA).halo;
        StepsInside = DirectVariant(cn_pass.CN_BACKWARD_WEIGHTS).updates == 1;

        cn_conv2d_variant DirectVariant(cn_pass which)
            => ConvKernels.Describe(pass.Context, _conv, null, which, pass.BatchSize);
    }

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
    public override bool StepsInside { get; }

    private cn_activation GatedBy => PoolKernel.GateOf(Operation);

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
        Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        Slot? bias = _hasBias ? plan.Parameters.Values(Operation.Node.Parameters[1]) : null;
        if (Operation.Norm is { } norm)
        {
            (w, bias) = (new Slot(w.Floats, SlotOwner.Pass),
                new Slot(plan.Parameters.Values(norm.Parameters[0]).Floats, SlotOwner.Pass));
            plan.AddPreparation(new FoldNorm(plan.Parameters, Operation.Node, norm, new ConvPacking(_conv), w, bias),
                Choice.OnePass("running statistics change only when they are written"));
        }
        bool prepares = plan.Pass.Kind != PassKind.Training;
        string selected = Select(plan, ref conv, cn_pass.CN_FORWARD, prepares);
        if (prepares)
            w = Transform(plan, ref conv, w);
        if (_pool is not null)
        {
            ForwardPooled(plan, conv, selected, w, bias);
            return;
        }
        Slot? add = Operation.Sums ? plan.X(this, 1) : null, statistics = plan.GiveStatistics(this);
        AddForward(plan, conv, selected, x, w,
            new Epilogue(bias, add, Operation.Activation, statistics: statistics), y);
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (Operation.Sums && plan.WantsDX(this, 1))
            plan.PassGradient(this, 1, dy);
        Parameter weight = Operation.Node.Parameters[0];
        Parameter? bias = _hasBias ? Operation.Node.Parameters[1] : null;
        cn_conv2d conv = _conv with { x = plan.Layouts.Read(this, 0) };
        WeightGradient? gradient = plan.Trains(weight) ? new WeightGradient(plan.Parameters, this) : null;
        Epilogue? pooled = gradient is null ? null : PooledWeights(plan, conv, gradient, dy);
        if (_pool is not null && pooled is null)
            dy = Unpool(plan, dy);
        conv.dy = pooled is null ? dy.Tensor : _conv.y;
        // Must precede the weight update.
        if (plan.CompleteDX(this) is { } complete)
            BackwardData(plan, conv with { dx = complete.DX.Tensor }, dy, complete);
        if (gradient is null)
        {
            if (bias is not null && plan.Trains(bias))
                plan.Add(new BiasGradient(dy, plan.Parameters.Gradient(bias)),
                    Choice.OnePass("the weights are frozen"));
            return;
        }
        AddBackwardWeights(plan, conv, plan.X(this), dy, pooled ?? new Epilogue(gradient.Bias), gradient);
    }

    // Returns the epilogue with which the weight gradient is computed directly from the gradient of the pool's output,
    // if dx is not needed and a kernel exists. Otherwise returns null.
    private Epilogue? PooledWeights(Lowering plan, cn_conv2d conv, WeightGradient gradient, Slot dy)
    {
        if (_winners is null || plan.WantsDX(this))
            return null;
        Select(plan, ref conv, cn_pass.CN_BACKWARD_WEIGHTS);
        var epilogue = new Epilogue(gradient.Bias, winners: _winners,
            pool: _pool!.Describe(_conv.y, Y, _conv.y, dy.Tensor, winners: true, GatedBy));
        return ConvKernels.Find(plan.Pass.Context, conv, epilogue.Pointer, cn_pass.CN_BACKWARD_WEIGHTS,
            plan.Pass.BatchSize) is null ? null : epilogue;
    }

    private void BackwardData(Lowering plan, cn_conv2d conv, Slot dy, CompleteGradient complete)
    {
        string selected = Select(plan, ref conv, cn_pass.CN_BACKWARD_DATA);
        Slot w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        var epilogue = new Epilogue(add: complete.Others, outputs: complete.Value,
            slope: complete.Value is null ? default : Operation.Inputs[0].Producer!.Slope);
        plan.Add(new ConvBackwardData(conv, dy, w, epilogue, complete.DX,
            plan.Workspace(conv, epilogue, cn_pass.CN_BACKWARD_DATA)),
            plan.Describe(conv, epilogue, cn_pass.CN_BACKWARD_DATA, selected)
                .Then(complete.Others is not null, "the gradients of other consumers")
                .Then(complete.Value is not null, "the slope of the preceding activation"));
    }

    private void AddBackwardWeights(Lowering plan, cn_conv2d conv, Slot x, Slot dy, Epilogue epilogue,
        WeightGradient gradient)
    {
        string selected = Select(plan, ref conv, cn_pass.CN_BACKWARD_WEIGHTS);
        plan.Add(new ConvBackwardWeights(conv, x, dy, epilogue, gradient,
            plan.Workspace(conv, epilogue, cn_pass.CN_BACKWARD_WEIGHTS)),
            plan.Describe(conv, epilogue, cn_pass.CN_BACKWARD_WEIGHTS, selected)
                .Then(gradient.StepsInside, "the optimiser's step"));
    }

    // Uses one call, or two if the library does not pool the results of this convolution.
    private void ForwardPooled(Lowering plan, cn_conv2d conv, string selected, Slot w, Slot? bias)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        _winners = plan.Pass.Kind == PassKind.Training
            ? _pool!.Winners(_conv.y, y.Tensor, plan.Pass.BatchSize)
            : null;
        cn_pool2d pool = _pool!.Describe(_conv.y, y.Tensor, _conv.y, y.Tensor, _winners is not null, GatedBy);
        var pooled = new Epilogue(bias, activation: Operation.Activation, pool: pool, winners: _winners);
        if (ConvKernels.Find(plan.Pass.Context, conv, pooled.Pointer, cn_pass.CN_FORWARD, plan.Pass.BatchSize)
            is not null)
        {
            AddForward(plan, conv, selected, x, w, pooled, y);
            return;
        }
        var whole = new Slot(_conv.y, plan.Pass.BatchSize);
        AddForward(plan, conv, selected, x, w, new Epilogue(bias, activation: Operation.Activation), whole);
        plan.Add(new PoolForward(pool, whole, y, _winners),
            Choice.OnePass("the library does not pool the rows of this convolution while they are in cache"));
    }

    private static void AddForward(Lowering plan, cn_conv2d conv, string selected, Slot x, Slot w, Epilogue epilogue,
        Slot y)
        => plan.Add(new ConvForward(conv, x, w, epilogue, y, plan.Workspace(conv, epilogue, cn_pass.CN_FORWARD)),
            plan.Describe(conv, epilogue, cn_pass.CN_FORWARD, selected)
                .Then(epilogue.Does(cn_operations.CN_ADD), "a sum")
                .Then(epilogue.Does(cn_operations.CN_STATISTICS), "statistics of rows")
                .Then(epilogue.Does(cn_operations.CN_POOL), "pooling"));

    // Selects the algorithm of a pass. Returns the reason as text.
    private string Select(Lowering plan, ref cn_conv2d conv, cn_pass pass, bool transformed = false)
    {
        Selection selection = plan.Pass.Algorithms.Choose(plan.Pass.Context, conv, pass, plan.Pass.BatchSize,
            transformed);
        conv.algorithm = (cn_algorithm)selection.Algorithm;
        _algorithms[(int)pass] = selection.Algorithm;
        return selection.Reason;
    }

    // Weights that are read many times between updates are transformed once after each update, if the algorithm
    // transforms them.
    private static Slot Transform(Lowering plan, ref cn_conv2d conv, Slot w)
    {
        cn_conv2d_variant variant = ConvKernels.Describe(plan.Pass.Context, conv, null, cn_pass.CN_FORWARD,
            plan.Pass.BatchSize);
        if (variant.transformed == 0)
            return w;
        var transformed = new Slot(variant.transformed.FloatsOrThrow(), SlotOwner.Pass);
        plan.AddPreparation(new TransformWeights(conv, w, transformed),
            Choice.OnePass("once, until the weights change"));
        conv.transformed = 1;
        return transformed;
    }

    // Computes the gradient of the convolution's output from the gradient of the fused pool's output.
    private Slot Unpool(Lowering plan, Slot dy)
    {
        var whole = new Slot(_conv.y with { halo = plan.WantsDX(this) ? Layouts.Limit(_dyHalo) : 0 },
            plan.Pass.BatchSize);
        plan.Add(new PoolBackward(_pool!.Describe(_conv.y, Y, whole.Tensor, dy.Tensor, _winners is not null, GatedBy),
            null, _winners, dy, whole), Choice.OnePass());
        return whole;
    }
}

/// <summary>Computes y from x, with an epilogue, which may pool y.</summary>
internal sealed unsafe class ConvForward(cn_conv2d conv, Slot x, Slot w, Epilogue epilogue, Slot y, Slot? workspace)
    : Step([x, w, .. epilogue.Slots, y, workspace])
{
    /// <inheritdoc/>
    public override void Bind() => epilogue.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_forward(run.Context, conv, epilogue.Pointer, run.N, x.Pointer, w.Pointer, y.Pointer,
            workspace.Address(), workspace.Bytes()).ThrowIfFailed();
}

/// <summary>Computes dw and db from x and dy, where dy may be the gradient of a fused pool's output. In a training step
/// the optimiser step runs as part of it.</summary>
internal sealed unsafe class ConvBackwardWeights(cn_conv2d conv, Slot x, Slot dy, Epilogue epilogue,
    WeightGradient gradient, Slot? workspace)
    : Step([x, epilogue.Winners, dy, .. gradient.Slots, workspace])
{
    /// <inheritdoc/>
    public override long Floats => base.Floats + gradient.UpdateFloats;

    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.BackwardWeights;

    /// <inheritdoc/>
    public override void Bind()
    {
        gradient.Bind();
        epilogue.Bind();
    }

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_backward_weights(run.Context, conv, epilogue.Pointer, run.N, x.Pointer, dy.Pointer,
            gradient.For(run), workspace.Address(), workspace.Bytes()).ThrowIfFailed();
}

/// <summary>Computes dx from dy, adds an optional gradient, and multiplies the result by the slope of the activation
/// whose output x is.</summary>
internal sealed unsafe class ConvBackwardData(cn_conv2d conv, Slot dy, Slot w, Epilogue epilogue, Slot dx,
    Slot? workspace)
    : Step([dy, w, .. epilogue.Slots, dx, workspace])
{
    /// <inheritdoc/>
    public override void Bind() => epilogue.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_conv2d_backward_data(run.Context, conv, epilogue.Pointer, run.N, dy.Pointer, w.Pointer, dx.Pointer,
            workspace.Address(), workspace.Bytes()).ThrowIfFailed();
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
        float[]? gamma = Values(ParameterRole.Scale), beta = Values(ParameterRole.Bias);
        float[] mean = Values(ParameterRole.RunningMean)!, variance = Values(ParameterRole.RunningVariance)!;
        float[]? earlier = conv.Parameters.Count > 1 ? Values(conv.Parameters[1]) : null;
        double epsilon = ((BatchNorm2d)norm.Layer!).Epsilon;
        int filter = weights.Length / mean.Length;
        for (int k = 0; k < mean.Length; k++)
        {
            double scale = (gamma?[k] ?? 1) / Math.Sqrt(variance[k] + epsilon);
            foreach (ref float weight in weights.AsSpan(k * filter, filter))
                weight = (float)(weight * scale);
            bias.Pointer[k] = (float)(((earlier?[k] ?? 0) - mean[k]) * scale + (beta?[k] ?? 0));
        }
        packing.Pack(run.Context, weights, w.Pointer);
    }

    // Null if the normalisation has no parameter of this role.
    private float[]? Values(ParameterRole role)
        => norm.Parameters.SingleOrDefault(p => p.Role == role) is { } found ? Values(found) : null;

    private float[] Values(Parameter parameter)
    {
        var values = new float[parameter.Length];
        parameters.Read(parameter, values);
        return values;
    }
}
