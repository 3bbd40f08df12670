namespace ConvNet;

/// <summary>Adaptive max pooling: y[n,c,oh,ow] is the largest x in window (oh, ow) of
/// <see cref="AdaptivePool2d"/>.</summary>
/// <remarks>x: N×C×H×W, y: N×C×OH×OW. Ties go to the first maximum in row-major order of the window; of several NaNs,
/// the last is taken. Backward: dy goes to the maximum. The semantics are those of torch.</remarks>
public sealed record AdaptiveMaxPool2d : AdaptivePool2d
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("adaptivemaxpool",
        "largest value of windows, given their number", [OutputAttribute],
        values => new AdaptiveMaxPool2d(values.Get(OutputAttribute)))
    {
        Examples =
        [
            new("adaptive maxpool", new AdaptiveMaxPool2d((3, 2)), 2, new Shape(17, 7, 5)),
            new("adaptive maxpool that divides", new AdaptiveMaxPool2d((2, 3)), 2, new Shape(5, 4, 9)),
            new("adaptive maxpool of a smaller map", new AdaptiveMaxPool2d((5, 7)), 1, new Shape(3, 2, 4)),
        ],
    };

    /// <summary>Describes an adaptive max pooling layer.</summary>
    /// <param name="output">The rows and columns of the output.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    public AdaptiveMaxPool2d(Extent output)
        : base(output)
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
    {
        Shape xs = inputs[0];
        return WindowMaxima.Kinks(x[0], xs, Infer(xs), i => WindowOf(xs, i));
    }

    /// <inheritdoc/>
    public override float NeutralInput => float.NegativeInfinity;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0);
        WindowMaxima.Forward(f, i => WindowOf(xs, i));
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMaxima.Backward(f, i => WindowOf(xs, i), i => EndsBlock(xs, ys, i));
    }
}
