namespace ConvNet;

/// <summary>Logistic function, elementwise: y = σ(x) = 1/(1 + e^(−x)).</summary>
/// <remarks>
/// Backward: dx = y·(1 − y)·dy. A NaN stays a NaN.
/// y and dx have the shape of x. Source: Rumelhart, Hinton and Williams, Nature 323, 1986.
/// </remarks>
public sealed record Sigmoid : RoundedActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("sigmoid", "y = 1/(1 + e^(−x))", [], _ => new Sigmoid())
    {
        Examples =
        [
            new("sigmoid", new Sigmoid(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("sigmoid of a vector", new Sigmoid(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("sigmoid", new Sigmoid(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [];

    /// <inheritdoc/>
    /// <remarks>
    /// e^(−x) has a relative error of 4u; the sum and the quotient round once each.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (0, 8);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => SmoothFunctions.Sigmoid(x);

    /// <inheritdoc/>
    protected override T Slope<T>(T y) => y * (T.One - y);

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => Math.Abs(1 - 2 * y);
}
