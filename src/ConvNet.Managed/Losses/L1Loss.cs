namespace ConvNet;

/// <summary>Mean absolute error over all values of the output: mean of |y − t|.</summary>
/// <remarks>
/// Gradient: w_n·sign(y − t) / (Σ w · C·H·W), with sign 0 = 0. Targets: N×C×H×W values. Sample weights weigh the mean
/// of each sample.
/// </remarks>
public sealed record L1Loss : ElementwiseLoss
{
    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<L1Loss>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("l1", "mean absolute error", [s_reduction],
        values => new L1Loss { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    internal override string? Rounding(Shape output, int n) => RoundingOfParts(output, n, 1);

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        for (int i = 0; i < y.Length; i++)
            (losses[i], slopes[i]) = Absolute(y[i] - T.CreateChecked(t[i]));
    }

    // A float32 difference has the right sign and is 0 only if the exact one is.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope) => (loss, 0);
}
