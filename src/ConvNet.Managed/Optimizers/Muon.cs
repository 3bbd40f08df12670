using System.Buffers;
using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>
/// Muon, momentum orthogonalised by Newton–Schulz iterations: b ← μb + (1 − μ)g; d = b, or (1 − μ)g + μb with Nesterov;
/// w ← w·(1 − αλ) − α·s·O(d). O(d) ≈ UVᵀ for the singular value decomposition d = UΣVᵀ.
/// </summary>
/// <remarks>
/// The rule is for matrices: weights with at least two rows and two columns. A filter of out × in × kh × kw counts as
/// a matrix of out rows and in·kh·kw columns. O starts with X = d / max(‖d‖, ε), where ‖·‖ is the Frobenius norm, and
/// repeats X ← aX + (bA + cA²)X with A = XXᵀ and (a, b, c) = (3.4445, −4.7750, 2.0315); the singular values come near
/// 1, to about 0.7 to 1.2. s = 0.2·√max(rows, columns), which gives an update the size that it has with
/// <see cref="AdamW"/>, so that both can share a learning rate; or s = √max(1, rows / columns).
/// <para>
/// Biases, scales, other vectors, and parameters of a group with <see cref="ParameterGroup.Fallback"/> are updated by
/// the rule of <see cref="AdamW"/> with β₁, β₂ and its ε of 10⁻⁸; <c>momentum_buffer</c> is then its mean of the
/// gradients. First and last layers usually belong to such a group.
/// </para>
/// <para>
/// PyTorch's Muon has the same options and formula, but refuses everything but matrices, and its default is the other
/// s. It computes the iterations in bfloat16, while they have the precision of the backend here. Sources: Jordan et
/// al., "Muon: an optimizer for hidden layers in neural networks", 2024; s: Liu et al., "Muon is scalable for LLM
/// training", arXiv:2502.16982, 2025.
/// </para>
/// </remarks>
public sealed record Muon : WholeParameterOptimizer
{
    private const double FallbackEpsilon = 1e-8;

    private static readonly AttributeDeclaration<float>
        s_momentum = AttributeDeclaration.Number<Muon>("momentum", muon => muon.Momentum, NumberInterval.BelowOne,
            0.95f, "Momentum"),
        s_weightDecay = OptimizerDeclaration.WeightDecay<Muon>(0.1f);

    private static readonly AttributeDeclaration<bool>
        s_nesterov = AttributeDeclaration.Flag<Muon>("nesterov", muon => muon.Nesterov, true,
            summary: "Nesterov momentum"),
        s_matchAdam = AttributeDeclaration.Flag<Muon>("matchAdam", muon => muon.MatchAdam, true,
            summary: "Updates of the size that AdamW's have");

    private static readonly AttributeDeclaration<int> s_iterations = AttributeDeclaration.Integer<Muon>("iterations",
        muon => muon.Iterations, 5, summary: "Newton–Schulz iterations");

    private static readonly AttributeDeclaration<double>
        s_epsilon = Epsilons.Declare<Muon>(muon => muon.Epsilon, 1e-7),
        s_beta1 = AdamRule.Beta1Of<Muon>(muon => muon.Beta1),
        s_beta2 = AdamRule.Beta2Of<Muon>(muon => muon.Beta2);

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("muon", "orthogonalised momentum of matrices",
        [s_momentum, s_weightDecay, s_nesterov, s_iterations, s_epsilon, s_matchAdam, s_beta1, s_beta2],
        values => new Muon(values.Get(s_momentum), values.Get(s_weightDecay), values.Get(s_nesterov),
            values.Get(s_iterations), values.Get(s_epsilon), values.Get(s_matchAdam), values.Get(s_beta1),
            values.Get(s_beta2)))
    {
        LearningRate = 0.005f,
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="momentum">The momentum μ, in [0, 1).</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="nesterov">Whether to use Nesterov momentum.</param>
    /// <param name="iterations">The number of Newton–Schulz iterations, from 1.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: the smallest divisor of d.</param>
    /// <param name="matchAdam">Whether s gives updates the size that they have with <see cref="AdamW"/>.</param>
    /// <param name="beta1">β₁ of the fallback rule, in [0, 1).</param>
    /// <param name="beta2">β₂ of the fallback rule, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Muon(float momentum = 0.95f, float weightDecay = 0.1f, bool nesterov = true, int iterations = 5,
        double epsilon = 1e-7, bool matchAdam = true, double beta1 = 0.9, double beta2 = 0.999)
        : base(weightDecay)
    {
        s_momentum.Check(Kind, momentum);
        s_iterations.Check(Kind, iterations);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        s_beta1.Check(Kind, beta1);
        s_beta2.Check(Kind, beta2);
        (Momentum, Nesterov, Iterations, Epsilon) = (momentum, nesterov, iterations, epsilon);
        (MatchAdam, Beta1, Beta2) = (matchAdam, beta1, beta2);
    }

    /// <summary>The momentum μ.</summary>
    public float Momentum { get; }

    /// <summary>Whether Nesterov momentum is used.</summary>
    public bool Nesterov { get; }

    /// <summary>The number of Newton–Schulz iterations.</summary>
    public int Iterations { get; }

    /// <summary>ε, the smallest divisor of d.</summary>
    public double Epsilon { get; }

    /// <summary>Whether updates have the size that they have with <see cref="AdamW"/>.</summary>
    public bool MatchAdam { get; }

    /// <summary>β₁ of the fallback rule.</summary>
    public double Beta1 { get; }

    /// <summary>β₂ of the fallback rule.</summary>
    public double Beta2 { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => ["momentum_buffer", "exp_avg_sq"];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Muon), (nameof(Momentum), Momentum),
        (nameof(WeightDecay), WeightDecay), (nameof(Nesterov), Nesterov), (nameof(Iterations), Iterations),
        (nameof(Epsilon), Epsilon), (nameof(MatchAdam), MatchAdam), (nameof(Beta1), Beta1), (nameof(Beta2), Beta2),
        (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        DecoupledDecay.Apply(context, w);
        if (context.Fallback || !IsMatrix(parameter))
        {
            new AdamRule(Beta1, Beta2, FallbackEpsilon).Move(context, T.Zero, g, w, state);
            return;
        }
        int rows = parameter.Dimensions[0], columns = parameter.Length / rows;
        T momentum = T.CreateChecked(Momentum), rest = T.CreateChecked(1 - (double)Momentum);
        T[] rented = ArrayPool<T>.Shared.Rent(w.Length);
        Span<T> d = rented.AsSpan(0, w.Length), b = state[0];
        for (int i = 0; i < b.Length; i++)
        {
            b[i] = momentum * b[i] + rest * g[i];
            d[i] = Nesterov ? rest * g[i] + momentum * b[i] : b[i];
        }
        NewtonSchulz.Orthogonalize(d, rows, columns, Iterations, T.CreateChecked(Epsilon));
        double size = MatchAdam ? 0.2 * Math.Sqrt(Math.Max(rows, columns))
            : Math.Sqrt(Math.Max(1, (double)rows / columns));
        TensorPrimitives.MultiplyAdd(d, T.CreateChecked(-context.LearningRate * size), w, w);
        ArrayPool<T>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    internal override bool HasFallback => true;

    /// <inheritdoc/>
    /// <remarks>
    /// A sum of n terms has an error of about u√n, relative to the norms of its factors. Each of the iterations has
    /// three products of matrices, and multiplies an error of X by at most a, the slope of its polynomial at 0.
    /// </remarks>
    internal override double? NormwiseError(in UpdateContext context, Parameter parameter)
        => context.Fallback || !IsMatrix(parameter) ? null
            : BoundedSum.UnitRoundoff * 3 * Iterations * Math.Pow(NewtonSchulz.Linear, Iterations)
                * Math.Sqrt(Math.Max(parameter.Dimensions[0], parameter.Length / parameter.Dimensions[0]));

    private static bool IsMatrix(Parameter parameter) => parameter.Role == ParameterRole.Weight
        && parameter.Dimensions[0] > 1 && parameter.Length > parameter.Dimensions[0];
}
