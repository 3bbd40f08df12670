namespace ConvNet;

/// <summary>Multi-class support vector machine (hinge): the mean over the batch of Σ_{j≠t} max(0, y_j − y_t +
/// Δ).</summary>
/// <remarks>
/// Gradient: w_n / Σ w for every j ≠ t with a positive margin, and minus the sum of these for t; 0 at the hinge itself.
/// Targets: N classes. <see cref="MultiMarginLoss"/> is torch's form, divided by the number of classes. Source: Weston
/// and Watkins, ESANN 1999.
/// </remarks>
/// <param name="Margin">The margin Δ, a finite number.</param>
/// <exception cref="ArgumentOutOfRangeException">The margin is not finite.</exception>
public sealed record MulticlassSvm(float Margin = 1f) : HingeLoss
{
    private static readonly AttributeDeclaration<float> s_margin = AttributeDeclaration.Number<MulticlassSvm>("margin",
        loss => loss.Margin, NumberInterval.Finite, 1f);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<MulticlassSvm>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("svm", "multi-class hinge", [s_margin, s_reduction],
        values => new MulticlassSvm(values.Get(s_margin)) { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>The margin Δ, a finite number.</summary>
    public float Margin { get; init; } = float.IsFinite(Margin)
        ? Margin
        : throw new ArgumentOutOfRangeException(nameof(Margin),
            $"The margin is {Margin}; it must be a finite number.");

    internal override float Distance => Margin;
}
