namespace ConvNet;

/// <summary>Base class of the pooling layers: a window that is clipped at the border of the map.</summary>
public abstract record Pool2d : SumLayer
{
    private protected Pool2d(Extent kernelSize, Extent? stride, Padding padding, Rounding rounding,
        Extent? dilation = null)
    {
        Window = new Window(kernelSize, stride ?? kernelSize, padding, dilation ?? 1,
            WindowAttributes.Rounding.Check(Kind, rounding));
        Window.Validate(Kind);
        if (!Window.PadsAtMostHalf)
        {
            throw new ArgumentOutOfRangeException(
                nameof(padding),
                $"{Kind}: padding {padding} is more than half of the {Window.Reach} window, "
                + "so a window could contain only padding. "
                + $"Padding of at most {new Extent(Window.Reach.H / 2, Window.Reach.W / 2)} fits.");
        }
    }

    /// <summary>Kernel, stride, padding and dilation.</summary>
    public Window Window { get; }

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return Window.Output(x, x.C, pools: true);
    }

    /// <inheritdoc/>
    public sealed override Window? Sees(params ReadOnlySpan<Shape> inputs) => Window;

    /// <inheritdoc/>
    public sealed override string Explain(params ReadOnlySpan<Shape> inputs) => Window.Explain(inputs[0]);

    private protected static WindowAttributes WindowAttributes { get; }
        = ConvNet.WindowAttributes.Of<Pool2d>(layer => layer.Window, null, pools: true);

    /// <summary>Returns the window of output <paramref name="index"/> of a map, clipped to the input.</summary>
    private protected Patch Clip(Shape xs, Shape ys, int index)
    {
        (int oh, int ow) = Math.DivRem(index, ys.W);
        int top = oh * Window.Stride.H - Window.Padding.Top, left = ow * Window.Stride.W - Window.Padding.Left;
        int bottom = top + Window.Reach.H, right = left + Window.Reach.W;
        return new Patch(FirstTap(top, Window.Dilation.H), Math.Min(bottom, xs.H), FirstTap(left, Window.Dilation.W),
            Math.Min(right, xs.W))
        {
            Step = Window.Dilation,
            Padded = (Math.Min(bottom, (long)xs.H + Window.Padding.Bottom) - top)
                * (Math.Min(right, (long)xs.W + Window.Padding.Right) - left)
        };
    }

    /// <summary>Returns whether a block of the sums over windows ends before output <paramref name="index"/>. Within a
    /// block, no value is in more windows than a block has terms.</summary>
    private protected bool EndsBlock(Shape ys, int index)
    {
        return EndsBlock(ys, index, Overlap(Window.Reach.H, Window.Stride.H, ys.H),
            Overlap(Window.Reach.W, Window.Stride.W, ys.W));
    }

    /// <summary>Returns whether a block of the sums over windows ends before output <paramref name="index"/>, given the
    /// largest number of windows with a common row and with a common column.</summary>
    internal static bool EndsBlock(Shape ys, int index, int rows, int columns)
    {
        if (index == 0 || (long)rows * columns <= Rows.Block)
            return false;
        return index % (columns < Rows.Block ? Rows.Block / columns * ys.W : Rows.Block) == 0;
    }

    /// <summary>Draws a random window: kernel, stride, padding and rounding.</summary>
    private protected static (Extent Kernel, Extent Stride, Padding Padding, Rounding Rounding) RandomWindow(
        RandomDraw draw)
    {
        Extent kernel = draw.OneIn(3) ? (draw.Between(1, 5), draw.Between(1, 5)) : draw.Of(2, 2, 3, 3, 4, 5);
        Extent stride = draw.OneIn(2) ? kernel : (draw.Between(1, 4), draw.Between(1, 4));
        Padding padding = draw.OneIn(2) ? 0 : draw.Padding((kernel.H / 2, kernel.W / 2));
        return (kernel, stride, padding, draw.Of(Rounding.Exact, Rounding.Floor, Rounding.Ceiling));
    }

    // The maximum number of windows that contain the same row or column of the input.
    private static int Overlap(int reach, int stride, int windows) => Math.Min(windows, (reach - 1) / stride + 1);

    // The first tap inside the map of a window that begins at a given position.
    private static int FirstTap(int start, int dilation)
        => start >= 0 ? start : start + (-start + dilation - 1) / dilation * dilation;
}
