namespace ConvNet;

/// <summary>Scaled exponential linear unit, elementwise: y = λ·x where x &gt; 0, else λ·α·(e^x − 1).</summary>
/// <remarks>
/// Backward: dx = λ·dy where y &gt; 0, else (y + λ·α)·dy. The derivative at 0 is λ·α, and a NaN stays a NaN.
/// λ = 1.0507009873554804934193349852946 and α = 1.6732632423543772848170429916717, for which mean 0 and variance 1 are
/// a fixed point.
/// y and dx have the shape of x. Source: Klambauer et al., NeurIPS 2017.
/// </remarks>
public sealed record Selu : RoundedActivation
{
    private const double Lambda = 1.0507009873554804934193349852946,
        LambdaAlpha = Lambda * 1.6732632423543772848170429916717;

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("selu", "y = λ·x where x > 0, else λ·α·(e^x − 1)", [],
        _ => new Selu())
    {
        Examples =
        [
            new("selu", new Selu(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("selu of a vector", new Selu(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("selu", new Selu(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [0];

    /// <inheritdoc/>
    /// <remarks>
    /// As <see cref="Elu"/>, with the rounding of λ and λ·α.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (5 * LambdaAlpha, 10);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => x <= T.Zero ? T.CreateChecked(LambdaAlpha) * SmoothFunctions.ExpM1(x) : T.CreateChecked(Lambda) * x;

    /// <inheritdoc/>
    protected override T Slope<T>(T y)
        => y <= T.Zero ? y + T.CreateChecked(LambdaAlpha) : T.CreateChecked(Lambda);

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => y <= 0 ? 1 : 0;
}
