namespace ConvNet;

/// <summary>
/// Adagrad: g ← g + λw; s ← s + g²; w ← w − α_t·g / (√(s₀ + s) + ε), with α_t = α / (1 + (t − 1)η) at step t.
/// </summary>
/// <remarks>
/// This is PyTorch's formulation, with the learning-rate decay η and the initial accumulator value s₀. PyTorch's state
/// <c>sum</c> includes s₀; here, where all state starts at zero, it does not. Source: Duchi, Hazan and Singer, JMLR 12,
/// 2011.
/// </remarks>
public sealed record Adagrad : ElementwiseOptimizer
{
    private static readonly AttributeDeclaration<double>
        s_rateDecay = AttributeDeclaration.Number<Adagrad>("learningRateDecay", adagrad => adagrad.LearningRateDecay,
            NumberInterval.FromZero, 0.0, "Decay of the learning rate"),
        s_epsilon = Epsilons.Declare<Adagrad>(adagrad => adagrad.Epsilon, 1e-10);

    private static readonly AttributeDeclaration<float>
        s_weightDecay = OptimizerDeclaration.WeightDecay<Adagrad>(),
        s_initial = AttributeDeclaration.Number<Adagrad>("initialAccumulator", adagrad => adagrad.InitialAccumulator,
            NumberInterval.FromZero, 0f, "Value at which the sums of squared gradients start");

    /// <summary>The declaration by which files and commands identify the optimiser.</summary>
    public static OptimizerDeclaration Declared { get; } = new("adagrad", "steps divided by the gradients' total size",
        [s_rateDecay, s_weightDecay, s_initial, s_epsilon],
        values => new Adagrad(values.Get(s_rateDecay), values.Get(s_weightDecay), values.Get(s_initial),
            values.Get(s_epsilon)))
    {
        LearningRate = 0.01f,
    };

    /// <summary>Creates the optimiser.</summary>
    /// <param name="learningRateDecay">The decay η of the learning rate, not negative.</param>
    /// <param name="weightDecay">The weight decay λ, not negative.</param>
    /// <param name="initialAccumulator">s₀, not negative: the value at which the sums of squares start.</param>
    /// <param name="epsilon">ε, greater than 0 as a float: avoids a division by zero.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Adagrad(double learningRateDecay = 0, float weightDecay = 0f, float initialAccumulator = 0f,
        double epsilon = 1e-10)
        : base(weightDecay)
    {
        s_rateDecay.Check(Kind, learningRateDecay);
        s_initial.Check(Kind, initialAccumulator);
        Epsilons.CheckSingle(s_epsilon.Check(Kind, epsilon));
        (LearningRateDecay, InitialAccumulator, Epsilon) = (learningRateDecay, initialAccumulator, epsilon);
    }

    /// <summary>The decay η of the learning rate.</summary>
    public double LearningRateDecay { get; }

    /// <summary>s₀, the value at which the sums of squares start.</summary>
    public float InitialAccumulator { get; }

    /// <summary>ε, which avoids a division by zero.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public override OptimizerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => ["sum"];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Adagrad), (nameof(LearningRateDecay), LearningRateDecay),
        (nameof(WeightDecay), WeightDecay), (nameof(InitialAccumulator), InitialAccumulator),
        (nameof(Epsilon), Epsilon), (nameof(Groups), Groups));

    /// <inheritdoc/>
    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T rate = T.CreateChecked(RateAt(context)), decay = T.CreateChecked(context.WeightDecay);
        T initial = T.CreateChecked(InitialAccumulator), epsilon = T.CreateChecked(Epsilon);
        Span<T> sum = state[0];
        for (int i = 0; i < w.Length; i++)
        {
            T d = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            sum[i] += d * d;
            w[i] -= rate * d / (T.Sqrt(initial + sum[i]) + epsilon);
        }
    }

    /// <summary>Returns the decayed learning rate of a step.</summary>
    internal double RateAt(in UpdateContext context)
        => context.LearningRate / (1 + (context.Step - 1) * LearningRateDecay);
}
