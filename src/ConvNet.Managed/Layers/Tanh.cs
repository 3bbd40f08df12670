namespace ConvNet;

/// <summary>Hyperbolic tangent, elementwise: y = tanh(x).</summary>
/// <remarks>
/// Backward: dx = (1 − y²)·dy. A NaN stays a NaN.
/// y and dx have the shape of x. Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998.
/// </remarks>
public sealed record Tanh : RoundedActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("tanh", "y = tanh(x)", [], _ => new Tanh())
    {
        Examples =
        [
            new("tanh", new Tanh(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("tanh of a vector", new Tanh(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("tanh", new Tanh(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [];

    /// <inheritdoc/>
    /// <remarks>
    /// The hyperbolic tangent of a vectorised library has a relative error of a few ulp.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (0, 8);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => T.Tanh(x);

    /// <inheritdoc/>
    protected override T Slope<T>(T y) => (T.One - y) * (T.One + y);

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => 2 * Math.Abs(y);
}
