using System.Numerics;

namespace ConvNet;

/// <summary>A <see cref="FusableActivation"/> whose values float32 rounds.</summary>
/// <remarks>
/// The derivative f′(x) is computed from y as g(y). float32 results are computed in double and rounded once.
/// </remarks>
public abstract record RoundedActivation : FusableActivation, IFormula
{
    // The largest error of a result that underflows.
    private const double Smallest = 1e-37;

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Derived;

    /// <summary>The error of a float32 y: u·(Absolute + Relative·|y|), with u = 2⁻²⁴.</summary>
    protected abstract (double Absolute, double Relative) ErrorInRoundings { get; }

    /// <summary>Computes y = f(x).</summary>
    /// <typeparam name="T">The number type.</typeparam>
    /// <param name="x">The argument.</param>
    protected abstract T Value<T>(T x) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes f′(x) = g(y).</summary>
    /// <typeparam name="T">The number type.</typeparam>
    /// <param name="y">The value of the activation.</param>
    protected abstract T Slope<T>(T y) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Returns |g′(y)|, by which an error in y enters the derivative.</summary>
    /// <param name="y">The value of the activation.</param>
    protected abstract double SlopeChange(double y);

    /// <summary>Derives the error bounds of a float32 activation relative to the double result.</summary>
    /// <remarks>
    /// Δy = u·(Absolute + Relative·|y|), as <see cref="ErrorInRoundings"/> says. A backend computes g from its own y,
    /// and rounds it at most three times: Δdx = |dy|·(|g′(y)|·Δy + 3u|g(y)|) + u|dx|. Results that underflow are absent
    /// on some backends.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public sealed override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        const double U = BoundedSum.UnitRoundoff;
        (double absolute, double relative) = ErrorInRoundings;
        ReadOnlySpan<double> y = bounds.Y, dy = bounds.DY, dx = bounds.DX(0);
        for (int i = 0; i < y.Length; i++)
        {
            double error = U * (absolute + relative * Math.Abs(y[i])) + Smallest;
            bounds.YBound[i] = error;
            bounds.DXBound(0)[i] = Math.Abs(dy[i]) * (SlopeChange(y[i]) * error + 3 * U * Math.Abs(Slope(y[i])))
                + U * Math.Abs(dx[i]) + Smallest;
        }
    }

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f) => Formula.Forward(this, f);

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        // The slope comes from y, not x, because a fused convolution keeps only y.
        ReadOnlySpan<T> y = f.Y, dy = f.DY;
        Span<T> dx = f.DX(0);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = T.CreateChecked(double.CreateChecked(dy[i]) * Slope(double.CreateChecked(y[i])));
    }

    T IFormula.Value<T>(T x) => Value(x);
}
