using System.Numerics;

namespace ConvNet;

/// <summary>An elementwise function y = f(x) whose derivative is computed from x.</summary>
/// <remarks>
/// Backward: dx = f′(x)·dy. y and dx have the shape of x. float32 results are computed in double and rounded once. Use
/// <see cref="FusableActivation"/> for a function that never decreases and whose derivative is a function of y.
/// </remarks>
public abstract record InputActivation : Layer, IFormula
{
    // The largest error of a result that underflows.
    private const double Smallest = 1e-37;

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Derived;

    /// <summary>Computes y = f(x).</summary>
    /// <typeparam name="T">The number type.</typeparam>
    /// <param name="x">The argument.</param>
    protected abstract T Value<T>(T x) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes f′(x).</summary>
    /// <param name="x">The argument.</param>
    protected abstract double Slope(double x);

    /// <summary>Returns the errors of a float32 f(x) and f′(x) in multiples of u = 2⁻²⁴, without the rounding of the
    /// result itself.</summary>
    /// <param name="x">The argument.</param>
    protected abstract (double Value, double Slope) ErrorsInRoundings(double x);

    /// <summary>Derives the error bounds of a float32 activation relative to the double result.</summary>
    /// <remarks>
    /// Δy = u·(e + |y|) and Δdx = u·(|dy|·e′ + |dx|), with e and e′ of <see cref="ErrorsInRoundings"/>. Results that
    /// underflow are absent on some backends.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public sealed override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        const double U = BoundedSum.UnitRoundoff;
        ReadOnlySpan<double> x = bounds.X(0), dy = bounds.DY;
        for (int i = 0; i < x.Length; i++)
        {
            (double ofValue, double ofSlope) = ErrorsInRoundings(x[i]);
            bounds.YBound[i] = U * (ofValue + Math.Abs(bounds.Y[i])) + Smallest;
            bounds.DXBound(0)[i] = U * (Math.Abs(dy[i]) * ofSlope + Math.Abs(bounds.DX(0)[i])) + Smallest;
        }
    }

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f) => Formula.Forward(this, f);

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> x = f.X(0), dy = f.DY;
        Span<T> dx = f.DX(0);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = T.CreateChecked(double.CreateChecked(dy[i]) * Slope(double.CreateChecked(x[i])));
    }

    T IFormula.Value<T>(T x) => Value(x);
}
