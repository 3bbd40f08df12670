namespace ConvNet;

/// <summary>Softplus, elementwise: y = log(1 + e^(β·x))/β where β·x ≤ t, else x.</summary>
/// <remarks>
/// Backward: dx = dy/(1 + e^(−β·x)) where β·x ≤ t, else dy. y and dx have the shape of x; a NaN stays a NaN. At the
/// threshold t, y decreases by log(1 + e^(−t))/β. Source: Dugas et al., NeurIPS 2000.
/// </remarks>
public sealed record Softplus : InputActivation
{
    private const float UsualBeta = 1, UsualThreshold = 20;

    private static readonly AttributeDeclaration<float>
        s_beta = AttributeDeclaration.Number<Softplus>("beta", layer => layer.Beta, NumberInterval.AboveZero,
            UsualBeta),
        s_threshold = AttributeDeclaration.Number<Softplus>("threshold", layer => layer.Threshold,
            NumberInterval.FromZero, UsualThreshold);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("softplus", "y = log(1 + e^(β·x))/β",
        [s_beta, s_threshold], values => new Softplus(values.Get(s_beta), values.Get(s_threshold)))
    {
        Examples =
        [
            new("softplus", new Softplus(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("softplus of 2", new Softplus(2, 0.5f), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("softplus", Drawn(draw), draw.Batch(), draw.Shape()) { Rounds = true }],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a softplus layer.</summary>
    /// <param name="beta">β; finite and positive.</param>
    /// <param name="threshold">t, above which β·x is its own softplus to rounding; finite and not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Softplus(float beta = UsualBeta, float threshold = UsualThreshold)
    {
        (Beta, Threshold) = (s_beta.Check(Kind, beta), s_threshold.Check(Kind, threshold));
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>β, which multiplies the argument and divides the value.</summary>
    public float Beta { get; }

    /// <summary>t, above which y = x.</summary>
    public float Threshold { get; }

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
        => x[0].Select(value => new Kink(Math.Abs(value - (double)Threshold / Beta)));

    /// <inheritdoc/>
    protected override T Value<T>(T x)
    {
        T beta = T.CreateChecked(Beta), z = beta * x;
        return z > T.CreateChecked(Threshold) ? x : SmoothFunctions.Softplus(z) / beta;
    }

    /// <inheritdoc/>
    protected override double Slope(double x)
        => Beta * x > Threshold ? 1 : SmoothFunctions.Sigmoid(Beta * x);

    /// <inheritdoc/>
    /// <remarks>
    /// With z = β·x and σ(z) = 1/(1 + e^(−z)): the rounding of z changes y by u·|x|·σ and the derivative by at most
    /// u·|z|·σ. The functions have relative errors of a few ulp: e = |x|·σ + 12|y| and e′ = σ·(8 + |z|).
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
    {
        double z = Beta * x, s = SmoothFunctions.Sigmoid(z);
        return z > Threshold ? (0, 0) : (Math.Abs(x) * s + 12 * Math.Abs(Value(x)), s * (8 + Math.Abs(z)));
    }

    private static Softplus Drawn(RandomDraw draw) => new(draw.Of(UsualBeta, 0.5f, 2), draw.Of(UsualThreshold, 0.5f));
}
