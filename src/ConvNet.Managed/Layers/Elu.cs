namespace ConvNet;

/// <summary>Exponential linear unit, elementwise: y = x where x &gt; 0, else α·(e^x − 1).</summary>
/// <remarks>
/// Backward: dx = dy where y &gt; 0, else (y + α)·dy. The derivative at 0 is α, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Clevert, Unterthiner and Hochreiter, ICLR 2016.
/// </remarks>
public sealed record Elu : RoundedActivation
{
    private const float Usual = 1;

    private static readonly AttributeDeclaration<float> s_alpha = AttributeDeclaration.Number<Elu>("alpha",
        layer => layer.Alpha, NumberInterval.FromZero, Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("elu", "y = x where x > 0, else α·(e^x − 1)", [s_alpha],
        values => new Elu(values.Get(s_alpha)))
    {
        Examples =
        [
            new("elu", new Elu(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("elu of 0.5", new Elu(0.5f), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("elu", Drawn(draw), draw.Batch(), draw.Shape()) { Rounds = true }],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates an ELU layer.</summary>
    /// <param name="alpha">α, minus the limit for x → −∞; finite and not negative, so that y never decreases.</param>
    /// <exception cref="ArgumentOutOfRangeException">α is negative or not finite.</exception>
    public Elu(float alpha = Usual)
    {
        Alpha = s_alpha.Check(Kind, alpha);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>α, minus the limit for x → −∞.</summary>
    public float Alpha { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => Alpha == 1 ? [] : [0];

    /// <inheritdoc/>
    /// <remarks>
    /// e^x − 1 has a relative error of 4u. Libraries that compute e^x and then subtract 1 have an absolute error of 4u,
    /// which α multiplies.
    /// </remarks>
    protected override (double Absolute, double Relative) ErrorInRoundings => (4 * Alpha, 8);

    /// <inheritdoc/>
    protected override T Value<T>(T x)
        => x <= T.Zero ? T.CreateChecked(Alpha) * SmoothFunctions.ExpM1(x) : x;

    /// <inheritdoc/>
    protected override T Slope<T>(T y) => y <= T.Zero ? y + T.CreateChecked(Alpha) : T.One;

    /// <inheritdoc/>
    protected override double SlopeChange(double y) => y <= 0 ? 1 : 0;

    private static Elu Drawn(RandomDraw draw) => new(draw.Of(Usual, 0.25f, 0.5f, 2));
}
