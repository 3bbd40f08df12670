namespace ConvNet;

/// <summary>Huber loss over all values of the output, as torch's <c>HuberLoss</c>: mean of ½d² where |d| ≤ δ, and of
/// δ·(|d| − ½δ) elsewhere, with d = y − t.</summary>
/// <remarks>
/// It equals δ times <see cref="SmoothL1Loss"/> with β = δ. Gradient: w_n·max(−δ, min(d, δ)) / (Σ w · C·H·W). Targets:
/// N×C×H×W values. Sample weights weigh the mean of each sample. Source: Huber, Annals of Mathematical Statistics 35,
/// 1964.
/// </remarks>
/// <param name="Delta">δ, the distance at which the loss becomes linear, above 0.</param>
/// <exception cref="ArgumentOutOfRangeException">δ is not a finite number above 0.</exception>
public sealed record HuberLoss(float Delta = 1f) : ElementwiseLoss
{
    private static readonly AttributeDeclaration<float> s_delta = AttributeDeclaration.Number<HuberLoss>("delta",
        loss => loss.Delta, NumberInterval.AboveZero, 1f);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<HuberLoss>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("huber", "squared error that becomes linear at delta",
        [s_delta, s_reduction],
        values => new HuberLoss(values.Get(s_delta)) { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>δ, the distance at which the loss becomes linear, above 0.</summary>
    public float Delta { get; init; } = s_delta.Check(Declared.Kind, Delta);

    internal override string? Rounding(Shape output, int n) => Delta is 0.5f or 1 or 2 or 4
        ? RoundingOfParts(output, n, 8) : $"a delta of {Delta} is rounded in float32";

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        T delta = T.CreateChecked(Delta), half = T.CreateChecked(0.5);
        for (int i = 0; i < y.Length; i++)
        {
            T distance = y[i] - T.CreateChecked(t[i]), size = T.Abs(distance);
            bool linear = size > delta;      // false for NaN, which stays a NaN
            losses[i] = linear ? delta * (size - half * delta) : half * distance * distance;
            slopes[i] = linear ? T.CopySign(delta, distance) : distance;
        }
    }

    // The difference is rounded once. The linear part is at least half of δ|d|, so that the error of |d| counts twice;
    // near |d| = δ both formulas agree to within the error of d.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope) => (5 * loss, 2 * Math.Abs(slope));
}
