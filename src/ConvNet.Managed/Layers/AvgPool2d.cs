namespace ConvNet;

/// <summary>Average pooling: y[n,c,oh,ow] is the mean of x over a window. Windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + P) / S + 1, where P is the sum of the padding on both sides. The divisor
/// is the number of window values inside the map and its padding: F·F unless the last window reaches beyond the
/// padding. If <see cref="CountIncludePad"/> is false, only values inside the map count. A <see
/// cref="DivisorOverride"/> replaces the number. Backward: every x of the window receives dy / divisor. Names, defaults
/// and divisors are those of torch.
/// </remarks>
public sealed record AvgPool2d : Pool2d
{
    private const bool UsualCountIncludePad = true;

    private static readonly AttributeDeclaration<bool> s_countIncludePad
        = AttributeDeclaration.Flag<AvgPool2d>("countIncludePad", layer => layer.CountIncludePad,
            UsualCountIncludePad, simplest: true, formerName: "countPadding");

    private static readonly AttributeDeclaration<int> s_divisorOverride
        = AttributeDeclaration.Integer<AvgPool2d>("divisorOverride", layer => layer.DivisorOverride, 0, least: 0);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("avgpool", "mean of a window",
        [WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding, WindowAttributes.Rounding,
            s_countIncludePad, s_divisorOverride],
        values => new AvgPool2d(values.Get(WindowAttributes.Kernel), values.Find(WindowAttributes.Stride),
            values.Get(WindowAttributes.Padding), values.Get(WindowAttributes.Rounding),
            values.Get(s_countIncludePad), values.Get(s_divisorOverride)))
    {
        Examples =
        [
            new("avgpool 2×2", new AvgPool2d(2), 3, new Shape(3, 6, 4)),
            new("avgpool 3×3", new AvgPool2d(3, stride: 2), 2, new Shape(3, 7, 9)) { Rounds = true },
            new("avgpool rounded up", new AvgPool2d(2, 2, (1, 0, 0, 1), Rounding.Ceiling, countIncludePad: false), 2,
                new Shape(17, 8, 6)),
            new("avgpool with a divisor", new AvgPool2d((3, 2), 2, 1, Rounding.Floor, divisorOverride: 4), 2,
                new Shape(5, 6, 7)),
        ],
        Random = [Random],
        LongSums = [LargeWindow],
        Fitting = (draw, _, x) => new AvgPool2d(2, draw.Between(1, 2), Math.Min(x.H, x.W) < 2 ? 1 : 0,
            draw.Of(Rounding.Floor, Rounding.Ceiling)),
    };

    /// <summary>Describes an average pooling layer.</summary>
    /// <param name="kernelSize">F, the rows and columns of the window.</param>
    /// <param name="stride">S, the stride; defaults to the kernel size.</param>
    /// <param name="padding">P, at most half the kernel size: one number; rows and columns; or top, left, bottom and
    /// right.</param>
    /// <param name="rounding">How a fractional output size is handled.</param>
    /// <param name="countIncludePad">Whether padding zeros count in the mean.</param>
    /// <param name="divisorOverride">The divisor of every window; 0 for the number of its values.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    public AvgPool2d(Extent kernelSize, Extent? stride = null, Padding padding = default,
        Rounding rounding = ConvNet.WindowAttributes.UsualRounding, bool countIncludePad = UsualCountIncludePad,
        int divisorOverride = 0)
        : base(kernelSize, stride, padding, rounding)
    {
        CountIncludePad = countIncludePad;
        DivisorOverride = s_divisorOverride.Check(Kind, divisorOverride);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>Whether padding zeros count in the mean.</summary>
    public bool CountIncludePad { get; }

    /// <summary>The divisor of every window; 0 for the number of its values.</summary>
    public int DivisorOverride { get; }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Window.Kernel.Area;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMeans.Forward(f, i => Clip(xs, ys, i), Divisor);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        WindowMeans.Backward(f, i => Clip(xs, ys, i), Divisor, i => EndsBlock(ys, i));
    }

    private long Divisor(Patch patch)
        => DivisorOverride > 0 ? DivisorOverride : CountIncludePad ? patch.Padded : patch.Area;

    private static LayerExample Random(RandomDraw draw)
    {
        (Extent kernel, Extent stride, Padding padding, Rounding rounding) = RandomWindow(draw);
        var layer = new AvgPool2d(kernel, stride, padding, rounding, countIncludePad: draw.OneIn(2),
            draw.OneIn(4) ? draw.Between(1, 9) : 0);
        return new("avgpool", layer, draw.Batch(),
            draw.InputFor(layer.Window, draw.Channels(), (draw.Between(1, 6), draw.Between(1, 6))));
    }

    private static LayerExample LargeWindow(RandomDraw draw)
    {
        int rows = draw.Between(150, 350);
        var layer = new AvgPool2d((rows, draw.ManyTerms() / rows + 1), stride: draw.Between(1, 3),
            rounding: Rounding.Floor);
        return new("avgpool", layer, draw.Between(1, 2),
            draw.InputFor(layer.Window, draw.Between(1, 3), (draw.Between(1, 2), draw.Between(1, 2))));
    }
}
