using System.Numerics;

namespace ConvNet;

/// <summary>Leaky rectified linear unit, elementwise: y = x where x &gt; 0, else s·x.</summary>
/// <remarks>
/// Backward: dx = dy where y &gt; 0, else s·dy. The derivative at 0 is s, and a NaN stays a NaN. A slope of 0 gives 0,
/// even for an infinite x or dy.
/// y and dx have the shape of x. Source: Maas, Hannun and Ng, ICML 2013.
/// </remarks>
public sealed record LeakyRelu : FusableActivation
{
    private const float Usual = 0.01f;

    private static readonly AttributeDeclaration<float> s_negativeSlope
        = AttributeDeclaration.Number<LeakyRelu>("negativeSlope", layer => layer.NegativeSlope,
            new NumberInterval(0, float.PositiveInfinity, HasLeast: true, HasMost: false), Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("leakyrelu", "y = x where x > 0, else s·x",
        [s_negativeSlope], values => new LeakyRelu(values.Get(s_negativeSlope)))
    {
        Examples =
        [
            new("leakyrelu", new LeakyRelu(0.25f), 3, new Shape(3, 5, 7)),
            new("leakyrelu of 0.01", new LeakyRelu(), 2, new Shape(17, 3, 5)),
        ],
        Random = [draw => new("leakyrelu", new LeakyRelu(draw.Of(Usual, 0, 0.25f, 1)), draw.Batch(), draw.Shape())],
    };

    /// <summary>Creates a leaky ReLU layer.</summary>
    /// <param name="negativeSlope">s, the slope for negative x. It is finite and not negative, because the sign of y
    /// must determine the derivative.</param>
    /// <exception cref="ArgumentOutOfRangeException">The slope is negative or not finite.</exception>
    public LeakyRelu(float negativeSlope = Usual)
    {
        NegativeSlope = s_negativeSlope.Check(Kind, negativeSlope);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>s, the slope for negative x.</summary>
    public float NegativeSlope { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [0];

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        T slope = T.CreateChecked(NegativeSlope);
        for (int i = 0; i < y.Length; i++)
            y[i] = x[i] <= T.Zero ? Times(slope, x[i]) : x[i];
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> y = f.Y, dy = f.DY;
        Span<T> dx = f.DX(0);
        T slope = T.CreateChecked(NegativeSlope);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = y[i] <= T.Zero ? Times(slope, dy[i]) : dy[i];
    }

    private static T Times<T>(T slope, T value) where T : unmanaged, IFloatingPointIeee754<T>
        => slope == T.Zero ? T.Zero : slope * value;
}
