namespace ConvNet;

/// <summary>
/// Adam with decoupled weight decay: w ← w·(1 − αλ), then the update of <see cref="Adam"/> without weight decay.
/// </summary>
/// <remarks>This is PyTorch's formulation with its default λ. Source: Loshchilov and Hutter, ICLR 2019.</remarks>
public sealed record AdamW : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AdamRule.Beta1Of<AdamW>(adam => adam.Beta1),
        s_beta2 = AdamRule.Beta2Of<AdamW>(adam => adam.Beta2),
        s_epsilon = AdamRule.EpsilonOf<AdamW>(adam => adam.Epsilon);

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<AdamW>(0.01f);

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("adamw", "Adam with decoupled weight decay",
        [s_beta1, s_beta2, s_epsilon, s_weightDecay], values => new AdamW(values.Get(s_beta1), values.Get(s_beta2),
            values.Get(s_epsilon), values.Get(s_weightDecay)));

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public AdamW(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, float weightDecay = 0.01f)
        : base(weightDecay)
    {
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        AdamRule.CheckSingle(s_epsilon.Check(Kind, epsilon));
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
    public override IReadOnlyList<string> StateNames => AdamRule.StateNames;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(AdamW), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T keep = T.CreateChecked(1 - (double)context.LearningRate * context.WeightDecay);
        for (int i = 0; i < w.Length; i++)
            w[i] *= keep;
        new AdamRule(Beta1, Beta2, Epsilon).Move(context, T.Zero, g, w, state);
    }
}
