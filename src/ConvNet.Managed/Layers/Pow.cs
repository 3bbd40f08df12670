namespace ConvNet;

/// <summary>Power with a constant exponent, elementwise: y = x^p. The exponent 1/2 is the square root, −1 the
/// reciprocal.</summary>
/// <remarks>
/// Backward: dx = p·x^(p−1)·dy. y and dx have the shape of x; a NaN stays a NaN. If p is not whole, y and dx are NaN
/// for x &lt; 0. If p is negative, y is infinite at 0; below 1, the derivative is.
/// </remarks>
public sealed record Pow : InputActivation
{
    private const float FirstEven = 1 << 24;

    private static readonly AttributeDeclaration<float> s_exponent = AttributeDeclaration.Number<Pow>("exponent",
        layer => layer.Exponent, NumberInterval.Finite);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("pow", "y = x^p", [s_exponent],
        values => new Pow(values.Get(s_exponent)))
    {
        Examples =
        [
            new("pow of 1/2", new Pow(0.5f), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("pow of -1", new Pow(-1), 2, Shape.Vector(33)) { Rounds = true },
            new("pow of 3", new Pow(3), 2, new Shape(17, 3, 5)) { Rounds = true },
            new("pow of 1.7", new Pow(1.7f), 1, new Shape(1, 4, 3)) { Rounds = true },
        ],
        Random = [draw => new("pow", Drawn(draw), draw.Batch(), draw.Shape()) { Rounds = true }],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a power.</summary>
    /// <param name="exponent">p, the exponent; finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The exponent is not finite.</exception>
    public Pow(float exponent)
    {
        Exponent = s_exponent.Check(Kind, exponent);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>p, the exponent.</summary>
    public float Exponent { get; }

    /// <inheritdoc/>
    public override NumberInterval Domain => SignBelowZero != 0 && Exponent >= 0 ? NumberInterval.Finite
        : NumberInterval.AboveZero;

    /// <summary>What a negative x multiplies the power of its magnitude by: −1 if the exponent is odd, 1 if it is even,
    /// and 0, for NaN, if it is not whole.</summary>
    internal int SignBelowZero => Exponent != MathF.Floor(Exponent) ? 0
        : Math.Abs(Exponent) < FirstEven && (int)Exponent % 2 != 0 ? -1 : 1;

    /// <inheritdoc/>
    protected override T Value<T>(T x) => Exponent == 0.5f ? T.Sqrt(x) : T.Pow(x, T.CreateChecked(Exponent));

    /// <inheritdoc/>
    protected override double Slope(double x) => Exponent * Math.Pow(x, Exponent - 1.0);

    /// <inheritdoc/>
    /// <remarks>
    /// Square roots and reciprocals have errors of a few ulp. Other powers may be computed as e^(p·log|x|), whose
    /// argument has a relative error of 3u: e = (6 + 4·|p·log|x||)·|y| and e′ = (8 + 4·|(p − 1)·log|x||)·|f′(x)|.
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
    {
        double log = x == 0 ? 0 : Math.Abs(Math.Log(Math.Abs(x)));
        bool direct = Exponent is 0.5f or -1;
        double ofValue = direct ? 0 : 4 * Math.Abs(Exponent) * log, ofSlope = 4 * Math.Abs(Exponent - 1.0) * log;
        return ((6 + ofValue) * Math.Abs(Value(x)), (8 + ofSlope) * Math.Abs(Slope(x)));
    }

    private static Pow Drawn(RandomDraw draw) => new(draw.Of(-2, -1, -0.5f, 0.5f, 1.5f, 2, 3));
}
