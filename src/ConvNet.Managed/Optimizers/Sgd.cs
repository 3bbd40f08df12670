namespace ConvNet;

/// <summary>Stochastic gradient descent: g ← g + λw; v ← μv + (1 − τ)g; w ← w − αv, or w − α(g + μv) with
/// Nesterov.</summary>
/// <remarks>This is PyTorch's formulation; without momentum w ← w − αg. The dampening τ does not apply to the first
/// step, v ← g. Source: Sutskever et al., ICML 2013.</remarks>
public sealed record Sgd : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<float>
        s_momentum = AttributeDeclaration.Number<Sgd>("momentum", sgd => sgd.Momentum, NumberInterval.BelowOne, 0f,
            "Momentum"),
        s_weightDecay = OptimizerDeclaration.WeightDecay<Sgd>(),
        s_dampening = AttributeDeclaration.Number<Sgd>("dampening", sgd => sgd.Dampening, NumberInterval.BelowOne, 0f,
            "Dampening of the momentum");

    private static readonly AttributeDeclaration<bool> s_nesterov = AttributeDeclaration.Flag<Sgd>("nesterov",
        sgd => sgd.Nesterov, false, summary: "Nesterov momentum");

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("sgd", "stochastic gradient descent with momentum",
        [s_momentum, s_weightDecay, s_nesterov, s_dampening],
        values => new Sgd(values.Get(s_momentum), values.Get(s_weightDecay), values.Get(s_nesterov),
            values.Get(s_dampening)))
    {
        LearningRate = 0.02f,
        Usual = new Sgd(0.9f, 1e-4f),
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="momentum">The momentum μ, in [0, 1).</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="nesterov">Whether to use Nesterov momentum; it requires a momentum greater than 0.</param>
    /// <param name="dampening">The dampening τ of the momentum, in [0, 1).</param>
    /// <exception cref="ArgumentException">A value is out of range, Nesterov is used without momentum or with
    /// dampening, or there is dampening without momentum.</exception>
    public Sgd(float momentum = 0f, float weightDecay = 0f, bool nesterov = false, float dampening = 0f)
        : base(weightDecay)
    {
        s_momentum.Check(Kind, momentum);
        s_dampening.Check(Kind, dampening);
        if (nesterov && momentum == 0)
            throw new ArgumentException("Nesterov momentum needs a momentum above 0.", nameof(nesterov));
        if (dampening > 0 && (nesterov || momentum == 0))
            throw new ArgumentException(nesterov ? "Nesterov momentum needs a dampening of 0."
                : "Dampening needs a momentum above 0.", nameof(dampening));
        (Momentum, Nesterov, Dampening) = (momentum, nesterov, dampening);
    }

    /// <summary>The momentum μ.</summary>
    public float Momentum { get; }

    /// <summary>Whether Nesterov momentum is used.</summary>
    public bool Nesterov { get; }

    /// <summary>The dampening τ of the momentum.</summary>
    public float Dampening { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => Momentum > 0 ? ["momentum_buffer"] : [];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Sgd), (nameof(Momentum), Momentum),
        (nameof(WeightDecay), WeightDecay), (nameof(Nesterov), Nesterov), (nameof(Dampening), Dampening),
        (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T rate = T.CreateChecked(context.LearningRate), momentum = T.CreateChecked(Momentum);
        T decay = T.CreateChecked(context.WeightDecay);
        T share = context.Step == 1 ? T.One : T.CreateChecked(1 - (double)Dampening);
        Span<T> v = Momentum > 0 ? state[0] : [];
        for (int i = 0; i < w.Length; i++)
        {
            T change = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            if (Momentum > 0)
            {
                v[i] = momentum * v[i] + (Dampening == 0 ? change : share * change);
                change = Nesterov ? change + momentum * v[i] : v[i];
            }
            w[i] -= rate * change;
        }
    }
}
