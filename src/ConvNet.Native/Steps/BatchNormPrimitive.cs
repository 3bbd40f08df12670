using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Batch normalisation over channel blocks. Unless it is frozen, it keeps the mean and 1/√(σ² + ε) for the
/// backward pass.</summary>
internal sealed class BatchNormPrimitive(Operation operation, BatchNorm2d layer) : Primitive(operation)
{
    private Slot? _mean, _inverse;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <inheritdoc/>
    /// <remarks>The slope of a fused activation follows from x, which the backward pass reads anyway. With a fused sum
    /// it does not.</remarks>
    public override bool TakesSlope => Operation.HasSlope && !Operation.Sums && !Operation.IsFrozen;

    /// <inheritdoc/>
    /// <remarks>The output is recomputed from x, which the backward pass needs anyway. A fused sum would also need the
    /// residual input.</remarks>
    public override bool RunsAgain => !Operation.Sums && !Operation.IsFrozen;

    /// <inheritdoc/>
    public override void RunAgain(Lowering plan, Slot y)
    {
        Slot x = plan.X(this);
        plan.Add(new BatchNormAgain(Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor),
            new Epilogue(activation: Operation.Activation), x, Scale(plan), Shift(plan), _mean!, _inverse!, y),
            Choice.OnePass("recomputed from the stored statistics, which saves memory at little cost"));
    }

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this);
        var epilogue = new Epilogue(add: Operation.Sums ? plan.X(this, 1) : null, activation: Operation.Activation);
        cn_batch_norm norm = Describe(x.Tensor, y.Tensor, x.Tensor, y.Tensor);
        Slot? scale = Scale(plan), shift = Shift(plan);
        Slot mean = Of(plan, ParameterRole.RunningMean)!, variance = Of(plan, ParameterRole.RunningVariance)!;
        if (plan.Pass.Kind != PassKind.Training || Operation.IsFrozen)
        {
            plan.Add(new BatchNormInfer(norm, epilogue, x, scale, shift, mean, variance, y), Choice.OnePass());
            return;
        }
        (_mean, _inverse) = (new Slot(mean.Floats), new Slot(mean.Floats));
        plan.Add(new BatchNormForward(norm, epilogue, x, plan.Statistics(this), scale, shift, y, _mean, _inverse, mean,
            variance, Of(plan, ParameterRole.BatchCount), Workspace(plan, norm)),
            new Choice("statistics of rows, of chunks of samples, of all, then y",
                "the size of the work determines the chunks, which are combined in order"));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (Operation.Sums && plan.WantsDX(this, 1))
            plan.PassGradient(this, 1, dy);
        if (Operation.IsFrozen)
        {
            BackwardFrozen(plan, dy);
            return;
        }
        Slot x = plan.X(this), dx = plan.DX(this) ?? new Slot(x.Tensor, plan.Pass.BatchSize);
        cn_batch_norm norm = Describe(x.Tensor, Y, dx.Tensor, dy.Tensor);
        var epilogue = new Epilogue(activation: TakesSlope ? Operation.Slope : default);
        // dx requires both sums. That of a parameter that is frozen or absent goes to temporary memory.
        Slot Gradient(ParameterRole role) => ParameterOf(role) is { } parameter && plan.Trains(parameter)
            ? plan.Parameters.Gradient(parameter)
            : new Slot(_mean!.Floats);
        Slot dscale = Gradient(ParameterRole.Scale), dshift = Gradient(ParameterRole.Bias);
        plan.Add(new BatchNormBackward(norm, epilogue, x, dy, Scale(plan), Shift(plan), _mean!, _inverse!, dx, dscale,
            dshift, Workspace(plan, norm)),
            new Choice("sums of dy and dy·x̂, then dx", "dx needs both sums of its channel"));
    }

    // dx = γ/√(σ² + ε)·dy is the forward pass applied to dy with zero mean and zero shift.
    private void BackwardFrozen(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is not { } dx)
            return;
        Slot variance = Of(plan, ParameterRole.RunningVariance)!,
            zeros = new(variance.Floats, SlotOwner.Pass);
        plan.Add(new BatchNormInfer(Describe(dy.Tensor, dx.Tensor, dy.Tensor, dx.Tensor), new Epilogue(), dy,
            Scale(plan), null, zeros, variance, dx), Choice.OnePass("frozen: the statistics do not depend on x"));
    }

    private Parameter? ParameterOf(ParameterRole role)
        => Operation.Node.Parameters.SingleOrDefault(parameter => parameter.Role == role);

    private Slot? Of(Lowering plan, ParameterRole role)
        => ParameterOf(role) is { } parameter ? plan.Parameters.Values(parameter) : null;

    private Slot? Scale(Lowering plan) => Of(plan, ParameterRole.Scale);

    private Slot? Shift(Lowering plan) => Of(plan, ParameterRole.Bias);

    private cn_batch_norm Describe(cn_tensor x, cn_tensor y, cn_tensor dx, cn_tensor dy) => new()
    {
        epsilon = layer.Epsilon,
        x = x,
        y = y,
        dx = dx,
        dy = dy,
        momentum = layer.Momentum ?? 0,
    };

    private static Slot? Workspace(Lowering plan, cn_batch_norm norm)
        => plan.Workspace(n => cn_batch_norm_workspace_bytes(plan.Pass.Context, norm, n).SizeOrThrow());
}

/// <summary>Computes the mean and the sum of squared deviations of every row of x.</summary>
internal sealed unsafe class RowStatistics(Slot x, Slot statistics) : Step(x, statistics)
{
    private readonly cn_tensor _tensor = x.Tensor;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_row_statistics(run.Context, _tensor, run.N, x.Pointer, statistics.Pointer).ThrowIfFailed();
}

/// <summary>Computes y from x with the batch statistics and an optional residual input, and updates the running
/// statistics. If there is a count of batches, it is incremented, and its inverse is the momentum.</summary>
internal sealed unsafe class BatchNormForward(cn_batch_norm norm, Epilogue epilogue, Slot x, Slot statistics,
    Slot? scale, Slot? shift, Slot y, Slot mean, Slot inverse, Slot runningMean, Slot runningVariance, Slot? batches,
    Slot? workspace)
    : Step([x, statistics, scale, shift, .. epilogue.Slots, y, mean, inverse, runningMean, runningVariance, batches,
        workspace])
{
    // Sums of values and of squares, for a batch that executables share.
    private double[]? _moments;

    /// <inheritdoc/>
    public override void Bind() => epilogue.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        cn_batch_norm current = batches is null ? norm : norm with { momentum = 1 / ++*batches.Pointer };
        if (run.Statistics is { } exchange)
        {
            RunShared(run, current, exchange);
            return;
        }
        cn_batch_norm_forward(run.Context, current, epilogue.Pointer, run.N, x.Pointer, statistics.Pointer,
            scale.Address(), shift.Address(), y.Pointer, mean.Pointer, inverse.Pointer, runningMean.Pointer,
            runningVariance.Pointer, workspace.Address(), workspace.Bytes()).ThrowIfFailed();
    }

    private void RunShared(in Run run, cn_batch_norm current, IStatisticsExchange exchange)
    {
        int channels = (int)mean.Floats;
        double area = (double)norm.x.h * norm.x.w, count = exchange.Samples * area;
        _moments ??= new double[2 * channels];
        fixed (double* moments = _moments)
        {
            cn_batch_norm_moments(run.Context, current, run.N, statistics.Pointer, moments, workspace.Address(),
                workspace.Bytes()).ThrowIfFailed();
            Share(exchange, _moments.AsSpan(0, channels), _moments.AsSpan(channels), run.N * area, count);
            cn_batch_norm_forward_shared(run.Context, current, epilogue.Pointer, run.N, x.Pointer, count, moments,
                scale.Address(), shift.Address(), y.Pointer, mean.Pointer, inverse.Pointer, runningMean.Pointer,
                runningVariance.Pointer).ThrowIfFailed();
        }
    }

    // The squares are measured from the mean of this executable's values, and added up from that of all.
    private static void Share(IStatisticsExchange exchange, Span<double> sums, Span<double> squares, double own,
        double count)
    {
        double[] ownSums = [.. sums];
        exchange.Sum(sums);
        for (int c = 0; c < sums.Length; c++)
        {
            double distance = ownSums[c] / own - sums[c] / count;
            squares[c] += own * distance * distance;
        }
        exchange.Sum(squares);
    }
}

/// <summary>Recomputes y from x in the backward pass.</summary>
internal sealed unsafe class BatchNormAgain(cn_batch_norm norm, Epilogue epilogue, Slot x, Slot? scale, Slot? shift,
    Slot mean, Slot inverse, Slot y)
    : Step([x, scale, shift, mean, inverse, y])
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Forward;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_batch_norm_apply(run.Context, norm, epilogue.Pointer, run.N, x.Pointer, scale.Address(), shift.Address(),
            mean.Pointer, inverse.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes y from x with the running statistics and an optional residual input.</summary>
internal sealed unsafe class BatchNormInfer(cn_batch_norm norm, Epilogue epilogue, Slot x, Slot? scale, Slot? shift,
    Slot mean, Slot variance, Slot y)
    : Step([x, scale, shift, mean, variance, .. epilogue.Slots, y])
{
    /// <inheritdoc/>
    public override void Bind() => epilogue.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_batch_norm_infer(run.Context, norm, epilogue.Pointer, run.N, x.Pointer, scale.Address(), shift.Address(),
            mean.Pointer, variance.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes dx and the gradients of scale and shift from x and dy. dy is first multiplied by the slope of the
/// fused activation.</summary>
internal sealed unsafe class BatchNormBackward(cn_batch_norm norm, Epilogue epilogue, Slot x, Slot dy, Slot? scale,
    Slot? shift, Slot mean, Slot inverse, Slot dx, Slot dscale, Slot dshift, Slot? workspace)
    : Step([x, dy, scale, shift, mean, inverse, dx, dscale, dshift, workspace])
{
    // Sums of dy·(x − μ) and of dy, for a batch that executables share.
    private double[]? _sums;

    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Backward;

    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        if (run.Statistics is { } exchange)
            RunShared(run, exchange);
        else
            cn_batch_norm_backward(run.Context, norm, epilogue.Pointer, run.N, x.Pointer, dy.Pointer, scale.Address(),
                shift.Address(), mean.Pointer, inverse.Pointer, dx.Pointer, dscale.Address(), dshift.Address(),
                workspace.Address(), workspace.Bytes()).ThrowIfFailed();
    }

    private void RunShared(in Run run, IStatisticsExchange exchange)
    {
        _sums ??= new double[2 * mean.Floats];
        fixed (double* sums = _sums)
        {
            cn_batch_norm_backward_sums(run.Context, norm, epilogue.Pointer, run.N, x.Pointer, dy.Pointer,
                scale.Address(), shift.Address(), mean.Pointer, inverse.Pointer, sums, dscale.Address(),
                dshift.Address(), workspace.Address(), workspace.Bytes()).ThrowIfFailed();
            exchange.Sum(_sums);
            cn_batch_norm_backward_shared(run.Context, norm, epilogue.Pointer, run.N, x.Pointer, dy.Pointer,
                scale.Address(), shift.Address(), mean.Pointer, inverse.Pointer,
                (double)exchange.Samples * norm.x.h * norm.x.w, sums, dx.Pointer, workspace.Address(),
                workspace.Bytes()).ThrowIfFailed();
        }
    }
}
