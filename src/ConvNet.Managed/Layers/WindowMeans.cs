using System.Numerics;

namespace ConvNet;

/// <summary>Computes the mean of each window of a map. Pooling layers with different windows share it.</summary>
internal static class WindowMeans
{
    /// <summary>Computes y, the sums over the windows divided by their divisors.</summary>
    /// <param name="f">The frame of the layer.</param>
    /// <param name="patchOf">Returns the window of an output of a map.</param>
    /// <param name="divisorOf">Returns the divisor of a window.</param>
    public static void Forward<T, TSum>(Frame<T, TSum> f, Func<int, Patch> patchOf, Func<Patch, long> divisorOf)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(map * xs.Area, xs.Area);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            for (int i = 0; i < y.Length; i++)
            {
                Patch patch = patchOf(i);
                y[i] = Sum<T, TSum>(x, xs.W, patch) * (T.One / T.CreateChecked(divisorOf(patch)));
            }
        });
    }

    /// <summary>Adds dy / divisor to every dx of each window.</summary>
    /// <param name="f">The frame of the layer.</param>
    /// <param name="patchOf">Returns the window of an output of a map.</param>
    /// <param name="divisorOf">Returns the divisor of a window.</param>
    /// <param name="endsBlock">Returns whether a block of the sums ends before an output.</param>
    public static void Backward<T, TSum>(Frame<T, TSum> f, Func<int, Patch> patchOf, Func<Patch, long> divisorOf,
        Func<int, bool> endsBlock)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
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
                if (endsBlock(i))
                    blocks.EndBlock();
                Patch patch = patchOf(i);
                T share = dy[i] * (T.One / T.CreateChecked(divisorOf(patch)));
                for (int h = patch.Top; h < patch.Bottom; h++)
                {
                    for (int w = patch.Left; w < patch.Right; w++)
                        dx[h * xs.W + w] += share;
                }
            }
            blocks.Complete();
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
}
