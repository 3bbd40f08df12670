namespace ConvNet;

/// <summary>Error function, elementwise: y = erf(x) = 2/√π·∫₀ˣ e^(−t²) dt.</summary>
/// <remarks>Backward: dx = 2/√π·e^(−x²)·dy. y and dx have the shape of x; a NaN stays a NaN. Source: Abramowitz and
/// Stegun, Handbook of Mathematical Functions, 7.1.1.</remarks>
public sealed record Erf : InputActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("erf", "y = erf(x)", [], _ => new Erf())
    {
        Examples =
        [
            new("erf", new Erf(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("erf of a vector", new Erf(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("erf", new Erf(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override T Value<T>(T x) => ErrorFunction.Value(x);

    /// <inheritdoc/>
    protected override double Slope(double x) => 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x);

    /// <inheritdoc/>
    /// <remarks>
    /// Libraries compute erf by formula 7.1.26 of Abramowitz and Stegun, with an absolute error of 1.5·10⁻⁷ = 2.5u of
    /// its own and that of the roundings of terms near 1, together 10.0u: e = 11. The slope has the error of the
    /// rounded x² and of a few ulp: e′ = f′(x)·(8 + x²).
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x) => (11, Slope(x) * (8 + x * x));
}
