namespace ConvNet;

/// <summary>
/// Layer-wise adaptive moments: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; u = m̂ / (√v̂ + ε) + λw;
/// w ← w − α·(‖w‖ / ‖u‖)·u for each parameter, with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t.
/// </summary>
/// <remarks>
/// ‖·‖ is the Euclidean norm of all values of the parameter; the ratio is 1 if a norm is 0. The norm of the weights is
/// not clipped: φ(z) = z. Scales and biases are usually put in a group without weight decay. PyTorch does not have this
/// optimiser. Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
/// algorithm 2.
/// </remarks>
public sealed record Lamb : WholeParameterOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AdamRule.Beta1Of<Lamb>(lamb => lamb.Beta1),
        s_beta2 = AdamRule.Beta2Of<Lamb>(lamb => lamb.Beta2),
        s_epsilon = Epsilons.Declare<Lamb>(lamb => lamb.Epsilon, 1e-6);

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<Lamb>();

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("lamb", "Adam with layer-wise adaptive rate scaling",
        [s_beta1, s_beta2, s_epsilon, s_weightDecay], values => new Lamb(values.Get(s_beta1), values.Get(s_beta2),
            values.Get(s_epsilon), values.Get(s_weightDecay)))
    {
        LearningRate = 0.01f,
        Usual = new Lamb(weightDecay: 0.01f),
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Lamb(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-6, float weightDecay = 0f)
        : base(weightDecay)
    {
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        (Beta1, Beta2, Epsilon) = (beta1, beta2, epsilon);
    }

    /// <summary>β₁, the decay rate of the mean of the gradients.</summary>
    public double Beta1 { get; }

    /// <summary>β₂, the decay rate of the mean of the squared gradients.</summary>
    public double Beta2 { get; }

    /// <summary>ε, which avoids a division by zero.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => AdamRule.StateNames(amsGrad: false);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Lamb), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        T beta1 = T.CreateChecked(Beta1), rest1 = T.CreateChecked(1 - Beta1);
        T beta2 = T.CreateChecked(Beta2), rest2 = T.CreateChecked(1 - Beta2), epsilon = T.CreateChecked(Epsilon);
        T unbias = T.CreateChecked(1 / (1 - Math.Pow(Beta1, context.Step)));
        T root = T.CreateChecked(1 / Math.Sqrt(1 - Math.Pow(Beta2, context.Step)));
        T decay = T.CreateChecked(context.WeightDecay);
        Span<T> m = state[0], v = state[1];
        var updates = new SquareSum<T>();
        // The updates are computed a second time below, instead of being stored.
        for (int i = 0; i < w.Length; i++)
        {
            m[i] = beta1 * m[i] + rest1 * g[i];
            v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
            updates.Add(unbias * m[i] / (T.Sqrt(v[i]) * root + epsilon) + decay * w[i]);
        }
        T norm = SquareSum<T>.Norm(w), divisor = updates.Root, rate = T.CreateChecked(context.LearningRate);
        if (norm > T.Zero && divisor > T.Zero)
            rate *= norm / divisor;
        for (int i = 0; i < w.Length; i++)
            w[i] -= rate * (unbias * m[i] / (T.Sqrt(v[i]) * root + epsilon) + decay * w[i]);
    }
}
