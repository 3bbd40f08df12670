using System.Numerics;

namespace ConvNet;

/// <summary>Returns values of a frame. A delegate is used because a span cannot be stored.</summary>
internal delegate ReadOnlySpan<T> Source<T>();

/// <summary>Returns the sums of a frame.</summary>
internal delegate Span<TSum> Target<TSum>();

/// <summary>
/// The three passes of a convolution between a wide map with C channels and a narrow map with K channels, computed in
/// sums. A transposed convolution is the same with input and output exchanged.
/// </summary>
/// <remarks>
/// With D = C / groups, filter k reads the channels c = group·D + d of its group. i is a position in the narrow map, r
/// is a tap, and i·S + r is the position in the wide map that the tap reads.
/// </remarks>
/// <param name="f">The frame.</param>
/// <param name="layer">The layer, which gives window and groups.</param>
/// <param name="wide">The shape of the map that the window slides over.</param>
/// <param name="narrow">The shape of the map of window positions.</param>
internal sealed class ConvolutionSums<T, TSum>(Frame<T, TSum> f, Convolution2d layer, Shape wide, Shape narrow)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSum : unmanaged, ISum<T, TSum>
{
    private readonly int _depth = wide.C / layer.Groups, _perGroup = narrow.C / layer.Groups,
        _area = (int)layer.Window.Kernel.Area, _stride = layer.Window.Stride.W;

    private readonly RowTap[] _taps = RowTap.All(layer.Window, wide, narrow);

    /// <summary>y[n,k,i] = Σ_{d,r} w[k,d,r]·x[n,c,i·S + r], plus b[k] if there is a bias.</summary>
    public void Gather(Source<T> x, Target<TSum> y, bool bias) => f.For(f.N * narrow.C, map =>
    {
        (int n, int k) = Math.DivRem(map, narrow.C);
        Span<TSum> sums = y().Slice(map * narrow.Area, narrow.Area);
        var blocks = new BlockedRows<T, TSum>(sums);
        for (int d = 0; d < _depth; d++)
        {
            ReadOnlySpan<T> values = Plane(x, wide, n, k / _perGroup * _depth + d), w = Filter(k, d);
            foreach (RowTap tap in _taps)
            {
                if (tap.IsFirst)
                    blocks.Next();
                Rows.AddScaled(sums.Slice(tap.Output, tap.Count), values[tap.Input..], w[tap.Weight], _stride);
            }
        }
        blocks.Complete();
        if (bias)
            AddBias(sums, k);
    });

    /// <summary>x[n,c,i·S + r] = Σ w[k,d,r]·y[n,k,i] over all k, i, r that map to this position, plus b[c] if there is
    /// a bias.</summary>
    public void Scatter(Source<T> y, Target<TSum> x, bool bias) => f.For(f.N * wide.C, map =>
    {
        (int n, int c) = Math.DivRem(map, wide.C);
        (int group, int d) = Math.DivRem(c, _depth);
        Span<TSum> sums = x().Slice(map * wide.Area, wide.Area);
        var blocks = new BlockedRows<T, TSum>(sums);
        for (int k = group * _perGroup; k < (group + 1) * _perGroup; k++)
        {
            ReadOnlySpan<T> values = Plane(y, narrow, n, k), w = Filter(k, d);
            foreach (RowTap tap in _taps)
            {
                if (tap.IsFirst)
                    blocks.Next();
                Rows.ScatterScaled(sums[tap.Input..], values.Slice(tap.Output, tap.Count), w[tap.Weight], _stride);
            }
        }
        blocks.Complete();
        if (bias)
            AddBias(sums, c);
    });

    /// <summary>dw[k,d,r] = Σ_{n,i} y[n,k,i]·x[n,c,i·S + r].</summary>
    public void Correlate(Source<T> y, Source<T> x)
    {
        RowTap[][] rowBlocks
            = [.. _taps.GroupBy(tap => tap.Output / narrow.W / Rows.Block).Select(rows => rows.ToArray())];
        f.For(narrow.C * _depth, slice =>
        {
            (int k, int d) = Math.DivRem(slice, _depth);
            Span<TSum> dw = f.DW(0).Slice(slice * _area, _area);
            var blocks = new BlockedRows<T, TSum>(dw);
            for (int n = 0; n < f.N; n++)
            {
                ReadOnlySpan<T> from = Plane(y, narrow, n, k), to = Plane(x, wide, n, k / _perGroup * _depth + d);
                foreach (RowTap[] rows in rowBlocks)
                {
                    foreach (RowTap tap in rows)
                    {
                        dw[tap.Weight] += Rows.Dot<T, TSum>(from.Slice(tap.Output, tap.Count), to[tap.Input..],
                            _stride);
                    }
                    blocks.EndBlock();
                }
            }
            blocks.Complete();
        });
    }

    /// <summary>db[k] = Σ dy over samples and positions, summed in blocks.</summary>
    public void BiasGradient()
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

    private void AddBias(Span<TSum> sums, int channel)
    {
        foreach (ref TSum sum in sums)
            sum += f.W(1)[channel];
    }

    private ReadOnlySpan<T> Filter(int k, int d) => f.W(0).Slice((k * _depth + d) * _area, _area);

    private static ReadOnlySpan<T> Plane(Source<T> values, Shape shape, int n, int channel)
        => values().Slice((n * shape.C + channel) * shape.Area, shape.Area);
}
