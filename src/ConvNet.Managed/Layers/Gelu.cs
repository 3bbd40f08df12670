using System.Numerics;

namespace ConvNet;

/// <summary>How <see cref="Gelu"/> computes the normal distribution. The names are those of torch.</summary>
public enum GeluApproximation
{
    /// <summary>Exact: Φ(x).</summary>
    None,

    /// <summary>Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2.</summary>
    Tanh,
}

/// <summary>Gaussian error linear unit, elementwise: y = x·Φ(x), with Φ the standard normal distribution.</summary>
/// <remarks>
/// Backward: dx = dy·(Φ(x) + x·Φ′(x)). y and dx have the shape of x; a NaN stays a NaN. The exact form is computed as
/// Φ(x) = erfc(−x/√2)/2 and the approximation as Φ(x) = 1/(1 + e^(−2z)), which avoids cancellation for negative x.
/// Source: Hendrycks and Gimpel, arXiv 1606.08415.
/// </remarks>
public sealed record Gelu : Layer
{
    private const GeluApproximation Usual = GeluApproximation.None;

    // Beyond this value the distribution is 0 or 1 even in double.
    private const double Farthest = 64;

    private const double Cubic = 0.044715;

    private static readonly AttributeDeclaration<GeluApproximation> s_approximate
        = AttributeDeclaration.Choice<Gelu, GeluApproximation>("approximate", layer => layer.Approximate,
            [("none", GeluApproximation.None), ("tanh", GeluApproximation.Tanh)], Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("gelu", "y = x·Φ(x)", [s_approximate],
        values => new Gelu(values.Get(s_approximate)))
    {
        Examples =
        [
            new("gelu", new Gelu(), 3, new Shape(17, 5, 7)) { Rounds = true },
            new("gelu tanh", new Gelu(GeluApproximation.Tanh), 2, new Shape(3, 7, 5)) { Rounds = true },
            new("gelu of a vector", new Gelu(GeluApproximation.Tanh), 7, Shape.Vector(33)) { Rounds = true },
            new("gelu of one", new Gelu(), 1, new Shape(1, 1, 1)) { Rounds = true },
        ],
    };

    /// <summary>Creates a GELU layer.</summary>
    /// <param name="approximate">How Φ is computed.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not defined in the enumeration.</exception>
    public Gelu(GeluApproximation approximate = Usual)
    {
        Approximate = s_approximate.Check(Kind, approximate);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>How Φ is computed.</summary>
    public GeluApproximation Approximate { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Derived;

    /// <summary>Derives the error bounds of a float32 GELU relative to the double result; u = 2⁻²⁴.</summary>
    /// <remarks>
    /// Φ, computed as (1 + erf(x/√2))/2 or with tanh, has an error of at most 6u: an ulp or two from the function, a
    /// few roundings of its argument where it is steepest, and one from the sum. The largest error is that of erf by
    /// formula 7.1.26 of Abramowitz and Stegun, which vectorised libraries use: 1.5·10⁻⁷ = 2.5u of its own and the
    /// roundings of terms near 1 give 10.0u at x = 0.04, and thus 5.4u in Φ. So Δy = 6u|x| + u|y|. The density has the
    /// relative error of e^(−x²/2), whose argument is rounded, or that of 1 − tanh², which cancels to an absolute 8u:
    /// Δdx = |dy|·u·(6 + |x|·Φ′(x)·(x² + 8) + 8|x·z′(x)|) + u|dx|, with z′ = 0 for the exact form.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        const double U = BoundedSum.UnitRoundoff, Smallest = 1e-37, OfDistribution = 6;
        ReadOnlySpan<double> x = bounds.X(0), dy = bounds.DY;
        for (int i = 0; i < x.Length; i++)
        {
            (_, double density) = Distribution(x[i]);
            double size = Math.Abs(x[i]), cancelled = Approximate == GeluApproximation.Tanh
                ? 8 * size * Slope(size) : 0;
            bounds.YBound[i] = U * (OfDistribution * size + Math.Abs(bounds.Y[i])) + Smallest;
            double slopeError = OfDistribution + size * density * (size * size + 8) + cancelled;
            bounds.DXBound(0)[i] = U * (Math.Abs(dy[i]) * slopeError + Math.Abs(bounds.DX(0)[i])) + Smallest;
        }
    }

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        if (typeof(T) == typeof(float))
            Forward<T, double>(f);
        else
            Forward<T, T>(f);
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> x = f.X(0), dy = f.DY;
        Span<T> dx = f.DX(0);
        for (int i = 0; i < dx.Length; i++)
        {
            double value = double.CreateChecked(x[i]);
            (double distribution, double density) = Distribution(value);
            dx[i] = T.CreateChecked(double.CreateChecked(dy[i]) * (distribution + value * density));
        }
    }

    // Computes in TWide, so that a float32 result is rounded once.
    private void Forward<T, TWide>(in Frame<T> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TWide : unmanaged, IFloatingPointIeee754<TWide>
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        for (int i = 0; i < y.Length; i++)
        {
            TWide value = TWide.CreateChecked(x[i]);
            y[i] = T.CreateChecked(value * Distribution(value).Value);
        }
    }

    // Returns Φ(x) and Φ′(x).
    private (T Value, T Density) Distribution<T>(T x) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T two = T.CreateChecked(2);
        if (Approximate == GeluApproximation.None)
            return (ErrorFunction.Complement(-x / T.Sqrt(two)) / two, T.Exp(-x * x / two) / T.Sqrt(T.Tau));
        T size = T.Min(T.Abs(x), T.CreateChecked(Farthest));
        T e = T.Exp(-two * T.Sqrt(two / T.Pi) * (size + T.CreateChecked(Cubic) * size * size * size));
        return ((x > T.Zero ? T.One : e) / (T.One + e), two * Slope(size) * e / ((T.One + e) * (T.One + e)));
    }

    // Returns z′(x) of z = √(2/π)·(x + 0.044715·x³).
    private static T Slope<T>(T size) where T : unmanaged, IFloatingPointIeee754<T>
        => T.Sqrt(T.CreateChecked(2) / T.Pi) * (T.One + T.CreateChecked(3 * Cubic) * size * size);
}
