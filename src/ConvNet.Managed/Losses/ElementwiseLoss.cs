using System.Buffers;
using System.Numerics;

namespace ConvNet;

/// <summary>The base of losses that compare each value of the output with its own target: the mean over all values of
/// l(y, t).</summary>
/// <remarks>
/// Gradient: w_n·l′(y, t) / (Σ w · C·H·W). Targets: N×C×H×W values. Sample weights weigh the mean of each sample. With
/// another <see cref="Reduction"/>, the sum is divided by Σ w or by nothing.
/// </remarks>
public abstract record ElementwiseLoss : Loss
{
    private const double U = BoundedSum.UnitRoundoff, RoundingBelowNormal = float.Epsilon / 2.0;

    private protected ElementwiseLoss()
    {
    }

    /// <inheritdoc/>
    public sealed override TargetKind Takes => TargetKind.Values;

    /// <inheritdoc/>
    public sealed override T Evaluate<T>(in LossFrame<T> f)
    {
        int length = f.Output.Length;
        BlockedSum<T> total = default;
        T share = f.Share(Reduction, f.TotalWeight * T.CreateChecked(length));
        T[] losses = ArrayPool<T>.Shared.Rent(length);
        for (int n = 0; n < f.N; n++)
        {
            T weight = f.Weight(n);
            Span<T> dy = f.DY.Slice(n * length, length);
            Evaluate(f.Output, f.Y.Slice(n * length, length), f.Targets.Values.Slice(n * length, length), losses, dy);
            for (int i = 0; i < length; i++)
            {
                total.Add(weight * losses[i]);
                dy[i] *= weight * share;
            }
        }
        ArrayPool<T>.Shared.Return(losses);
        return total.Value * share;
    }

    /// <summary>Derives error bounds; u = 2⁻²⁴.</summary>
    /// <remarks>
    /// The sum of the losses has its own bound, to which the errors of its terms are added. The gradient is rounded
    /// three times by the weight and the division.
    /// </remarks>
    /// <param name="bounds">The loss and its gradient, and the memory for the bounds.</param>
    public sealed override bool DeriveBounds(ref LossErrorBounds bounds)
    {
        LossFrame<double> f = bounds.Frame;
        int length = f.Output.Length;
        double share = f.Share(Reduction, f.TotalWeight * length), error = 0;
        double[] losses = new double[length], slopes = new double[length];
        BoundedSum total = default;
        for (int n = 0; n < f.N; n++)
        {
            double weight = f.Weight(n);
            Evaluate(f.Output, f.Y.Slice(n * length, length), f.Targets.Values.Slice(n * length, length), losses,
                slopes);
            for (int i = 0; i < length; i++)
            {
                int index = n * length + i;
                (double loss, double slope) = Errors(f.Y[index], f.Targets.Values[index], i / f.Output.Area, losses[i],
                    slopes[i]);
                total += weight * losses[i];
                error += weight * U * loss;
                double size = Math.Abs(f.DY[index]);
                bounds.GradientBound[index] = U * (weight * share * slope + 3 * size)
                    + (size > 0 ? RoundingBelowNormal : 0);
            }
        }
        bounds.ValueBound = share * (error + total.Bound()) + U * Math.Abs(share * total.Value);
        return true;
    }

    /// <summary>Computes the loss of each value of a sample, and its derivative.</summary>
    /// <param name="output">The shape of the sample.</param>
    /// <param name="y">The outputs.</param>
    /// <param name="t">The targets.</param>
    /// <param name="losses">Receives l(y, t); it may be longer.</param>
    /// <param name="slopes">Receives l′(y, t).</param>
    private protected abstract void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Returns |d| and its derivative, which is 0 at 0; a NaN stays a NaN.</summary>
    private protected static (T Size, T Sign) Absolute<T>(T distance) where T : unmanaged, IFloatingPointIeee754<T>
        => distance > T.Zero ? (distance, T.One)
            : distance < T.Zero ? (-distance, -T.One) : (distance * T.Zero, distance * T.Zero);

    /// <summary>Returns the float32 errors of a value's loss and of its derivative, in units of u.</summary>
    private protected abstract (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope);

    /// <summary>Returns the reason why float32 rounds the loss on integers, if its terms are multiples of
    /// 1/<paramref name="parts"/> no larger than the squared distance.</summary>
    private protected string? RoundingOfParts(Shape output, int n, int parts)
        // The sum of the squares of the largest differences must stay below 2²⁴ too.
        => (long)n * output.Length > (1 << 24) / (4 * LargestWhole * LargestWhole * parts)
            ? "the sum of so many distances is rounded in float32" : Divides(n, output.Length, "outputs");
}
