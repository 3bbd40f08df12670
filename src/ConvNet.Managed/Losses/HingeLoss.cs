using System.Numerics;

namespace ConvNet;

/// <summary>The base of losses of a margin between the score of a sample's class and those of the others: the mean over
/// the batch of s_t·Σ_{j≠t} max(0, y_j − y_t + Δ)ᵖ, with a factor s_t for each class.</summary>
/// <remarks>
/// Gradient: w_n·s_t·p·mᵖ⁻¹ / Σ w for every j ≠ t with a positive margin m = y_j − y_t + Δ, and minus the sum of these
/// for t; 0 at the hinge itself. A NaN counts as positive, so that it reaches the loss.
/// </remarks>
public abstract record HingeLoss : Loss
{
    private const double U = BoundedSum.UnitRoundoff, RoundingBelowNormal = float.Epsilon / 2.0;

    private protected HingeLoss()
    {
    }

    /// <inheritdoc/>
    public sealed override TargetKind Takes => TargetKind.Classes;

    /// <summary>Δ.</summary>
    internal abstract float Distance { get; }

    /// <summary>p: 1 or 2.</summary>
    internal virtual int Power => 1;

    /// <summary>Returns s_t.</summary>
    internal virtual T Factor<T>(int target, int classes) where T : unmanaged, IFloatingPointIeee754<T> => T.One;

    /// <inheritdoc/>
    public sealed override T Evaluate<T>(in LossFrame<T> f)
    {
        int classes = f.Output.C;
        BlockedSum<T> total = default;
        T share = f.Share(Reduction, f.TotalWeight), delta = T.CreateChecked(Distance), two = T.CreateChecked(2);
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<T> y = f.Y.Slice(n * classes, classes);
            Span<T> dy = f.DY.Slice(n * classes, classes);
            int target = f.Targets.Classes[n];
            T weight = f.Weight(n) * Factor<T>(target, classes);
            BlockedSum<T> slopes = default;
            for (int j = 0; j < classes; j++)
            {
                if (j == target)
                    continue;
                T margin = y[j] - y[target] + delta;
                bool inside = margin <= T.Zero;      // false for NaN, which must reach the loss
                if (!inside)
                    total.Add(weight * (Power == 1 ? margin : margin * margin));
                T slope = inside ? T.Zero : Power == 1 ? T.One : two * margin;
                slopes.Add(slope);
                dy[j] = slope * (weight * share);
            }
            dy[target] = -slopes.Value * (weight * share);
        }
        return total.Value * share;
    }

    /// <summary>Derives error bounds; u = 2⁻²⁴.</summary>
    /// <remarks>
    /// The error of a margin m = y_j − y_t + Δ is e = u(|y_j − y_t| + |m|). If |m| ≤ e, either side of the hinge is
    /// correct; for p = 1 the gradient then has either of two values, both for class j and for t. The error of mᵖ is
    /// p·|m|ᵖ⁻¹·e + (p − 1)(e² + um²). A gradient is a sum of up to K multiples of a factor; its relative error is Ku,
    /// and that of p·mᵖ⁻¹ is added for p = 2. The sum of the losses has its own bound.
    /// </remarks>
    /// <param name="bounds">The loss and its gradient, and the memory for the bounds.</param>
    public sealed override bool DeriveBounds(ref LossErrorBounds bounds)
    {
        LossFrame<double> f = bounds.Frame;
        int classes = f.Output.C;
        double share = f.Share(Reduction, f.TotalWeight), error = 0;
        BoundedSum total = default;
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<double> y = f.Y.Slice(n * classes, classes);
            int target = f.Targets.Classes[n];
            double weight = f.Weight(n) * Factor<double>(target, classes), ofTarget = 0;
            for (int j = 0; j < classes; j++)
            {
                if (j == target)
                    continue;
                double margin = y[j] - y[target] + Distance, positive = Math.Max(margin, 0),
                    off = U * (Math.Abs(y[j] - y[target]) + Math.Abs(margin));
                // At a margin of exactly 0 the subtractions do not round, and the derivative is 0 by convention.
                bool mayFlip = Math.Abs(margin) <= off && margin != 0;
                double slope = 0;
                if (Power == 1)
                {
                    total += weight * positive;
                    error += weight * off;
                    if (mayFlip)
                    {
                        bounds.Flip(n * classes + j);
                        bounds.Flip(n * classes + target);
                    }
                }
                else
                {
                    total += weight * (positive * positive);
                    error += weight * (positive > 0 || mayFlip
                        ? 2 * positive * off + off * off + U * positive * positive : 0);
                    slope = positive > 0 || mayFlip ? 2 * off : 0;
                }
                ofTarget += slope;
                bounds.GradientBound[n * classes + j] = Bound(f, n * classes + j, weight * share * slope);
            }
            bounds.GradientBound[n * classes + target] = Bound(f, n * classes + target, weight * share * ofTarget);
        }
        bounds.ValueBound = share * (error + total.Bound()) + 4 * U * share * total.Value;
        return true;
    }

    internal override string? Rounding(Shape output, int n)
    {
        if (Distance != MathF.Round(Distance) || Math.Abs(Distance) >= LargestWhole)
            return "the margin is not a small whole number";
        // The sum of the squares of the largest margins must stay below 2²⁴ too.
        return Power == 1 || (long)n * output.Length <= (1 << 24) / (16 * LargestWhole * LargestWhole)
            ? Divides(n, 1, "samples") : "squares of margins are rounded in float32";
    }

    private static double Bound(in LossFrame<double> f, int index, double slope)
    {
        double size = Math.Abs(f.DY[index]);
        return slope + (f.Output.C + 4) * U * size + (size > 0 ? RoundingBelowNormal : 0);
    }
}
