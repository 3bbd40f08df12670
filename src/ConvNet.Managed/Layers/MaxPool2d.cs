using System.Numerics;

namespace ConvNet;

/// <summary>Max pooling: y[n,c,oh,ow] is the largest x in a window. Windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + P) / S + 1, where P is the sum of the padding on both sides. Padding is
/// never the maximum. Ties go to the first maximum in row-major order of the window; of several NaNs, the last is
/// taken. Backward: dy goes to the maximum. Where windows overlap, gradients are summed in blocks, in row-major output
/// order.
/// </remarks>
public sealed record MaxPool2d : Pool2d
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("maxpool", "largest value of a window",
        [WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding, WindowAttributes.Rounding],
        values => new MaxPool2d(values.Get(WindowAttributes.Kernel), values.Find(WindowAttributes.Stride),
            values.Get(WindowAttributes.Padding), values.Get(WindowAttributes.Rounding)))
    {
        Examples =
        [
            new("maxpool 3×3", new MaxPool2d(3, stride: 2), 2, new Shape(3, 7, 9)),
            new("maxpool rounded up", new MaxPool2d(3, 2, (0, 1, 1, 0), Rounding.Ceiling), 2, new Shape(17, 7, 8)),
        ],
        Random = [Random],
        Fitting = (draw, _, x) => new MaxPool2d(2, draw.Between(1, 2), Math.Min(x.H, x.W) < 2 ? 1 : 0,
            draw.Of(Rounding.Floor, Rounding.Ceiling)),
    };

    /// <summary>Describes a max pooling layer.</summary>
    /// <param name="kernelSize">F, the rows and columns of the window.</param>
    /// <param name="stride">S, the stride; defaults to the kernel size.</param>
    /// <param name="padding">P, at most half the kernel size: one number; rows and columns; or top, left, bottom and
    /// right.</param>
    /// <param name="rounding">How a fractional output size is handled.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    public MaxPool2d(Extent kernelSize, Extent? stride = null, Padding padding = default,
        Rounding rounding = ConvNet.WindowAttributes.UsualRounding)
        : base(kernelSize, stride, padding, rounding)
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    /// <remarks>The margin is the difference between the largest and the second-largest value of a window.</remarks>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
    {
        Shape xs = inputs[0], ys = Infer(xs);
        for (int map = 0; map < x[0].Length / xs.Area; map++)
        {
            for (int i = 0; i < ys.Area; i++)
                yield return new Kink(Lead(x[0].AsSpan(map * xs.Area, xs.Area), xs, Clip(xs, ys, i)),
                    Values: 2);
        }
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
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(map * xs.Area, xs.Area);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            for (int i = 0; i < y.Length; i++)
                y[i] = TSum.Of(x[Winner(x, xs, Clip(xs, ys, i))]);
        });
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (!f.WantsDX(0))
            return;
        Shape xs = f.XShape(0), ys = f.YShape;
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(map * xs.Area, xs.Area), dy = f.DY.Slice(map * ys.Area, ys.Area);
            Span<TSum> dx = f.DX(0).Slice(map * xs.Area, xs.Area);
            var blocks = new BlockedRows<T, TSum>(dx);
            for (int i = 0; i < dy.Length; i++)
            {
                if (EndsBlock(ys, i))
                    blocks.EndBlock();
                dx[Winner(x, xs, Clip(xs, ys, i))] += dy[i];
            }
            blocks.Complete();
        });
    }

    private static int Winner<T>(ReadOnlySpan<T> x, Shape xs, Patch patch)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        int winner = patch.Top * xs.W + patch.Left;
        for (int h = patch.Top; h < patch.Bottom; h++)
        {
            for (int w = patch.Left; w < patch.Right; w++)
            {
                T value = x[h * xs.W + w];
                if (value > x[winner] || T.IsNaN(value))
                    winner = h * xs.W + w;
            }
        }
        return winner;
    }

    private static double Lead(ReadOnlySpan<double> x, Shape xs, Patch patch)
    {
        double first = double.NegativeInfinity, second = double.NegativeInfinity;
        for (int h = patch.Top; h < patch.Bottom; h++)
        {
            foreach (double value in x[(h * xs.W + patch.Left)..(h * xs.W + patch.Right)])
                (first, second) = value > first ? (value, first) : (first, Math.Max(second, value));
        }
        return first - second;
    }

    private static LayerExample Random(RandomDraw draw)
    {
        (Extent kernel, Extent stride, Padding padding, Rounding rounding) = RandomWindow(draw);
        var layer = new MaxPool2d(kernel, stride, padding, rounding);
        return new("maxpool", layer, draw.Batch(),
            draw.InputFor(layer.Window, draw.Channels(), (draw.Between(1, 6), draw.Between(1, 6))));
    }
}
