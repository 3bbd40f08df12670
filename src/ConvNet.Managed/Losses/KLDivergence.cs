namespace ConvNet;

/// <summary>Kullback–Leibler divergence of the targets from the output, which is log-probabilities: Σ t·(log t − y)
/// over the values of each sample, and the mean over the samples.</summary>
/// <remarks>
/// As torch's <c>KLDivLoss</c>: the output y is the logarithm of probabilities, such as that of <c>LogSoftmax</c>. A
/// target t of 0 contributes 0. If the targets are logarithms too, a term is eᵗ·(t − y). Gradient: −w_n·t / Σ w. Sample
/// weights weigh the sum of each sample. The default reduction is <see cref="Reduction.BatchMean"/>, which is the
/// divergence; torch's default, <see cref="Reduction.Mean"/>, divides by the number of values too.
/// </remarks>
public sealed record KLDivergence : ElementwiseLoss
{
    private static readonly AttributeDeclaration<bool> s_logTarget
        = AttributeDeclaration.Flag<KLDivergence>("logTarget", loss => loss.LogTarget, false);

    private static readonly AttributeDeclaration<Reduction> s_reduction
        = ReductionOf<KLDivergence>(Reduction.BatchMean);

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("kldiv",
        "Kullback–Leibler divergence of log-probabilities", [s_logTarget, s_reduction],
        values => new KLDivergence(values.Get(s_logTarget)) { Reduction = values.Get(s_reduction) });

    /// <summary>Creates the loss.</summary>
    /// <param name="logTarget">Whether the targets are the logarithms of probabilities.</param>
    public KLDivergence(bool logTarget = false) => (LogTarget, Reduction) = (logTarget, Reduction.BatchMean);

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>Whether the targets are the logarithms of probabilities.</summary>
    public bool LogTarget { get; init; }

    /// <inheritdoc/>
    public override NumberInterval TargetRange => LogTarget
        ? new(double.NegativeInfinity, 0, HasLeast: false, HasMost: true)
        : new(0, 1, HasLeast: true, HasMost: true);

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        for (int i = 0; i < y.Length; i++)
        {
            T target = T.CreateChecked(t[i]), probability = LogTarget ? T.Exp(target) : target;
            losses[i] = LogTarget ? probability * (target - y[i])
                : (target == T.Zero ? T.Zero : target * T.Log(target)) - target * y[i];
            slopes[i] = -probability;
        }
    }

    // An exponential or a logarithm is assumed to be accurate within 4u.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope)
    {
        double log = LogTarget ? t : t == 0 ? 0 : Math.Log(t);
        return (8 * Math.Abs(slope) * (Math.Abs(log) + Math.Abs(y)), LogTarget ? 5 * Math.Abs(slope) : 0);
    }
}
