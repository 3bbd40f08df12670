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
public sealed record Gelu : InputActivation
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
    protected override T Value<T>(T x) => x * Distribution(x).Value;

    /// <inheritdoc/>
    protected override double Slope(double x)
    {
        (double distribution, double density) = Distribution(x);
        return distribution + x * density;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Φ, computed as (1 + erf(x/√2))/2 or with tanh, has an error of at most 6u: an ulp or two from the function, a
    /// few roundings of its argument where it is steepest, and one from the sum. The largest error is that of erf by
    /// formula 7.1.26 of Abramowitz and Stegun, which vectorised libraries use: 1.5·10⁻⁷ = 2.5u of its own and the
    /// roundings of terms near 1 give 10.0u at x = 0.04, and thus 5.4u in Φ. So e = 6|x|. The density has the relative
    /// error of e^(−x²/2), whose argument is rounded, or that of 1 − tanh², which cancels to an absolute 8u:
    /// e′ = 6 + |x|·Φ′(x)·(x² + 8) + 8|x·z′(x)|, with z′ = 0 for the exact form.
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
    {
        const double OfDistribution = 6;
        (_, double density) = Distribution(x);
        double size = Math.Abs(x);
        double cancelled = Approximate == GeluApproximation.Tanh ? 8 * size * ArgumentSlope(size) : 0;
        return (OfDistribution * size, OfDistribution + size * density * (size * size + 8) + cancelled);
    }

    // Returns Φ(x) and Φ′(x).
    private (T Value, T Density) Distribution<T>(T x) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T two = T.CreateChecked(2);
        if (Approximate == GeluApproximation.None)
            return (ErrorFunction.Complement(-x / T.Sqrt(two)) / two, T.Exp(-x * x / two) / T.Sqrt(T.Tau));
        T size = T.Min(T.Abs(x), T.CreateChecked(Farthest));
        T e = T.Exp(-two * T.Sqrt(two / T.Pi) * (size + T.CreateChecked(Cubic) * size * size * size));
        return ((x > T.Zero ? T.One : e) / (T.One + e), two * ArgumentSlope(size) * e / ((T.One + e) * (T.One + e)));
    }

    // Returns z′(x) of z = √(2/π)·(x + 0.044715·x³).
    private static T ArgumentSlope<T>(T size) where T : unmanaged, IFloatingPointIeee754<T>
        => T.Sqrt(T.CreateChecked(2) / T.Pi) * (T.One + T.CreateChecked(3 * Cubic) * size * size);
}
