namespace ConvNet;

/// <summary>
/// Lion: c = β₁m + (1 − β₁)g; w ← w·(1 − αλ) − α·sign(c); m ← β₂m + (1 − β₂)g.
/// </summary>
/// <remarks>
/// Every value moves by α, or not at all where c is 0; a NaN stays a NaN. The weight decay is decoupled. Learning rates
/// are 3 to 10 times smaller than those of <see cref="AdamW"/>, and the weight decay is larger by the same factor.
/// PyTorch does not have this optimiser. Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS
/// 2023, program 1.
/// </remarks>
public sealed record Lion : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AttributeDeclaration.Number<Lion>("beta1", lion => lion.Beta1, NumberInterval.BelowOne, 0.9,
            "Decay of the running mean of the gradients"),
        s_beta2 = AttributeDeclaration.Number<Lion>("beta2", lion => lion.Beta2, NumberInterval.BelowOne, 0.99,
            "Decay of the running mean of the squared gradients");

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<Lion>();

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("lion", "steps of one size, by the sign of the mean",
        [s_beta1, s_beta2, s_weightDecay],
        values => new Lion(values.Get(s_beta1), values.Get(s_beta2), values.Get(s_weightDecay)))
    {
        LearningRate = 0.0003f,
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the share of the mean in the update.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Lion(double beta1 = 0.9, double beta2 = 0.99, float weightDecay = 0f)
        : base(weightDecay)
    {
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        (Beta1, Beta2) = (beta1, beta2);
    }

    /// <summary>β₁, the share of the mean in the update.</summary>
    public double Beta1 { get; }

    /// <summary>β₂, the decay rate of the mean of the gradients.</summary>
    public double Beta2 { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => ["exp_avg"];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Lion), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(WeightDecay), WeightDecay), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T rate = T.CreateChecked(context.LearningRate), keep = T.CreateChecked(DecoupledDecay.Factor(context));
        T beta1 = T.CreateChecked(Beta1), rest1 = T.CreateChecked(1 - Beta1);
        T beta2 = T.CreateChecked(Beta2), rest2 = T.CreateChecked(1 - Beta2);
        Span<T> m = state[0];
        for (int i = 0; i < w.Length; i++)
        {
            T c = beta1 * m[i] + rest1 * g[i];
            T change = c > T.Zero ? rate : c < T.Zero ? -rate : c;
            w[i] = keep * w[i] - change;
            m[i] = beta2 * m[i] + rest2 * g[i];
        }
    }
}
