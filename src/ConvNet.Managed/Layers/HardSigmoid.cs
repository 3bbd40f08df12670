namespace ConvNet;

/// <summary>Piecewise linear logistic function, elementwise: y = min(max(x + 3, 0), 6)/6.</summary>
/// <remarks>
/// Backward: dx = dy/6 where 0 &lt; y &lt; 1, else 0. The derivative at −3 and at 3 is 0, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Howard et al., ICCV 2019.
/// </remarks>
public sealed record HardSigmoid : RoundedActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("hardsigmoid", "y = min(max(x + 3, 0), 6)/6", [],
        _ => new HardSigmoid())
    {
        Examples =
        [
            new("hardsigmoid", new HardSigmoid(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("hardsigmoid of a vector", new HardSigmoid(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("hardsigmoid", new HardSigmoid(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [-3, 3];

    /// <inheritdoc/>
    /// <remarks>
    /// x + 3 rounds once and its sixth twice, if it is the product with a rounded 1/6. The sum x/6 + 1/2 has terms of
    /// up to 1/2, which round once each.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (2, 3);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => T.Clamp(x + T.CreateChecked(3), T.Zero, T.CreateChecked(6)) / T.CreateChecked(6);

    /// <inheritdoc/>
    protected override T Slope<T>(T y) => y <= T.Zero || y >= T.One ? T.Zero : T.CreateChecked(1.0 / 6);

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => 0;
}
