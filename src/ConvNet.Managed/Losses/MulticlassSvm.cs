namespace ConvNet;

/// <summary>Multi-class support vector machine (hinge): the mean over the batch of Σ_{j≠t} max(0, y_j − y_t +
/// Δ).</summary>
/// <remarks>
/// Gradient: w_n / Σ w for every j ≠ t with a positive margin, and minus the sum of these for t; 0 at the hinge itself.
/// Targets: N classes. Source: Weston and Watkins, ESANN 1999.
/// </remarks>
/// <param name="Margin">The margin Δ, a finite number.</param>
/// <exception cref="ArgumentOutOfRangeException">The margin is not finite.</exception>
public sealed record MulticlassSvm(float Margin = 1f) : Loss
{
    private static readonly AttributeDeclaration<float> s_margin = AttributeDeclaration.Number<MulticlassSvm>("margin",
        loss => loss.Margin, NumberInterval.Finite, 1f);

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("svm", "multi-class hinge", [s_margin],
        values => new MulticlassSvm(values.Get(s_margin)));

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>The margin Δ, a finite number.</summary>
    public float Margin { get; init; } = float.IsFinite(Margin)
        ? Margin
        : throw new ArgumentOutOfRangeException(nameof(Margin),
            $"The margin is {Margin}; it must be a finite number.");

    /// <inheritdoc/>
    public override TargetKind Takes => TargetKind.Classes;

    /// <inheritdoc/>
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        int classes = f.Output.C;
        BlockedSum<T> total = default;
        T share = T.One / f.TotalWeight, delta = T.CreateChecked(Margin);
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<T> y = f.Y.Slice(n * classes, classes);
            Span<T> dy = f.DY.Slice(n * classes, classes);
            T weight = f.Weight(n);
            int target = f.Targets.Classes[n], above = 0;
            for (int j = 0; j < classes; j++)
            {
                if (j == target)
                    continue;
                T margin = y[j] - y[target] + delta;
                bool inside = margin <= T.Zero;      // false for NaN, which must reach the loss
                if (!inside)
                    total.Add(weight * margin);
                above += inside ? 0 : 1;
                dy[j] = inside ? T.Zero : weight * share;
            }
            dy[target] = -T.CreateChecked(above) * (weight * share);
        }
        return total.Value * share;
    }
}
