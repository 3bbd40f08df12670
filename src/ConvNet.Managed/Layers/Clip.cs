namespace ConvNet;

/// <summary>Limits values to an interval, elementwise: y = min(max(x, m), M). Torch calls it hardtanh.</summary>
/// <remarks>
/// Backward: dx = dy where m &lt; y &lt; M, else 0. The derivative at m and at M is 0, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
/// </remarks>
public sealed record Clip : FusableActivation
{
    private const float UsualMin = 0, UsualMax = 6;

    private static readonly AttributeDeclaration<float>
        s_min = AttributeDeclaration.Number<Clip>("min", layer => layer.Min, NumberInterval.Finite, UsualMin),
        s_max = AttributeDeclaration.Number<Clip>("max", layer => layer.Max, NumberInterval.Finite, UsualMax);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("clip", "y = min(max(x, m), M)", [s_min, s_max],
        values => new Clip(values.Get(s_min), values.Get(s_max)))
    {
        Examples =
        [
            new("clip", new Clip(-1, 2), 3, new Shape(3, 5, 7)),
            new("clip of a vector", new Clip(), 2, Shape.Vector(33)),
        ],
        Random = [draw => new("clip", Drawn(draw), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a layer that limits values.</summary>
    /// <param name="min">m, the smallest value; finite.</param>
    /// <param name="max">M, the largest value; finite and above m.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not finite.</exception>
    /// <exception cref="ArgumentException">m is not below M.</exception>
    public Clip(float min = UsualMin, float max = UsualMax)
    {
        (Min, Max) = (s_min.Check(Kind, min), s_max.Check(Kind, max));
        if (min >= max)
            throw new ArgumentException(FormattableString.Invariant(
                $"The limits of clip are {min} and {max}; the first must be below the second."));
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>m, the smallest value.</summary>
    public float Min { get; }

    /// <summary>M, the largest value.</summary>
    public float Max { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [Min, Max];

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        (T min, T max) = (T.CreateChecked(Min), T.CreateChecked(Max));
        for (int i = 0; i < y.Length; i++)
            y[i] = x[i] <= min ? min : x[i] >= max ? max : x[i];
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> y = f.Y, dy = f.DY;
        Span<T> dx = f.DX(0);
        (T min, T max) = (T.CreateChecked(Min), T.CreateChecked(Max));
        for (int i = 0; i < dx.Length; i++)
            dx[i] = y[i] <= min || y[i] >= max ? T.Zero : dy[i];
    }

    private static Clip Drawn(RandomDraw draw) => new(draw.Of(-2f, -1, -0.5f, 0), draw.Of(0.25f, 1, 3, 6));
}
