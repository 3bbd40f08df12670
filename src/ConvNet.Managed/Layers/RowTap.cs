namespace ConvNet;

/// <summary>
/// One tap of a window along one output row: output <c>Output + i</c> reads input <c>Input + i·S</c>, both within one
/// map. The first row of each tap is marked. The rows of one tap add at most one term to each sum.
/// </summary>
/// <param name="Weight">The index of the tap in the window, in row-major order.</param>
/// <param name="Output">The index of the first output.</param>
/// <param name="Input">The index of the input that the first output reads.</param>
/// <param name="Count">The number of outputs in the row.</param>
/// <param name="IsFirst">Whether this is the first row of the tap.</param>
internal readonly record struct RowTap(int Weight, int Output, int Input, int Count, bool IsFirst)
{
    /// <summary>Returns every tap along every output row, without the positions on the padding.</summary>
    /// <param name="window">The window.</param>
    /// <param name="xs">The shape of the map that the window slides over.</param>
    /// <param name="ys">The shape of the map of window positions.</param>
    public static RowTap[] All(Window window, Shape xs, Shape ys)
    {
        var taps = new List<RowTap>();
        for (int r = 0; r < window.Kernel.H; r++)
        {
            int top = r * window.Dilation.H - window.Padding.Top;
            TapRange rows = TapRange.Of(ys.H, xs.H, window.Stride.H, top);
            for (int s = 0; s < window.Kernel.W; s++)
            {
                int left = s * window.Dilation.W - window.Padding.Left;
                TapRange columns = TapRange.Of(ys.W, xs.W, window.Stride.W, left);
                for (int i = 0; i < rows.Count && columns.Count > 0; i++)
                {
                    int output = (rows.First + i) * ys.W + columns.First;
                    int input = (rows.Start + i * window.Stride.H) * xs.W + columns.Start;
                    taps.Add(new RowTap(r * window.Kernel.W + s, output, input, columns.Count, i == 0));
                }
            }
        }
        return [.. taps];
    }
}
