namespace ConvNet;

/// <summary>Replaces small values by a constant, elementwise: y = x where x &gt; t, else v.</summary>
/// <remarks>
/// Backward: dx = dy where x &gt; t, else 0. y and dx have the shape of x; a NaN stays a NaN. At the threshold, y jumps
/// from v to t. With v = 0, ONNX calls it ThresholdedRelu. Source: Konda, Memisevic and Krueger, ICLR 2015.
/// </remarks>
public sealed record Threshold : Layer
{
    private static readonly AttributeDeclaration<float>
        s_threshold = AttributeDeclaration.Number<Threshold>("threshold", layer => layer.Limit, NumberInterval.Finite),
        s_value = AttributeDeclaration.Number<Threshold>("value", layer => layer.Constant, NumberInterval.Finite, 0f);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("threshold", "y = x where x > t, else v",
        [s_threshold, s_value], values => new Threshold(values.Get(s_threshold), values.Get(s_value)))
    {
        Examples =
        [
            new("threshold", new Threshold(0.25f), 3, new Shape(3, 5, 7)),
            new("threshold of a vector", new Threshold(-1, 2), 2, Shape.Vector(33)),
        ],
        Random = [draw => new("threshold", Drawn(draw), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a threshold.</summary>
    /// <param name="threshold">t, the largest value that is replaced; finite.</param>
    /// <param name="value">v, which replaces values; finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is not finite.</exception>
    public Threshold(float threshold, float value = 0)
    {
        (Limit, Constant) = (s_threshold.Check(Kind, threshold), s_value.Check(Kind, value));
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>t, the largest value that is replaced.</summary>
    public float Limit { get; }

    /// <summary>v, which replaces values up to <see cref="Limit"/>.</summary>
    public float Constant { get; }

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
        => x[0].Select(value => new Kink(Math.Abs(value - Limit)));

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        (T limit, T constant) = (T.CreateChecked(Limit), T.CreateChecked(Constant));
        for (int i = 0; i < y.Length; i++)
            y[i] = x[i] <= limit ? constant : x[i];
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> x = f.X(0), dy = f.DY;
        Span<T> dx = f.DX(0);
        T limit = T.CreateChecked(Limit);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = x[i] <= limit ? T.Zero : dy[i];
    }

    private static Threshold Drawn(RandomDraw draw) => new(draw.Of(-1, 0.25f, 1), draw.Of(0f, -1, 2));
}
