using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>
/// Adam: g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − α·m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ) and
/// v̂ = v / (1 − β₂ᵗ) at step t.
/// </summary>
/// <remarks>This is PyTorch's formulation. Source: Kingma and Ba, ICLR 2015.</remarks>
public sealed record Adam : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_beta1 = AdamRule.Beta1Of<Adam>(adam => adam.Beta1),
        s_beta2 = AdamRule.Beta2Of<Adam>(adam => adam.Beta2),
        s_epsilon = AdamRule.EpsilonOf<Adam>(adam => adam.Epsilon);

    private static readonly AttributeDeclaration<float> s_weightDecay = OptimizerDeclaration.WeightDecay<Adam>();

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("adam", "Adam",
        [s_beta1, s_beta2, s_epsilon, s_weightDecay], values => new Adam(values.Get(s_beta1), values.Get(s_beta2),
            values.Get(s_epsilon), values.Get(s_weightDecay)));

    /// <summary>Creates the optimiser.</summary>
    /// <param name="beta1">β₁, in [0, 1): the decay rate of the mean of the gradients.</param>
    /// <param name="beta2">β₂, in [0, 1): the decay rate of the mean of the squared gradients.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Adam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, float weightDecay = 0f)
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
    public override string ToString() => RecordText.Of(nameof(Adam), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Epsilon), Epsilon), (nameof(WeightDecay), WeightDecay), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        => new AdamRule(Beta1, Beta2, Epsilon).Move(context, T.CreateChecked(context.WeightDecay), g, w, state);
}

/// <summary>The update rule that Adam and AdamW share.</summary>
/// <param name="Beta1">β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="Epsilon">ε.</param>
internal readonly record struct AdamRule(double Beta1, double Beta2, double Epsilon)
{
    /// <summary>The names of m and v.</summary>
    public static IReadOnlyList<string> StateNames { get; } = ["exp_avg", "exp_avg_sq"];

    /// <summary>Declares the attribute β₁ of an optimiser.</summary>
    public static AttributeDeclaration<double> Beta1Of<T>(Func<T, double> get) => AttributeDeclaration.Number("beta1",
        get, NumberInterval.BelowOne, 0.9, "Decay of the running mean of the gradients");

    /// <summary>Declares the attribute β₂ of an optimiser.</summary>
    public static AttributeDeclaration<double> Beta2Of<T>(Func<T, double> get) => AttributeDeclaration.Number("beta2",
        get, NumberInterval.BelowOne, 0.999, "Decay of the running mean of the squared gradients");

    /// <summary>Declares the attribute ε of an optimiser.</summary>
    public static AttributeDeclaration<double> EpsilonOf<T>(Func<T, double> get) => AttributeDeclaration.Number(
        "epsilon", get, NumberInterval.AboveZero, 1e-8, "Added to the denominator, to avoid divisions by zero");

    /// <summary>Throws if ε is 0 or infinite in float32.</summary>
    public static void CheckSingle(double epsilon)
    {
        if ((float)epsilon is not (> 0 and < float.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(epsilon),
                Invariant($"Epsilon {epsilon} is {(float)epsilon} in float32; it must be finite and above 0. A usual ")
                    + "value is 1E-08.");
    }

    /// <summary>Updates some values.</summary>
    /// <param name="context">The step.</param>
    /// <param name="decay">The factor of the weights that is added to the gradients.</param>
    /// <param name="g">The gradients.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">m and v, to update.</param>
    public void Move<T>(in UpdateContext context, T decay, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        // Factors that depend on the step alone are rounded only once.
        T beta1 = T.CreateChecked(Beta1), rest1 = T.CreateChecked(1 - Beta1);
        T beta2 = T.CreateChecked(Beta2), rest2 = T.CreateChecked(1 - Beta2), epsilon = T.CreateChecked(Epsilon);
        T rate = T.CreateChecked(context.LearningRate / (1 - Math.Pow(Beta1, context.Step)));
        T root = T.CreateChecked(1 / Math.Sqrt(1 - Math.Pow(Beta2, context.Step)));
        Span<T> m = state[0], v = state[1];
        for (int i = 0; i < w.Length; i++)
        {
            T d = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            m[i] = beta1 * m[i] + rest1 * d;
            v[i] = beta2 * v[i] + rest2 * d * d;
            w[i] -= rate * m[i] / (T.Sqrt(v[i]) * root + epsilon);
        }
    }
}
