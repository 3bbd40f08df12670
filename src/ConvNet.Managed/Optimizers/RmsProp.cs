namespace ConvNet;

/// <summary>
/// RMSprop: g ← g + λw; v ← ρv + (1 − ρ)g²; d = g / (√v + ε); w ← w − αd. With momentum, b ← μb + d and w ← w − αb.
/// </summary>
/// <remarks>
/// The centred form divides by √(v − a²) + ε, with the mean a ← ρa + (1 − ρ)g: an estimate of the standard deviation.
/// This is PyTorch's formulation, in which ρ is called alpha. If rounding makes v − a² negative, it counts as 0 here;
/// in PyTorch the update is then NaN. Sources: Hinton, "Neural networks for machine learning", lecture 6e, 2012; the
/// centred form: Graves, arXiv:1308.0850, 2013.
/// </remarks>
public sealed record RmsProp : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_smoothing = AttributeDeclaration.Number<RmsProp>("smoothing", rmsProp => rmsProp.Smoothing,
            NumberInterval.BelowOne, 0.99, "Decay of the running mean of the squared gradients"),
        s_epsilon = Epsilons.Declare<RmsProp>(rmsProp => rmsProp.Epsilon, 1e-8);

    private static readonly AttributeDeclaration<float>
        s_weightDecay = OptimizerDeclaration.WeightDecay<RmsProp>(),
        s_momentum = AttributeDeclaration.Number<RmsProp>("momentum", rmsProp => rmsProp.Momentum,
            NumberInterval.BelowOne, 0f, "Momentum");

    private static readonly AttributeDeclaration<bool> s_centered = AttributeDeclaration.Flag<RmsProp>("centered",
        rmsProp => rmsProp.Centered, false, summary: "Divide by the standard deviation of the gradients");

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("rmsprop", "steps divided by the gradients' mean size",
        [s_smoothing, s_epsilon, s_weightDecay, s_momentum, s_centered],
        values => new RmsProp(values.Get(s_smoothing), values.Get(s_epsilon), values.Get(s_weightDecay),
            values.Get(s_momentum), values.Get(s_centered)));

    /// <summary>Creates the optimiser.</summary>
    /// <param name="smoothing">ρ, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="momentum">The momentum μ, in [0, 1).</param>
    /// <param name="centered">Whether to divide by the standard deviation of the gradients.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public RmsProp(double smoothing = 0.99, double epsilon = 1e-8, float weightDecay = 0f, float momentum = 0f,
        bool centered = false)
        : base(weightDecay)
    {
        s_smoothing.Check(Kind, smoothing);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        s_momentum.Check(Kind, momentum);
        (Smoothing, Epsilon, Momentum, Centered) = (smoothing, epsilon, momentum, centered);
    }

    /// <summary>ρ, the decay rate of the mean of the squared gradients.</summary>
    public double Smoothing { get; }

    /// <summary>ε, which avoids a division by zero.</summary>
    public double Epsilon { get; }

    /// <summary>The momentum μ.</summary>
    public float Momentum { get; }

    /// <summary>Whether the divisor is the standard deviation of the gradients.</summary>
    public bool Centered { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => (Momentum > 0, Centered) switch
    {
        (false, false) => ["square_avg"],
        (true, false) => ["square_avg", "momentum_buffer"],
        (false, true) => ["square_avg", "grad_avg"],
        (true, true) => ["square_avg", "momentum_buffer", "grad_avg"],
    };

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(RmsProp), (nameof(Smoothing), Smoothing),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(Momentum), Momentum),
        (nameof(Centered), Centered), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T rate = T.CreateChecked(context.LearningRate), decay = T.CreateChecked(context.WeightDecay);
        T rho = T.CreateChecked(Smoothing), rest = T.CreateChecked(1 - Smoothing);
        T epsilon = T.CreateChecked(Epsilon), momentum = T.CreateChecked(Momentum);
        Span<T> v = state[0], b = Momentum > 0 ? state[1] : [], a = Centered ? state[state.Count - 1] : [];
        for (int i = 0; i < w.Length; i++)
        {
            T d = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            v[i] = rho * v[i] + rest * d * d;
            T square = v[i];
            if (Centered)
            {
                a[i] = rho * a[i] + rest * d;
                square = T.Max(square - a[i] * a[i], T.Zero);
            }
            T change = d / (T.Sqrt(square) + epsilon);
            if (Momentum > 0)
                change = b[i] = momentum * b[i] + change;
            w[i] -= rate * change;
        }
    }
}
