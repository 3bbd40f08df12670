namespace ConvNet;

/// <summary>
/// Adam with Nesterov momentum: g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
/// w ← w − α·((1 − μ_t) / (1 − Π_t)·g + μ_t₊₁ / (1 − Π_t₊₁)·m) / (√v̂ + ε), with v̂ = v / (1 − β₂ᵗ),
/// μ_t = β₁(1 − ½·0.96^(ψt)) and Π_t = μ₁·…·μ_t at step t.
/// </summary>
/// <remarks>
/// With decoupled weight decay, w ← w·(1 − αλ) takes the place of the first line. This is PyTorch's formulation, except
/// that PyTorch keeps Π_t as a state; here it follows from the number of the step. Source: Dozat, "Incorporating
/// Nesterov momentum into Adam", ICLR workshop 2016.
/// </remarks>
public sealed record NAdam : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AdamRule.Beta1Of<NAdam>(nadam => nadam.Beta1),
        s_beta2 = AdamRule.Beta2Of<NAdam>(nadam => nadam.Beta2),
        s_epsilon = Epsilons.Declare<NAdam>(nadam => nadam.Epsilon, 1e-8),
        s_momentumDecay = AttributeDeclaration.Number<NAdam>("momentumDecay", nadam => nadam.MomentumDecay,
            NumberInterval.FromZero, 0.004, "Rate at which the momentum approaches beta 1");

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<NAdam>();

    private static readonly AttributeDeclaration<bool> s_decoupled = AttributeDeclaration.Flag<NAdam>(
        "decoupledWeightDecay", nadam => nadam.DecoupledWeightDecay, false,
        summary: "Weight decay of the weights, not of the gradients");

    private readonly StepProduct _product;

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("nadam", "Adam with Nesterov momentum",
        [s_beta1, s_beta2, s_epsilon, s_weightDecay, s_momentumDecay, s_decoupled],
        values => new NAdam(values.Get(s_beta1), values.Get(s_beta2), values.Get(s_epsilon),
            values.Get(s_weightDecay), values.Get(s_momentumDecay), values.Get(s_decoupled)))
    {
        LearningRate = 0.002f,
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="momentumDecay">ψ, not negative: the rate at which the momentum μ approaches β₁.</param>
    /// <param name="decoupledWeightDecay">Whether the weight decay is that of <see cref="AdamW"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public NAdam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, float weightDecay = 0f,
        double momentumDecay = 0.004, bool decoupledWeightDecay = false)
        : base(weightDecay)
    {
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        s_momentumDecay.Check(Kind, momentumDecay);
        (Beta1, Beta2, Epsilon) = (beta1, beta2, epsilon);
        (MomentumDecay, DecoupledWeightDecay) = (momentumDecay, decoupledWeightDecay);
        _product = new StepProduct(MomentumAt);
    }

    /// <summary>β₁, the decay rate of the mean of the gradients.</summary>
    public double Beta1 { get; }

    /// <summary>β₂, the decay rate of the mean of the squared gradients.</summary>
    public double Beta2 { get; }

    /// <summary>ε, which avoids a division by zero.</summary>
    public double Epsilon { get; }

    /// <summary>ψ, the rate at which the momentum approaches β₁.</summary>
    public double MomentumDecay { get; }

    /// <summary>Whether the weight decay is applied to the weights and not to the gradients.</summary>
    public bool DecoupledWeightDecay { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => AdamRule.StateNames(amsGrad: false);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(NAdam), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(MomentumDecay), MomentumDecay),
        (nameof(DecoupledWeightDecay), DecoupledWeightDecay), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        if (DecoupledWeightDecay)
            DecoupledDecay.Apply(context, w);
        T decay = DecoupledWeightDecay ? T.Zero : T.CreateChecked(context.WeightDecay);
        T beta1 = T.CreateChecked(Beta1), rest1 = T.CreateChecked(1 - Beta1);
        T beta2 = T.CreateChecked(Beta2), rest2 = T.CreateChecked(1 - Beta2), epsilon = T.CreateChecked(Epsilon);
        T root = T.CreateChecked(1 / Math.Sqrt(1 - Math.Pow(Beta2, context.Step)));
        (double ofGradient, double ofMean) = Factors(context);
        T gradientRate = T.CreateChecked(ofGradient), meanRate = T.CreateChecked(ofMean);
        Span<T> m = state[0], v = state[1];
        for (int i = 0; i < w.Length; i++)
        {
            T d = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            m[i] = beta1 * m[i] + rest1 * d;
            v[i] = beta2 * v[i] + rest2 * d * d;
            w[i] -= (gradientRate * d + meanRate * m[i]) / (T.Sqrt(v[i]) * root + epsilon);
        }
    }

    /// <summary>Returns the factors of the gradient and of the mean in the update of a step.</summary>
    internal (double OfGradient, double OfMean) Factors(in UpdateContext context)
    {
        double product = _product.To(context.Step), next = MomentumAt(context.Step + 1);
        return (context.LearningRate * (1 - MomentumAt(context.Step)) / (1 - product),
            context.LearningRate * next / (1 - product * next));
    }

    private double MomentumAt(long step) => Beta1 * (1 - 0.5 * Math.Pow(0.96, step * MomentumDecay));
}

/// <summary>The product of a factor of each step, from the first to a given one.</summary>
/// <remarks>The last product is kept, since the next step usually follows. A product does not depend on what was asked
/// before. All instances are equal, so that they do not take part in comparisons of their owners.</remarks>
/// <param name="factor">Returns the factor of a step, from 1; it is less than 1.</param>
internal sealed class StepProduct(Func<long, double> factor) : IEquatable<StepProduct>
{
    private Known _known = new(0, 1);

    /// <summary>Returns the product of the factors of the steps from 1 to a given one.</summary>
    public double To(long step)
    {
        Known known = _known;
        if (known.Step > step)
            known = new Known(0, 1);
        (long at, double product) = known;
        // A product of 0 stays 0.
        while (at < step && product > 0)
            product *= factor(++at);
        _known = new Known(step, product);
        return product;
    }

    /// <inheritdoc/>
    public bool Equals(StepProduct? other) => other is not null;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as StepProduct);

    /// <inheritdoc/>
    public override int GetHashCode() => 0;

    // A reference, which threads replace as a whole.
    private sealed record Known(long Step, double Product);
}
