namespace ConvNet;

/// <summary>
/// Layer-wise adaptive rate scaling: v ← μv + α·r·(g + λw); w ← w − v, with r = η‖w‖ / (‖g‖ + λ‖w‖) for each parameter.
/// </summary>
/// <remarks>
/// ‖·‖ is the Euclidean norm of all values of the parameter. r is 1 if the divisor is zero. It is also 1 if the
/// parameter is zero, as an initial bias is; otherwise such a parameter would never change. Scales and biases are
/// usually put in a group without weight decay. Source: You, Gitman and Ginsburg, "Large batch training of
/// convolutional networks", 2017, algorithm 1.
/// </remarks>
public sealed record Lars : WholeParameterOptimizer
{
    private static readonly AttributeDeclaration<float>
        s_momentum = AttributeDeclaration.Number<Lars>("momentum", lars => lars.Momentum, NumberInterval.BelowOne, 0.9f,
            "Momentum"),
        s_weightDecay = OptimizerDeclaration.WeightDecay<Lars>(),
        s_trustCoefficient = AttributeDeclaration.Number<Lars>("trustCoefficient", lars => lars.TrustCoefficient,
            NumberInterval.AboveZero, 0.001f, "Norm of an update relative to the parameter's, at a learning rate of 1");

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("lars", "layer-wise adaptive rate scaling",
        [s_momentum, s_weightDecay, s_trustCoefficient],
        values => new Lars(values.Get(s_momentum), values.Get(s_weightDecay), values.Get(s_trustCoefficient)))
    {
        LearningRate = 5,
        Usual = new Lars(weightDecay: 1e-4f),
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="momentum">The momentum μ, in [0, 1).</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="trustCoefficient">The trust coefficient η, greater than 0: the ratio of the norm of an update to
    /// the norm of the parameter at a learning rate of 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Lars(float momentum = 0.9f, float weightDecay = 0f, float trustCoefficient = 0.001f)
        : base(weightDecay)
    {
        s_momentum.Check(Kind, momentum);
        s_trustCoefficient.Check(Kind, trustCoefficient);
        (Momentum, TrustCoefficient) = (momentum, trustCoefficient);
    }

    /// <summary>The momentum μ.</summary>
    public float Momentum { get; }

    /// <summary>The trust coefficient η.</summary>
    public float TrustCoefficient { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => ["momentum_buffer"];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Lars), (nameof(Momentum), Momentum),
        (nameof(WeightDecay), WeightDecay), (nameof(TrustCoefficient), TrustCoefficient), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        T momentum = T.CreateChecked(Momentum), decay = T.CreateChecked(context.WeightDecay);
        T norm = SquareSum<T>.Norm(w), divisor = SquareSum<T>.Norm(g) + decay * norm;
        T rate = T.CreateChecked(context.LearningRate);
        if (norm > T.Zero && divisor > T.Zero)
            rate *= T.CreateChecked(TrustCoefficient) * norm / divisor;
        Span<T> v = state[0];
        for (int i = 0; i < w.Length; i++)
        {
            v[i] = momentum * v[i] + rate * (g[i] + decay * w[i]);
            w[i] -= v[i];
        }
    }
}
