using System.Numerics;

namespace ConvNet;

/// <summary>
/// Adam: g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − α·m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ) and
/// v̂ = v / (1 − β₂ᵗ) at step t.
/// </summary>
/// <remarks>With AMSGrad, v̂ = max(v₁ … v_t) / (1 − β₂ᵗ). This is PyTorch's formulation. Sources: Kingma and Ba, ICLR
/// 2015; AMSGrad: Reddi, Kale and Kumar, ICLR 2018.</remarks>
public sealed record Adam : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AdamRule.Beta1Of<Adam>(adam => adam.Beta1),
        s_beta2 = AdamRule.Beta2Of<Adam>(adam => adam.Beta2),
        s_epsilon = Epsilons.Declare<Adam>(adam => adam.Epsilon, 1e-8);

    private static readonly AttributeDeclaration<bool> s_amsGrad = AdamRule.AmsGradOf<Adam>(adam => adam.AmsGrad);

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<Adam>();

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("adam", "Adam",
        [s_beta1, s_beta2, s_epsilon, s_weightDecay, s_amsGrad], values => new Adam(values.Get(s_beta1),
            values.Get(s_beta2), values.Get(s_epsilon), values.Get(s_weightDecay), values.Get(s_amsGrad)));

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="amsGrad">Whether the largest v̂ so far takes the place of v̂ (AMSGrad).</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Adam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, float weightDecay = 0f,
        bool amsGrad = false)
        : base(weightDecay)
    {
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        (Beta1, Beta2, Epsilon, AmsGrad) = (beta1, beta2, epsilon, amsGrad);
    }

    /// <summary>β₁, the decay rate of the mean of the gradients.</summary>
    public double Beta1 { get; }

    /// <summary>β₂, the decay rate of the mean of the squared gradients.</summary>
    public double Beta2 { get; }

    /// <summary>ε, which avoids a division by zero.</summary>
    public double Epsilon { get; }

    /// <summary>Whether the largest v̂ so far takes the place of v̂ (AMSGrad).</summary>
    public bool AmsGrad { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => AdamRule.StateNames(AmsGrad);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Adam), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(AmsGrad), AmsGrad),
        (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        => new AdamRule(Beta1, Beta2, Epsilon, AmsGrad)
            .Move(context, T.CreateChecked(context.WeightDecay), g, w, state);
}

/// <summary>The update rule that Adam and AdamW share.</summary>
/// <param name="Beta1">β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="Epsilon">ε.</param>
/// <param name="AmsGrad">Whether the largest v so far takes the place of v.</param>
internal readonly record struct AdamRule(double Beta1, double Beta2, double Epsilon, bool AmsGrad = false)
{
    /// <summary>The names of m and v, and with AMSGrad of the largest v.</summary>
    public static IReadOnlyList<string> StateNames(bool amsGrad)
        => amsGrad ? ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] : ["exp_avg", "exp_avg_sq"];

    /// <summary>Declares the attribute β₁ of an optimiser.</summary>
    public static AttributeDeclaration<double> Beta1Of<T>(Func<T, double> get) => AttributeDeclaration.Number("beta1",
        get, NumberInterval.BelowOne, 0.9, "Decay of the running mean of the gradients");

    /// <summary>Declares the attribute β₂ of an optimiser.</summary>
    public static AttributeDeclaration<double> Beta2Of<T>(Func<T, double> get) => AttributeDeclaration.Number("beta2",
        get, NumberInterval.BelowOne, 0.999, "Decay of the running mean of the squared gradients");

    /// <summary>Declares the attribute of an optimiser that selects AMSGrad.</summary>
    public static AttributeDeclaration<bool> AmsGradOf<T>(Func<T, bool> get)
        => AttributeDeclaration.Flag("amsGrad", get, false, summary: "Divide by the largest mean square so far");

    /// <summary>Updates some values.</summary>
    /// <param name="context">The step.</param>
    /// <param name="decay">The factor of the weights that is added to the gradients.</param>
    /// <param name="g">The gradients.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">m, v and with AMSGrad the largest v, to update.</param>
    public void Move<T>(in UpdateContext context, T decay, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        // Factors that depend on the step alone are rounded only once.
        T beta1 = T.CreateChecked(Beta1), rest1 = T.CreateChecked(1 - Beta1);
        T beta2 = T.CreateChecked(Beta2), rest2 = T.CreateChecked(1 - Beta2), epsilon = T.CreateChecked(Epsilon);
        T rate = T.CreateChecked(context.LearningRate / (1 - Math.Pow(Beta1, context.Step)));
        T root = T.CreateChecked(1 / Math.Sqrt(1 - Math.Pow(Beta2, context.Step)));
        Span<T> m = state[0], v = state[1], largest = AmsGrad ? state[2] : v;
        for (int i = 0; i < w.Length; i++)
        {
            T d = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            m[i] = beta1 * m[i] + rest1 * d;
            v[i] = beta2 * v[i] + rest2 * d * d;
            if (AmsGrad)
                largest[i] = T.Max(largest[i], v[i]);
            w[i] -= rate * m[i] / (T.Sqrt(largest[i]) * root + epsilon);
        }
    }
}
