namespace ConvNet;

/// <summary>Adaptive average pooling: y[n,c,oh,ow] is the mean of x over window (oh, ow) of
/// <see cref="AdaptivePool2d"/>.</summary>
/// <remarks>x: N×C×H×W, y: N×C×OH×OW. Backward: every x of a window receives dy / the number of its values. The
/// semantics are those of torch; an output of 1×1 is global average pooling.</remarks>
public sealed record AdaptiveAvgPool2d : AdaptivePool2d
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("adaptiveavgpool", "mean of windows, given their number",
        [OutputAttribute], values => new AdaptiveAvgPool2d(values.Get(OutputAttribute)))
    {
        Examples =
        [
            new("adaptive avgpool", new AdaptiveAvgPool2d((3, 2)), 2, new Shape(17, 7, 5)) { Rounds = true },
            new("adaptive avgpool that divides", new AdaptiveAvgPool2d((2, 3)), 2, new Shape(5, 4, 12)),
            new("adaptive avgpool of a smaller map", new AdaptiveAvgPool2d((5, 8)), 1, new Shape(3, 2, 4)),
        ],
        LongSums = [LargeMap],
    };

    /// <summary>Describes an adaptive average pooling layer.</summary>
    /// <param name="output">The rows and columns of the output.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    public AdaptiveAvgPool2d(Extent output)
        : base(output)
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
        => Math.Max(Sees(inputs)!.Value.Kernel.Area, (long)Output.H / inputs[0].H * Output.W / inputs[0].W);

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0);
        WindowMeans.Forward(f, i => WindowOf(xs, i), patch => patch.Area);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMeans.Backward(f, i => WindowOf(xs, i), patch => patch.Area, i => EndsBlock(xs, ys, i));
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        int rows = draw.Between(300, 700);
        return new("adaptiveavgpool", new AdaptiveAvgPool2d((draw.Between(1, 2), 1)), draw.Between(1, 2),
            new Shape(draw.Between(1, 3), rows, 2 * draw.ManyTerms() / rows + 1));
    }
}
