using System.Numerics;

namespace ConvNet;

/// <summary>Max pooling: y[n,c,oh,ow] = the largest x in a window; windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + 2P) / S + 1. Padding never wins. A tie goes to the first maximum in
/// row-major order of the window; of NaNs the last wins.
/// Backward: dy goes to the winner; where windows overlap, sums in blocks, in row-major order of the outputs.
/// </remarks>
public sealed record MaxPool2d : SumLayer
{
    /// <summary>Describes a max pooling layer.</summary>
    /// <param name="kernel">F, rows and columns of the window.</param>
    /// <param name="stride">S; the kernel unless given.</param>
    /// <param name="padding">P, at most half the kernel.</param>
    /// <param name="roundDown">Whether an output size that is not whole is rounded down instead of refused.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    public MaxPool2d(Extent kernel, Extent? stride = null, Extent padding = default, bool roundDown = false)
    {
        Window = Pooling.Window(Kind, kernel, stride, padding, roundDown);
    }

    /// <inheritdoc/>
    public override string Kind => "maxpool";

    /// <summary>Kernel, stride and padding.</summary>
    public Window Window { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Pooling.Infer(Window, Single(inputs));

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

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
                y[i] = TSum.Of(x[Winner(x, xs, Pooling.Clip(Window, xs, ys, i))]);
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
                if (Pooling.EndsBlock(Window, ys, i))
                    blocks.EndBlock();
                dx[Winner(x, xs, Pooling.Clip(Window, xs, ys, i))] += dy[i];
            }
            blocks.Complete();
        });
    }

    private static int Winner<T>(ReadOnlySpan<T> x, Shape xs, Pooling.Patch patch)
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
}

/// <summary>Average pooling: y[n,c,oh,ow] = the mean of x in a window; windows are clipped at the border.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×OH×OW with OH = (H − F + 2P) / S + 1. The divisor is F·F, or with
/// <see cref="CountPadding"/> off the number of values inside the map. Backward: every x of the window gets dy / divisor.
/// </remarks>
public sealed record AvgPool2d : SumLayer
{
    /// <summary>Describes an average pooling layer.</summary>
    /// <param name="kernel">F, rows and columns of the window.</param>
    /// <param name="stride">S; the kernel unless given.</param>
    /// <param name="padding">P, at most half the kernel.</param>
    /// <param name="roundDown">Whether an output size that is not whole is rounded down instead of refused.</param>
    /// <param name="countPadding">Whether the padding's zeros count in the mean.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    public AvgPool2d(Extent kernel, Extent? stride = null, Extent padding = default, bool roundDown = false, bool countPadding = true)
    {
        Window = Pooling.Window(Kind, kernel, stride, padding, roundDown);
        CountPadding = countPadding;
    }

    /// <inheritdoc/>
    public override string Kind => "avgpool";

    /// <summary>Kernel, stride and padding.</summary>
    public Window Window { get; }

    /// <summary>Whether the padding's zeros count in the mean.</summary>
    public bool CountPadding { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Pooling.Infer(Window, Single(inputs));

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
            return Sum<T, TSum>(x, width, patch with { Bottom = half }) + Sum<T, TSum>(x, width, patch with { Top = half });
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
}

/// <summary>Global average pooling: y[n,c] = the mean of x[n,c] over the whole map.</summary>
/// <remarks>x: N×C×H×W, y: N×C×1×1. Backward: dx = dy / (H·W). Source: Lin, Chen and Yan, ICLR 2014.</remarks>
public sealed record GlobalAvgPool2d : SumLayer
{
    /// <inheritdoc/>
    public override string Kind => "gap";

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Shape.Vector(Single(inputs).C);

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window((inputs[0].H, inputs[0].W), 1, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => $"mean of {inputs[0].H}×{inputs[0].W}";

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        int area = f.XShape(0).Area;
        T share = T.One / T.CreateChecked(area);
        f.For(f.N * f.XShape(0).C, map => f.Y[map] = Rows.Sum<T, TSum>(f.X(0).Slice(map * area, area)) * share);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (!f.WantsDX(0))
            return;
        int area = f.XShape(0).Area;
        T share = T.One / T.CreateChecked(area);
        f.For(f.N * f.XShape(0).C, map => f.DX(0).Slice(map * area, area).Fill(TSum.Of(f.DY[map]) * share));
    }
}

/// <summary>What the pooling layers share: the window's limits and its clipping at the border.</summary>
internal static class Pooling
{
    /// <summary>The part of a window that lies inside the map: rows Top to Bottom − 1, columns Left to Right − 1.</summary>
    public readonly record struct Patch(int Top, int Bottom, int Left, int Right)
    {
        /// <summary>Values inside the map.</summary>
        public long Area => (long)(Bottom - Top) * (Right - Left);
    }

    /// <summary>The window of a pooling layer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range, or a window could lie on padding alone.</exception>
    public static Window Window(string kind, Extent kernel, Extent? stride, Extent padding, bool roundDown)
    {
        var window = new Window(kernel, stride ?? kernel, padding, 1, roundDown);
        window.Validate(kind);
        if (!window.PadsAtMostHalf)
        {
            throw new ArgumentOutOfRangeException(
                nameof(padding),
                $"{kind}: padding {padding} is more than half of the {kernel} window, "
                + "which could then see padding alone. "
                + $"Padding {new Extent(kernel.H / 2, kernel.W / 2)} or less fits.");
        }
        return window;
    }

    /// <summary>The shape of the output.</summary>
    public static Shape Infer(Window window, Shape x) => window.Output(x, x.C, pools: true);

    /// <summary>Whether a block of the sums over windows ends before output <paramref name="index"/>: no value is in more of its
    /// windows than a block has terms.</summary>
    public static bool EndsBlock(Window window, Shape ys, int index)
    {
        int rows = Overlap(window.Kernel.H, window.Stride.H, ys.H), columns = Overlap(window.Kernel.W, window.Stride.W, ys.W);
        if (index == 0 || (long)rows * columns <= Rows.Block)
            return false;
        return index % (columns < Rows.Block ? Rows.Block / columns * ys.W : Rows.Block) == 0;
    }

    // Windows that one row or column of the input is in, at most.
    private static int Overlap(int kernel, int stride, int windows) => Math.Min(windows, (kernel - 1) / stride + 1);

    /// <summary>The window of output <paramref name="index"/> of a map, clipped to the input.</summary>
    public static Patch Clip(Window window, Shape xs, Shape ys, int index)
    {
        (int oh, int ow) = Math.DivRem(index, ys.W);
        int top = oh * window.Stride.H - window.Padding.H, left = ow * window.Stride.W - window.Padding.W;
        return new Patch(Math.Max(top, 0), Math.Min(top + window.Kernel.H, xs.H), Math.Max(left, 0), Math.Min(left + window.Kernel.W, xs.W));
    }
}
