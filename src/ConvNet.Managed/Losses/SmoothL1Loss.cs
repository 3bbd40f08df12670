namespace ConvNet;

/// <summary>Smooth L1 loss over all values of the output, as torch's <c>SmoothL1Loss</c>: mean of ½d²/β where |d| &lt;
/// β, and of |d| − ½β elsewhere, with d = y − t.</summary>
/// <remarks>
/// It equals <see cref="HuberLoss"/> with δ = β, divided by β; with β = 0 it is <see cref="L1Loss"/>. Gradient:
/// w_n·max(−1, min(d/β, 1)) / (Σ w · C·H·W). Targets: N×C×H×W values. Sample weights weigh the mean of each sample.
/// Source: Girshick, ICCV 2015.
/// </remarks>
/// <param name="Beta">β, the distance at which the loss becomes linear, at least 0.</param>
/// <exception cref="ArgumentOutOfRangeException">β is not a finite number of at least 0.</exception>
public sealed record SmoothL1Loss(float Beta = 1f) : ElementwiseLoss
{
    private static readonly AttributeDeclaration<float> s_beta = AttributeDeclaration.Number<SmoothL1Loss>("beta",
        loss => loss.Beta, NumberInterval.FromZero, 1f);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<SmoothL1Loss>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("smoothl1", "absolute error that is quadratic below beta",
        [s_beta, s_reduction],
        values => new SmoothL1Loss(values.Get(s_beta)) { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>β, the distance at which the loss becomes linear, at least 0.</summary>
    public float Beta { get; init; } = s_beta.Check(Declared.Kind, Beta);

    internal override string? Rounding(Shape output, int n) => Beta is 0 or 0.5f or 1 or 2 or 4
        ? RoundingOfParts(output, n, 8) : $"a beta of {Beta} is rounded in float32";

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        T beta = T.CreateChecked(Beta), half = T.CreateChecked(0.5);
        for (int i = 0; i < y.Length; i++)
        {
            T distance = y[i] - T.CreateChecked(t[i]);
            (T size, T sign) = Absolute(distance);
            bool linear = !(size < beta);
            losses[i] = linear ? size - half * beta : half * distance * distance / beta;
            slopes[i] = linear ? sign : distance / beta;
        }
    }

    // The difference is rounded once. The linear part is at least half of |d|, so that its error counts twice; near
    // |d| = β both formulas agree to within the error of d.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope) => (6 * loss, Beta == 0 ? 0 : 3 * Math.Abs(slope));
}
