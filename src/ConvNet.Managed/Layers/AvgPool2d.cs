using System.Numerics;

namespace ConvNet;

/// <summary>Average pooling: y[n,c,oh,ow] = the mean of x in a window; windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + 2P) / S + 1. The divisor is F·F, or with
/// <see cref="CountPadding"/> off the number of values inside the map. Backward: every x of the window gets dy /
/// divisor.
/// </remarks>
public sealed record AvgPool2d : SumLayer
{
    private static readonly WindowAttributes s_window = WindowAttributes.Of<AvgPool2d>(layer => layer.Window, null);

    private const bool UsualCountPadding = true;

    private static readonly AttributeDeclaration<bool> s_countPadding
        = AttributeDeclaration.Flag<AvgPool2d>("countPadding", layer => layer.CountPadding,
            UsualCountPadding, simplest: true);

    /// <summary>The layer as files and checks know it.</summary>
    public static LayerDeclaration Declared { get; } = new("avgpool", "mean of a window",
        [s_window.Kernel, s_window.Stride, s_window.Padding, s_window.RoundDown, s_countPadding],
        values => new AvgPool2d(values.Get(s_window.Kernel), values.Find(s_window.Stride), values.Get(s_window.Padding),
            values.Get(s_window.RoundDown), values.Get(s_countPadding)))
    {
        Examples =
        [
            new("avgpool 2×2", new AvgPool2d(2), 3, new Shape(3, 6, 4)),
            new("avgpool 3×3", new AvgPool2d(3, stride: 2), 2, new Shape(3, 7, 9)) { Rounds = true },
        ],
        Random = [Random],
        LongSums = [LargeWindow],
        Fitting = (draw, _, x) => new AvgPool2d(2, draw.Between(1, 2), Math.Min(x.H, x.W) < 2 ? 1 : 0, roundDown: true),
    };

    /// <summary>Describes an average pooling layer.</summary>
    /// <param name="kernelSize">F, rows and columns of the window.</param>
    /// <param name="stride">S; the kernel unless given.</param>
    /// <param name="padding">P, at most half the kernel.</param>
    /// <param name="roundDown">Whether an output size that is not whole is rounded down instead of refused.</param>
    /// <param name="countPadding">Whether the padding's zeros count in the mean.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    public AvgPool2d(Extent kernelSize, Extent? stride = null, Extent padding = default,
        bool roundDown = WindowAttributes.UsualRounding, bool countPadding = UsualCountPadding)
    {
        Window = Pooling.Window(Kind, kernelSize, stride, padding, roundDown);
        CountPadding = countPadding;
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>Kernel, stride and padding.</summary>
    public Window Window { get; }

    /// <summary>Whether the padding's zeros count in the mean.</summary>
    public bool CountPadding { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Pooling.Infer(Window, Single(inputs));

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Window.Kernel.Area;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => Window;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => Window.Explain(inputs[0]);

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
                Pooling.Patch patch = Pooling.Clip(Window, xs, ys, i);
                y[i] = Sum<T, TSum>(x, xs.W, patch) * Share<T>(patch);
            }
        });
    }

    private static TSum Sum<T, TSum>(ReadOnlySpan<T> x, int width, Pooling.Patch patch)
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
                if (Pooling.EndsBlock(Window, ys, i))
                    blocks.EndBlock();
                Pooling.Patch patch = Pooling.Clip(Window, xs, ys, i);
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

    private T Share<T>(Pooling.Patch patch) where T : unmanaged, IFloatingPointIeee754<T>
        => T.One / T.CreateChecked(CountPadding ? Window.Kernel.Area : patch.Area);

    private static LayerExample Random(RandomDraw draw)
    {
        (Extent kernel, Extent stride, Extent padding) = Pooling.RandomWindow(draw);
        var layer = new AvgPool2d(kernel, stride, padding, draw.OneIn(3), countPadding: draw.OneIn(2));
        return new("avgpool", layer, draw.Batch(),
            draw.InputFor(layer.Window, draw.Channels(), (draw.Between(1, 6), draw.Between(1, 6))));
    }

    private static LayerExample LargeWindow(RandomDraw draw)
    {
        int rows = draw.Between(150, 350);
        var layer = new AvgPool2d((rows, draw.ManyTerms() / rows + 1), stride: draw.Between(1, 3), roundDown: true);
        return new("avgpool", layer, draw.Between(1, 2),
            draw.InputFor(layer.Window, draw.Between(1, 3), (draw.Between(1, 2), draw.Between(1, 2))));
    }
}
