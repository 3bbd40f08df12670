namespace ConvNet;

/// <summary>Continuously differentiable exponential linear unit, elementwise:
/// y = x where x &gt; 0, else α·(e^(x/α) − 1).</summary>
/// <remarks>
/// Backward: dx = dy where y &gt; 0, else (y + α)/α·dy. The derivative at 0 is 1, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Barron, arXiv 1704.07483.
/// </remarks>
public sealed record Celu : RoundedActivation
{
    private const float Usual = 1;

    private static readonly AttributeDeclaration<float> s_alpha = AttributeDeclaration.Number<Celu>("alpha",
        layer => layer.Alpha, NumberInterval.AboveZero, Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("celu", "y = x where x > 0, else α·(e^(x/α) − 1)", [s_alpha],
        values => new Celu(values.Get(s_alpha)))
    {
        Examples =
        [
            new("celu", new Celu(0.5f), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("celu of a vector", new Celu(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("celu", Drawn(draw), draw.Batch(), draw.Shape()) { Rounds = true }],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a CELU layer.</summary>
    /// <param name="alpha">α, minus the limit for x → −∞; finite and positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">α is not positive or not finite.</exception>
    public Celu(float alpha = Usual)
    {
        Alpha = s_alpha.Check(Kind, alpha);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>α, minus the limit for x → −∞.</summary>
    public float Alpha { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [];

    /// <inheritdoc/>
    /// <remarks>
    /// The argument x/α has a relative error of 2u if it is multiplied by a rounded 1/α. That is an error of at most u
    /// in e^(x/α), because |z|·e^z ≤ 1/e. Otherwise as <see cref="Elu"/>.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (5 * Alpha, 10);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => x <= T.Zero ? T.CreateChecked(Alpha) * SmoothFunctions.ExpM1(x / T.CreateChecked(Alpha)) : x;

    /// <inheritdoc/>
    protected override T Slope<T>(T y)
        => y <= T.Zero ? (y + T.CreateChecked(Alpha)) / T.CreateChecked(Alpha) : T.One;

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => y <= 0 ? 1 / Alpha : 0;

    private static Celu Drawn(RandomDraw draw) => new(draw.Of(Usual, 0.25f, 0.5f, 2));
}
