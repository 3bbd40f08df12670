using System.Numerics;

namespace ConvNet;

/// <summary>Selects the largest value of each window of a map. Pooling layers with different windows share
/// it.</summary>
/// <remarks>Ties go to the first maximum in row-major order of the window; of several NaNs, the last is
/// taken.</remarks>
internal static class WindowMaxima
{
    /// <summary>Computes y, the maxima.</summary>
    /// <param name="f">The frame of the layer.</param>
    /// <param name="patchOf">Returns the window of an output of a map.</param>
    public static void Forward<T, TSum>(Frame<T, TSum> f, Func<int, Patch> patchOf)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        f.For(f.N * xs.C, map =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(map * xs.Area, xs.Area);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            for (int i = 0; i < y.Length; i++)
                y[i] = TSum.Of(x[Winner(x, xs, patchOf(i))]);
        });
    }

    /// <summary>Adds dy to dx at each maximum.</summary>
    /// <param name="f">The frame of the layer.</param>
    /// <param name="patchOf">Returns the window of an output of a map.</param>
    /// <param name="endsBlock">Returns whether a block of the sums ends before an output.</param>
    public static void Backward<T, TSum>(Frame<T, TSum> f, Func<int, Patch> patchOf, Func<int, bool> endsBlock)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
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
                if (endsBlock(i))
                    blocks.EndBlock();
                dx[Winner(x, xs, patchOf(i))] += dy[i];
            }
            blocks.Complete();
        });
    }

    /// <summary>Returns the kinks of all outputs. The margin is the difference between the largest and the
    /// second-largest value of a window.</summary>
    public static IEnumerable<Kink> Kinks(double[] x, Shape xs, Shape ys, Func<int, Patch> patchOf)
    {
        for (int map = 0; map < x.Length / xs.Area; map++)
        {
            for (int i = 0; i < ys.Area; i++)
                yield return new Kink(Lead(x.AsSpan(map * xs.Area, xs.Area), xs, patchOf(i)), Values: 2);
        }
    }

    private static int Winner<T>(ReadOnlySpan<T> x, Shape xs, Patch patch)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        int winner = patch.Top * xs.W + patch.Left;
        for (int h = patch.Top; h < patch.Bottom; h += patch.Step.H)
        {
            for (int w = patch.Left; w < patch.Right; w += patch.Step.W)
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
        for (int h = patch.Top; h < patch.Bottom; h += patch.Step.H)
        {
            for (int w = patch.Left; w < patch.Right; w += patch.Step.W)
            {
                double value = x[h * xs.W + w];
                (first, second) = value > first ? (value, first) : (first, Math.Max(second, value));
            }
        }
        return first - second;
    }
}
