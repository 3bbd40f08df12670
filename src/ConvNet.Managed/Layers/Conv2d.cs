using System.Numerics;

namespace ConvNet;

/// <summary>2-D convolution (cross-correlation): y[n,k,oh,ow] = b[k] + Σ_{c,r,s} w[k,c,r,s]·x[n,c,oh·S+r·D−P,ow·S+s·D−P].</summary>
/// <remarks>
/// x: N×C×H×W, w: K×(C/groups)×R×S, b: K, y: N×K×OH×OW with OH = (H − F + 2P) / S + 1 a whole number.
/// Backward: dx[n,c,h,w] = Σ w[k,c,r,s]·dy[n,k,oh,ow] over all k, r, s, oh, ow that read x[n,c,h,w];
/// dw[k,c,r,s] = Σ_{n,oh,ow} dy[n,k,oh,ow]·x[n,c,…]; db[k] = Σ_{n,oh,ow} dy[n,k,oh,ow].
/// With groups, filter k sees the channels of its own group only. Source: LeCun et al., Proc. IEEE 1998.
/// </remarks>
public sealed record Conv2d : SumLayer
{
    /// <summary>Describes a convolution.</summary>
    /// <param name="filters">K, the number of filters.</param>
    /// <param name="kernel">F, rows and columns of a filter.</param>
    /// <param name="stride">S, rows and columns from one position to the next; 1 unless given.</param>
    /// <param name="padding">P, zeros added on each side.</param>
    /// <param name="dilation">Distance between taps; 1 unless given.</param>
    /// <param name="groups">Groups of channels that do not see one another.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <param name="roundDown">Whether an output size that is not whole is rounded down instead of refused.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    /// <exception cref="ArgumentException">The filters do not divide into the groups.</exception>
    public Conv2d(int filters, Extent kernel, Extent? stride = null, Extent padding = default, Extent? dilation = null,
        int groups = 1, bool bias = true, bool roundDown = false)
    {
        if (filters < 1 || groups < 1)
        {
            throw new ArgumentOutOfRangeException(
                filters < 1 ? nameof(filters) : nameof(groups),
                $"conv: {filters} filters in {groups} groups: both start at 1.");
        }
        if (filters % groups != 0)
        {
            throw new ArgumentException(
                $"conv: {filters} filters do not divide into {groups} groups. Groups {Nearest(filters, groups)} fits.",
                nameof(groups));
        }
        Window = new Window(kernel, stride ?? 1, padding, dilation ?? 1, roundDown);
        Window.Validate(Kind);
        (Filters, Groups, Bias) = (filters, groups, bias);
    }

    /// <inheritdoc/>
    public override string Kind => "conv";

    /// <summary>K, the number of filters.</summary>
    public int Filters { get; }

    /// <summary>Kernel, stride, padding and dilation.</summary>
    public Window Window { get; }

    /// <summary>Groups of channels that do not see one another.</summary>
    public int Groups { get; }

    /// <summary>Whether a bias is added.</summary>
    public bool Bias { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        if (x.C % Groups != 0)
        {
            throw ArgumentErrors.WithAdvice(
                $"{x.C} input channels do not divide into {Groups} groups.",
                $"Groups {Nearest(Common(x.C, Filters), Groups)} fits.");
        }
        return Window.Output(x, Filters, pools: false);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        int depth = inputs[0].C / Groups;
        long area = Window.Kernel.Area;
        var weight = new ParameterSpec("weight", ParameterRole.Weight, [Filters, depth, Window.Kernel.H, Window.Kernel.W],
            depth * area, Filters / Groups * area);
        return Bias ? [weight, new ParameterSpec("bias", ParameterRole.Bias, [Filters], weight.FanIn, weight.FanOut)] : [weight];
    }

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override long MultiplyAdds(params ReadOnlySpan<Shape> inputs)
        => (long)Infer(inputs).Length * (inputs[0].C / Groups) * Window.Kernel.Area;

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => Window;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => Window.Explain(inputs[0]);

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        int depth = xs.C / Groups, area = f.W(0).Length / Filters / depth;
        RowTap[] taps = RowTaps(xs, ys);
        f.For(f.N * Filters, map =>
        {
            (int n, int k) = Math.DivRem(map, Filters);
            int firstChannel = n * xs.C + k / (Filters / Groups) * depth;
            ReadOnlySpan<T> w = f.W(0).Slice(k * depth * area, depth * area);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            var blocks = new BlockedRows<T, TSum>(y);
            for (int c = 0; c < depth; c++)
            {
                ReadOnlySpan<T> x = f.X(0).Slice((firstChannel + c) * xs.Area, xs.Area);
                foreach (RowTap tap in taps)
                {
                    if (tap.IsFirst)
                        blocks.Next();
                    Rows.AddScaled(y.Slice(tap.Output, tap.Count), x[tap.Input..], w[c * area + tap.Weight], Window.Stride.W);
                }
            }
            blocks.Complete();
            for (int i = 0; Bias && i < y.Length; i++)
                y[i] += f.W(1)[k];
        });
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        RowTap[] taps = RowTaps(f.XShape(0), f.YShape);
        if (f.WantsDX(0))
            BackwardData(f, taps);
        if (f.WantsDW(0))
            BackwardWeights(f, taps);
        if (Bias && f.WantsDW(1))
            BackwardBias(f);
    }

    private static int Common(int a, int b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }

    // The largest divisor that is not above a number of groups.
    private static int Nearest(int channels, int groups)
    {
        int nearest = 1;
        for (int small = 1; small <= channels / small; small++)
        {
            int large = channels / small;
            if (channels % small == 0)
                nearest = Math.Max(nearest, large <= groups ? large : small <= groups ? small : 1);
        }
        return nearest;
    }

    private void BackwardData<T, TSum>(Frame<T, TSum> f, RowTap[] taps)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        int depth = xs.C / Groups, area = f.W(0).Length / Filters / depth, perGroup = Filters / Groups;
        f.For(f.N * xs.C, map =>
        {
            (int n, int channel) = Math.DivRem(map, xs.C);
            (int group, int c) = Math.DivRem(channel, depth);
            Span<TSum> dx = f.DX(0).Slice(map * xs.Area, xs.Area);
            var blocks = new BlockedRows<T, TSum>(dx);
            for (int j = 0; j < perGroup; j++)
            {
                int k = group * perGroup + j;
                ReadOnlySpan<T> dy = f.DY.Slice((n * Filters + k) * ys.Area, ys.Area);
                ReadOnlySpan<T> w = f.W(0).Slice((k * depth + c) * area, area);
                foreach (RowTap tap in taps)
                {
                    if (tap.IsFirst)
                        blocks.Next();
                    Rows.ScatterScaled(dx[tap.Input..], dy.Slice(tap.Output, tap.Count), w[tap.Weight], Window.Stride.W);
                }
            }
            blocks.Complete();
        });
    }

    private void BackwardWeights<T, TSum>(Frame<T, TSum> f, RowTap[] taps)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        int depth = xs.C / Groups, area = f.DW(0).Length / Filters / depth;
        RowTap[][] rowBlocks = [.. taps.GroupBy(tap => tap.Output / ys.W / Rows.Block).Select(rows => rows.ToArray())];
        f.For(Filters * depth, slice =>
        {
            (int k, int c) = Math.DivRem(slice, depth);
            Span<TSum> dw = f.DW(0).Slice(slice * area, area);
            var blocks = new BlockedRows<T, TSum>(dw);
            for (int n = 0; n < f.N; n++)
            {
                ReadOnlySpan<T> x = f.X(0).Slice((n * xs.C + k / (Filters / Groups) * depth + c) * xs.Area, xs.Area);
                ReadOnlySpan<T> dy = f.DY.Slice((n * Filters + k) * ys.Area, ys.Area);
                foreach (RowTap[] rows in rowBlocks)
                {
                    foreach (RowTap tap in rows)
                        dw[tap.Weight] += Rows.Dot<T, TSum>(dy.Slice(tap.Output, tap.Count), x[tap.Input..], Window.Stride.W);
                    blocks.EndBlock();
                }
            }
            blocks.Complete();
        });
    }

    private void BackwardBias<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        int outputs = f.YShape.Area;
        f.For(Filters, k =>
        {
            Span<TSum> sum = f.DW(1).Slice(k, 1);
            var blocks = new BlockedRows<T, TSum>(sum);
            for (int n = 0; n < f.N; n++)
            {
                blocks.Next();
                sum[0] += Rows.Sum<T, TSum>(f.DY.Slice((n * Filters + k) * outputs, outputs));
            }
            blocks.Complete();
        });
    }

    /// <summary>One tap along one output row: output <c>Output + i</c> reads input <c>Input + i·S</c>, both within one map. The
    /// first row of a tap is marked: all its rows give a term to a sum at most once.</summary>
    private readonly record struct RowTap(int Weight, int Output, int Input, int Count, bool IsFirst);

    /// <summary>Every tap along every output row, less what falls on the padding.</summary>
    private RowTap[] RowTaps(Shape xs, Shape ys)
    {
        var taps = new List<RowTap>();
        for (int r = 0; r < Window.Kernel.H; r++)
        {
            TapRange rows = TapRange.Of(ys.H, xs.H, Window.Stride.H, r * Window.Dilation.H - Window.Padding.H);
            for (int s = 0; s < Window.Kernel.W; s++)
            {
                TapRange columns = TapRange.Of(ys.W, xs.W, Window.Stride.W, s * Window.Dilation.W - Window.Padding.W);
                for (int i = 0; i < rows.Count && columns.Count > 0; i++)
                {
                    int output = (rows.First + i) * ys.W + columns.First;
                    int input = (rows.Start + i * Window.Stride.H) * xs.W + columns.Start;
                    taps.Add(new RowTap(r * Window.Kernel.W + s, output, input, columns.Count, i == 0));
                }
            }
        }
        return [.. taps];
    }
}
