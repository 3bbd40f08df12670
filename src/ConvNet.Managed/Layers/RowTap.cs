using System.Numerics;

namespace ConvNet;

/// <summary>
/// One tap of a window along one output row: output <c>Output + i</c> reads input <c>Input + i·S</c>, both within one
/// map. The first row of a tap is marked: all its rows give a term to a sum at most once.
/// </summary>
/// <param name="Weight">The tap's place in the window, row by row.</param>
/// <param name="Output">The first output.</param>
/// <param name="Input">The input that it reads.</param>
/// <param name="Count">The outputs in the row.</param>
/// <param name="IsFirst">Whether it is the tap's first row.</param>
internal readonly record struct RowTap(int Weight, int Output, int Input, int Count, bool IsFirst)
{
    /// <summary>Every tap along every output row, less what falls on the padding.</summary>
    /// <param name="window">The window.</param>
    /// <param name="xs">The map that it slides over.</param>
    /// <param name="ys">The map of its positions.</param>
    public static RowTap[] All(Window window, Shape xs, Shape ys)
    {
        var taps = new List<RowTap>();
        for (int r = 0; r < window.Kernel.H; r++)
        {
            int top = r * window.Dilation.H - window.Padding.H;
            TapRange rows = TapRange.Of(ys.H, xs.H, window.Stride.H, top);
            for (int s = 0; s < window.Kernel.W; s++)
            {
                int left = s * window.Dilation.W - window.Padding.W;
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

/// <summary>The gradient of a bias: db[k] = Σ dy over samples and positions, in blocks.</summary>
internal static class ChannelSums
{
    /// <summary>Sums the output's gradient per channel.</summary>
    /// <param name="f">The frame of the backward pass.</param>
    public static void Write<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        int channels = f.YShape.C, area = f.YShape.Area;
        f.For(channels, k =>
        {
            Span<TSum> sum = f.DW(1).Slice(k, 1);
            var blocks = new BlockedRows<T, TSum>(sum);
            for (int n = 0; n < f.N; n++)
            {
                blocks.Next();
                sum[0] += Rows.Sum<T, TSum>(f.DY.Slice((n * channels + k) * area, area));
            }
            blocks.Complete();
        });
    }
}
