namespace ConvNet;

/// <summary>Mean squared error over all values of the output: mean of (y − t)².</summary>
/// <remarks>
/// Gradient: 2·w_n·(y − t) / (Σ w · C·H·W). Targets: N×C×H×W values. Sample weights weigh the mean of each sample.
/// </remarks>
public sealed record MeanSquaredError : ElementwiseLoss
{
    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<MeanSquaredError>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("mse", "mean squared error", [s_reduction],
        values => new MeanSquaredError { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    internal override string? Rounding(Shape output, int n) => RoundingOfParts(output, n, 1);

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        T two = T.CreateChecked(2);
        for (int i = 0; i < y.Length; i++)
        {
            T distance = y[i] - T.CreateChecked(t[i]);
            losses[i] = distance * distance;
            slopes[i] = two * distance;
        }
    }

    // The difference is rounded once, and its square once more.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope) => (3 * loss, Math.Abs(slope));
}
