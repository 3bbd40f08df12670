using System.Numerics;

namespace ConvNet;

/// <summary>Returns values of a frame. A delegate is used because a span cannot be stored.</summary>
internal delegate ReadOnlySpan<T> Source<T>();

/// <summary>Returns the sums of a frame.</summary>
internal delegate Span<TSum> Target<TSum>();

/// <summary>
/// The three passes of a convolution between a wide map x with C channels and a narrow map y with K channels, computed
/// in sums. A transposed convolution is the same with input and output exchanged.
/// </summary>
/// <remarks>
/// Output row oh and tap row r meet in the wide map at row h = oh·S − P + r·D, and likewise in the columns, where S is
/// the stride, P the padding at the top or on the left, and D the dilation. Rows and columns outside the map are zero.
/// With d from 0 to C / groups − 1, filter k reads the channels c = group·(C / groups) + d of its group. The loop over
/// the columns ow is a row operation of <see cref="Rows"/>.
/// </remarks>
/// <param name="f">The frame.</param>
/// <param name="layer">The layer, which gives window and groups.</param>
/// <param name="wide">The shape of the map that the window slides over.</param>
/// <param name="narrow">The shape of the map of window positions.</param>
internal sealed class ConvolutionSums<T, TSum>(Frame<T, TSum> f, Convolution2d layer, Shape wide, Shape narrow)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSum : unmanaged, ISum<T, TSum>
{
    private readonly Extent _kernel = layer.Window.Kernel, _stride = layer.Window.Stride,
        _dilation = layer.Window.Dilation;

    private readonly int _depth = wide.C / layer.Groups, _perGroup = narrow.C / layer.Groups,
        _area = (int)layer.Window.Kernel.Area, _top = layer.Window.Padding.Top;

    private readonly TapRange[] _rows = Inside(layer.Window.Kernel.H, r => TapRange.Of(narrow.H, wide.H,
        layer.Window.Stride.H, r * layer.Window.Dilation.H - layer.Window.Padding.Top)),
        _columns = Inside(layer.Window.Kernel.W, s => TapRange.Of(narrow.W, wide.W,
        layer.Window.Stride.W, s * layer.Window.Dilation.W - layer.Window.Padding.Left));

    /// <summary>y[n,k,oh,ow] = Σ_{d,r,s} w[k,d,r,s]·x[n,c,h,w], plus b[k] if there is a bias.</summary>
    public void Gather(Source<T> x, Target<TSum> y, bool bias) => f.For(f.N * narrow.C, map =>
    {
        (Shape xs, Shape ys, int top) = (wide, narrow, _top);
        (Extent kernel, Extent stride, Extent dilation) = (_kernel, _stride, _dilation);
        (int n, int k) = Math.DivRem(map, narrow.C);
        Span<TSum> sums = y().Slice(map * narrow.Area, narrow.Area);
        var blocks = new BlockedRows<T, TSum>(sums);
        for (int d = 0; d < _depth; d++)
        {
            ReadOnlySpan<T> values = Plane(x, wide, n, k / _perGroup * _depth + d), w = Filter(k, d);
            for (int r = 0; r < kernel.H; r++)
            {
                for (int s = 0; s < kernel.W; s++)
                {
                    (int ow, int count, int first) = _columns[s];
                    if (_rows[r].Count == 0 || count == 0)
                        continue;       // the tap reads only padding
                    blocks.Next();
                    T weight = w[r * kernel.W + s];
                    for (int oh = 0; oh < ys.H; oh++)
                    {
                        int h = oh * stride.H - top + r * dilation.H;
                        if (h >= 0 && h < xs.H)
                            Rows.AddScaled(sums.Slice(oh * ys.W + ow, count), values[(h * xs.W + first)..], weight,
                                stride.W);
                    }
                }
            }
        }
        blocks.Complete();
        if (bias)
            AddBias(sums, k);
    });

    /// <summary>x[n,c,h,w] = Σ w[k,d,r,s]·y[n,k,oh,ow] over all k, oh, ow, r, s that meet at h, w, plus b[c] if there
    /// is a bias.</summary>
    public void Scatter(Source<T> y, Target<TSum> x, bool bias) => f.For(f.N * wide.C, map =>
    {
        (Shape xs, Shape ys, int top) = (wide, narrow, _top);
        (Extent kernel, Extent stride, Extent dilation) = (_kernel, _stride, _dilation);
        (int n, int c) = Math.DivRem(map, wide.C);
        (int group, int d) = Math.DivRem(c, _depth);
        Span<TSum> sums = x().Slice(map * wide.Area, wide.Area);
        var blocks = new BlockedRows<T, TSum>(sums);
        for (int k = group * _perGroup; k < (group + 1) * _perGroup; k++)
        {
            ReadOnlySpan<T> values = Plane(y, narrow, n, k), w = Filter(k, d);
            for (int r = 0; r < kernel.H; r++)
            {
                for (int s = 0; s < kernel.W; s++)
                {
                    (int ow, int count, int first) = _columns[s];
                    if (_rows[r].Count == 0 || count == 0)
                        continue;
                    blocks.Next();
                    T weight = w[r * kernel.W + s];
                    for (int oh = 0; oh < ys.H; oh++)
                    {
                        int h = oh * stride.H - top + r * dilation.H;
                        if (h >= 0 && h < xs.H)
                            Rows.ScatterScaled(sums[(h * xs.W + first)..], values.Slice(oh * ys.W + ow, count), weight,
                                stride.W);
                    }
                }
            }
        }
        blocks.Complete();
        if (bias)
            AddBias(sums, c);
    });

    /// <summary>dw[k,d,r,s] = Σ_{n,oh,ow} y[n,k,oh,ow]·x[n,c,h,w], summed in blocks of rows.</summary>
    public void Correlate(Source<T> y, Source<T> x) => f.For(narrow.C * _depth, slice =>
    {
        (Shape xs, Shape ys, int top) = (wide, narrow, _top);
        (Extent kernel, Extent stride, Extent dilation) = (_kernel, _stride, _dilation);
        (int k, int d) = Math.DivRem(slice, _depth);
        Span<TSum> dw = f.DW(0).Slice(slice * _area, _area);
        var blocks = new BlockedRows<T, TSum>(dw);
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<T> from = Plane(y, narrow, n, k), to = Plane(x, wide, n, k / _perGroup * _depth + d);
            for (int block = 0; block < ys.H; block += Rows.Block)
            {
                int end = Math.Min(block + Rows.Block, ys.H);
                for (int r = 0; r < kernel.H; r++)
                {
                    for (int s = 0; s < kernel.W; s++)
                    {
                        (int ow, int count, int first) = _columns[s];
                        if (count == 0)
                            continue;
                        ref TSum sum = ref dw[r * kernel.W + s];
                        for (int oh = block; oh < end; oh++)
                        {
                            int h = oh * stride.H - top + r * dilation.H;
                            if (h >= 0 && h < xs.H)
                                sum += Rows.Dot<T, TSum>(from.Slice(oh * ys.W + ow, count), to[(h * xs.W + first)..],
                                    stride.W);
                        }
                    }
                }
                blocks.EndBlock();
            }
        }
        blocks.Complete();
    });

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

    // The output rows or columns for which a tap lies inside the wide map, for every tap along one side of the kernel.
    private static TapRange[] Inside(int taps, Func<int, TapRange> range)
        => [.. Enumerable.Range(0, taps).Select(range)];
}
