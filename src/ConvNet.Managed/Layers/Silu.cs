namespace ConvNet;

/// <summary>Sigmoid linear unit, elementwise: y = x·σ(x) with σ(x) = 1/(1 + e^(−x)). It is also called swish.</summary>
/// <remarks>
/// Backward: dx = σ(x)·(1 + x·(1 − σ(x)))·dy. y and dx have the shape of x; a NaN stays a NaN.
/// Source: Elfwing, Uchibe and Doya, arXiv 1702.03118.
/// </remarks>
public sealed record Silu : InputActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("silu", "y = x/(1 + e^(−x))", [], _ => new Silu())
    {
        Examples =
        [
            new("silu", new Silu(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("silu of a vector", new Silu(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("silu", new Silu(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override T Value<T>(T x) => x * SmoothFunctions.Sigmoid(x);

    /// <inheritdoc/>
    protected override double Slope(double x)
    {
        double s = SmoothFunctions.Sigmoid(x);
        return s * (1 + x * SmoothFunctions.Sigmoid(-x));
    }

    /// <inheritdoc/>
    /// <remarks>
    /// σ has a relative error of 8u: that of e^(−x), and the roundings of a sum and a quotient; so e = 8|y|. 1 − σ
    /// cancels to an absolute 8u·σ. e′ = σ·(12 + 12|x|·(1 − σ) + 8|x|·σ).
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
    {
        double s = SmoothFunctions.Sigmoid(x), size = Math.Abs(x);
        return (8 * size * s, s * (12 + size * (12 * SmoothFunctions.Sigmoid(-x) + 8 * s)));
    }
}
