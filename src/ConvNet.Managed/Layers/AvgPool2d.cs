using System.Numerics;

namespace ConvNet;

/// <summary>Average pooling: y[n,c,oh,ow] is the mean of x over a window. Windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + P) / S + 1, where P is the sum of the padding on both sides. The divisor
/// is the number of window values inside the map and its padding: F·F unless the last window reaches beyond the
/// padding. If <see cref="CountIncludePad"/> is false, only values inside the map count. Backward: every x of the
/// window receives dy / divisor. Names, defaults and divisors are those of torch.
/// </remarks>
public sealed record AvgPool2d : Pool2d
{
    private const bool UsualCountIncludePad = true;

    private static readonly AttributeDeclaration<bool> s_countIncludePad
        = AttributeDeclaration.Flag<AvgPool2d>("countIncludePad", layer => layer.CountIncludePad,
            UsualCountIncludePad, simplest: true, formerName: "countPadding");

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("avgpool", "mean of a window",
        [WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding, WindowAttributes.Rounding,
            s_countIncludePad],
        values => new AvgPool2d(values.Get(WindowAttributes.Kernel), values.Find(WindowAttributes.Stride),
            values.Get(WindowAttributes.Padding), values.Get(WindowAttributes.Rounding),
            values.Get(s_countIncludePad)))
    {
        Examples =
        [
            new("avgpool 2×2", new AvgPool2d(2), 3, new Shape(3, 6, 4)),
            new("avgpool 3×3", new AvgPool2d(3, stride: 2), 2, new Shape(3, 7, 9)) { Rounds = true },
            new("avgpool rounded up", new AvgPool2d(2, 2, (1, 0, 0, 1), Rounding.Ceiling, countIncludePad: false), 2,
                new Shape(17, 8, 6)),
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
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    public AvgPool2d(Extent kernelSize, Extent? stride = null, Padding padding = default,
        Rounding rounding = ConvNet.WindowAttributes.UsualRounding, bool countIncludePad = UsualCountIncludePad)
        : base(kernelSize, stride, padding, rounding)
    {
        CountIncludePad = countIncludePad;
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>Whether padding zeros count in the mean.</summary>
    public bool CountIncludePad { get; }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Window.Kernel.Area;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(map * xs.Area, xs.Area);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            for (int i = 0; i < y.Length; i++)
            {
                Patch patch = Clip(xs, ys, i);
                y[i] = Sum<T, TSum>(x, xs.W, patch) * Share<T>(patch);
            }
        });
    }

    private static TSum Sum<T, TSum>(ReadOnlySpan<T> x, int width, Patch patch)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (patch.Bottom - patch.Top > Rows.Block)
        {
            int half = (patch.Top + patch.Bottom) / 2;
            return Sum<T, TSum>(x, width, patch with { Bottom = half })
                + Sum<T, TSum>(x, width, patch with { Top = half });
        }
        TSum sum = default;
        for (int h = patch.Top; h < patch.Bottom; h++)
            sum += Rows.Sum<T, TSum>(x[(h * width + patch.Left)..(h * width + patch.Right)]);
        return sum;
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (!f.WantsDX(0))
            return;
        Shape xs = f.XShape(0), ys = f.YShape;
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> dy = f.DY.Slice(map * ys.Area, ys.Area);
            Span<TSum> dx = f.DX(0).Slice(map * xs.Area, xs.Area);
            var blocks = new BlockedRows<T, TSum>(dx);
            for (int i = 0; i < dy.Length; i++)
            {
                if (EndsBlock(ys, i))
                    blocks.EndBlock();
                Patch patch = Clip(xs, ys, i);
                T share = dy[i] * Share<T>(patch);
                for (int h = patch.Top; h < patch.Bottom; h++)
                {
                    for (int w = patch.Left; w < patch.Right; w++)
                        dx[h * xs.W + w] += share;
                }
            }
            blocks.Complete();
        });
    }

    private T Share<T>(Patch patch) where T : unmanaged, IFloatingPointIeee754<T>
        => T.One / T.CreateChecked(CountIncludePad ? patch.Padded : patch.Area);

    private static LayerExample Random(RandomDraw draw)
    {
        (Extent kernel, Extent stride, Padding padding, Rounding rounding) = RandomWindow(draw);
        var layer = new AvgPool2d(kernel, stride, padding, rounding, countIncludePad: draw.OneIn(2));
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
