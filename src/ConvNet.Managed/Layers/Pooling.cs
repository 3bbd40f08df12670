namespace ConvNet;

/// <summary>What the pooling layers share: the window's limits and its clipping at the border.</summary>
internal static class Pooling
{
    /// <summary>The part of a window that lies inside the map: rows Top to Bottom − 1, columns Left to Right −
    /// 1.</summary>
    public readonly record struct Patch(int Top, int Bottom, int Left, int Right)
    {
        /// <summary>Values inside the map.</summary>
        public long Area => (long)(Bottom - Top) * (Right - Left);
    }

    /// <summary>The window of a pooling layer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range, or a window could lie on padding
    /// alone.</exception>
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

    /// <summary>Whether a block of the sums over windows ends before output <paramref name="index"/>: no value is in
    /// more of its windows than a block has terms.</summary>
    public static bool EndsBlock(Window window, Shape ys, int index)
    {
        int rows = Overlap(window.Kernel.H, window.Stride.H, ys.H),
            columns = Overlap(window.Kernel.W, window.Stride.W, ys.W);
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
        return new Patch(Math.Max(top, 0), Math.Min(top + window.Kernel.H, xs.H), Math.Max(left, 0),
            Math.Min(left + window.Kernel.W, xs.W));
    }

    /// <summary>A random window, its stride and its padding.</summary>
    public static (Extent Kernel, Extent Stride, Extent Padding) RandomWindow(RandomDraw draw)
    {
        Extent kernel = draw.OneIn(3) ? (draw.Between(1, 5), draw.Between(1, 5)) : draw.Of(2, 2, 3, 3, 4, 5);
        Extent stride = draw.OneIn(2) ? kernel : (draw.Between(1, 4), draw.Between(1, 4));
        return (kernel, stride, draw.OneIn(2) ? 0 : (draw.Between(0, kernel.H / 2), draw.Between(0, kernel.W / 2)));
    }
}
