namespace ConvNet;

/// <summary>Max pooling: y[n,c,oh,ow] is the largest x in a window. Windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + P) / S + 1, where P is the sum of the padding on both sides and F is
/// (kernel − 1)·dilation + 1. Padding is never the maximum. Ties go to the first maximum in row-major order of the
/// window; of several NaNs, the last is taken. Backward: dy goes to the maximum. Where windows overlap, gradients are
/// summed in blocks, in row-major output order.
/// </remarks>
public sealed record MaxPool2d : Pool2d
{
    private static readonly AttributeDeclaration<Extent> s_dilation
        = AttributeDeclaration.Size<MaxPool2d>("dilation", layer => layer.Window.Dilation, 1, Limits.Window, (Extent)1,
            role: AttributeRole.Dilation);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("maxpool", "largest value of a window",
        [WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding, WindowAttributes.Rounding,
            s_dilation],
        values => new MaxPool2d(values.Get(WindowAttributes.Kernel), values.Find(WindowAttributes.Stride),
            values.Get(WindowAttributes.Padding), values.Get(WindowAttributes.Rounding), values.Get(s_dilation)))
    {
        Examples =
        [
            new("maxpool 3×3", new MaxPool2d(3, stride: 2), 2, new Shape(3, 7, 9)),
            new("maxpool rounded up", new MaxPool2d(3, 2, (0, 1, 1, 0), Rounding.Ceiling), 2, new Shape(17, 7, 8)),
            new("maxpool dilated", new MaxPool2d((3, 2), 1, (1, 2, 2, 1), dilation: (2, 3)), 2, new Shape(17, 5, 6)),
        ],
        Random = [Random],
        Fitting = (draw, _, x) => new MaxPool2d(2, draw.Between(1, 2), Math.Min(x.H, x.W) < 2 ? 1 : 0,
            draw.Of(Rounding.Floor, Rounding.Ceiling)),
    };

    /// <summary>Describes a max pooling layer.</summary>
    /// <param name="kernelSize">F, the rows and columns of the window.</param>
    /// <param name="stride">S, the stride; defaults to the kernel size.</param>
    /// <param name="padding">P, at most half the window: one number; rows and columns; or top, left, bottom and
    /// right.</param>
    /// <param name="rounding">How a fractional output size is handled.</param>
    /// <param name="dilation">The distance between the values of a window; defaults to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    public MaxPool2d(Extent kernelSize, Extent? stride = null, Padding padding = default,
        Rounding rounding = ConvNet.WindowAttributes.UsualRounding, Extent? dilation = null)
        : base(kernelSize, stride, padding, rounding, dilation)
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    /// <remarks>The margin is the difference between the largest and the second-largest value of a window.</remarks>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
    {
        Shape xs = inputs[0], ys = Infer(xs);
        return WindowMaxima.Kinks(x[0], xs, ys, i => Clip(xs, ys, i));
    }

    /// <summary>True for a window of one value with stride 1, which copies its input.</summary>
    public override bool IsView => Window.Kernel == 1 && Window.Stride == 1;

    /// <inheritdoc/>
    public override float NeutralInput => float.NegativeInfinity;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMaxima.Forward(f, i => Clip(xs, ys, i));
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMaxima.Backward(f, i => Clip(xs, ys, i), i => EndsBlock(ys, i));
    }

    private static LayerExample Random(RandomDraw draw)
    {
        (Extent kernel, Extent stride, Padding padding, Rounding rounding) = RandomWindow(draw);
        Extent dilation = draw.OneIn(4) ? (draw.Between(1, 3), draw.Between(1, 3)) : 1;
        var layer = new MaxPool2d(kernel, stride, padding, rounding, dilation);
        return new("maxpool", layer, draw.Batch(),
            draw.InputFor(layer.Window, draw.Channels(), (draw.Between(1, 6), draw.Between(1, 6))));
    }
}
