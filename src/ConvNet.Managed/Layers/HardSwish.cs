namespace ConvNet;

/// <summary>Piecewise quadratic swish, elementwise: y = x·min(max(x + 3, 0), 6)/6.</summary>
/// <remarks>
/// Backward: dx = 0 where x ≤ −3, dy where x ≥ 3, else (x/3 + 1/2)·dy. y and dx have the shape of x; a NaN stays a NaN.
/// Source: Howard et al., ICCV 2019.
/// </remarks>
public sealed record HardSwish : InputActivation
{
    private const double Reach = 3;

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("hardswish", "y = x·min(max(x + 3, 0), 6)/6", [],
        _ => new HardSwish())
    {
        Examples =
        [
            new("hardswish", new HardSwish(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("hardswish of a vector", new HardSwish(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("hardswish", new HardSwish(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
        => x[0].Select(value => new Kink(Math.Abs(Math.Abs(value) - Reach)));

    /// <inheritdoc/>
    protected override T Value<T>(T x)
    {
        T reach = T.CreateChecked(Reach), six = reach + reach;
        return x * T.Clamp(x + reach, T.Zero, six) / six;
    }

    /// <inheritdoc/>
    protected override double Slope(double x) => x <= -Reach ? 0 : x >= Reach ? 1 : x / 3 + 0.5;

    /// <inheritdoc/>
    /// <remarks>
    /// x + 3, the product, and its sixth as a product with a rounded 1/6 have an error of 4|y|; the terms of
    /// x·(x/6 + 1/2) have one of 2|x| instead: e = 4|y| + 2|x|. Both terms of x/3 + 1/2 and the sum round:
    /// e′ = |x| + 1, between −3 and 3.
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
        => (4 * Math.Abs(Value(x)) + 2 * Math.Abs(x), Math.Abs(x) < Reach ? Math.Abs(x) + 1 : 0);
}
