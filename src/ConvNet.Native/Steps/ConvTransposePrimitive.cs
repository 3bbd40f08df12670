using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Transposed convolution. Uses the passes of the convolution whose input gradient it computes, and adds its
/// own bias.</summary>
internal sealed unsafe class ConvTransposePrimitive : Primitive
{
    // Describes the convolution, so its x is the output here and its y the input.
    private readonly cn_conv2d _conv;

    /// <summary>Initialises the transposed convolution of an operation.</summary>
    public ConvTransposePrimitive(Operation operation, ConvTranspose2d layer, PassSpec pass) : base(operation)
    {
        cn_tensor output = Layouts.Tensor(cn_layout.CN_BLOCKED, operation.Node.Shape);
        cn_tensor input = Layouts.Tensor(cn_layout.CN_BLOCKED, operation.Node.Inputs[0].Shape);
        _conv = ConvKernels.Of(output, input, layer.Window, layer.Groups);
        XHalo = Variant(cn_pass.CN_BACKWARD_DATA).halo;
        DYHalo = Variant(cn_pass.CN_FORWARD).halo;
        StepsInside = Variant(cn_pass.CN_BACKWARD_WEIGHTS).updates == 1;

        cn_conv2d_variant Variant(cn_pass which)
            => ConvKernels.Describe(pass.Context, _conv, null, which, pass.BatchSize);
    }

    /// <inheritdoc/>
    public override int XHalo { get; }

    /// <inheritdoc/>
    public override int DYHalo { get; }

    /// <inheritdoc/>
    public override cn_tensor Y => _conv.x;

    /// <inheritdoc/>
    public override bool StepsInside { get; }

    /// <inheritdoc/>
    /// <remarks>The convolution that this one transposes has a bias per channel of the input here.</remarks>
    public override bool BiasWithWeights => false;

    /// <inheritdoc/>
    public override cn_tensor X(int input) => _conv.y;

    /// <inheritdoc/>
    public override Packing PackingOf(Parameter parameter)
        => parameter.Role == ParameterRole.Weight ? new ConvPacking(_conv) : base.PackingOf(parameter);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        Slot x = plan.X(this), y = plan.Y(this), w = plan.Parameters.Values(Operation.Node.Parameters[0]);
        cn_conv2d conv = _conv with { dy = x.Tensor, dx = y.Tensor };
        var epilogue = new Epilogue();
        plan.Add(new ConvBackwardData(conv, x, w, epilogue, y,
            plan.Workspace(conv, epilogue, cn_pass.CN_BACKWARD_DATA)),
            plan.Describe(conv, epilogue, cn_pass.CN_BACKWARD_DATA, Transposed));
        if (Bias is { } bias)
            plan.Add(new BiasAdd(plan.Parameters.Values(bias), y), Choice.OnePass());
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        Parameter weight = Operation.Node.Parameters[0];
        // Must precede the weight update.
        if (plan.DX(this) is { } dx)
        {
            cn_conv2d forward = _conv with { x = dy.Tensor, y = dx.Tensor };
            var epilogue = new Epilogue();
            plan.Add(new ConvForward(forward, dy, plan.Parameters.Values(weight), epilogue, dx,
                plan.Workspace(forward, epilogue, cn_pass.CN_FORWARD)),
                plan.Describe(forward, epilogue, cn_pass.CN_FORWARD, Transposed));
        }
        if (plan.Trains(weight))
        {
            Slot x = plan.X(this);
            cn_conv2d weights = _conv with { x = dy.Tensor, dy = x.Tensor };
            var gradient = new WeightGradient(plan.Parameters, this);
            var epilogue = new Epilogue(gradient.Bias);
            plan.Add(new ConvBackwardWeights(weights, dy, x, epilogue, gradient,
                plan.Workspace(weights, epilogue, cn_pass.CN_BACKWARD_WEIGHTS)),
                plan.Describe(weights, epilogue, cn_pass.CN_BACKWARD_WEIGHTS, Transposed)
                    .Then(gradient.StepsInside, "the optimiser's step"));
        }
        if (Bias is { } bias && plan.Trains(bias))
            plan.Add(new BiasGradient(dy, plan.Parameters.Gradient(bias)), Choice.OnePass());
    }

    private const string Transposed = "of the convolution that this one transposes";

    private Parameter? Bias => Operation.Node.Parameters.Count > 1 ? Operation.Node.Parameters[1] : null;
}

/// <summary>Computes y += bias.</summary>
internal sealed unsafe class BiasAdd(Slot bias, Slot y) : Step(bias, y)
{
    /// <inheritdoc/>
    public override long Floats => base.Floats + y.Floats;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_bias_add(run.Context, y.Tensor, run.N, bias.Pointer, y.Pointer).ThrowIfFailed();
}

/// <summary>Computes db = Σ dy.</summary>
internal sealed unsafe class BiasGradient(Slot dy, Slot db) : Step(dy, db)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.BackwardWeights;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_bias_gradient(run.Context, dy.Tensor, run.N, dy.Pointer, db.Pointer).ThrowIfFailed();
}
