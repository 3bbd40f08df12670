using System.Numerics;

namespace ConvNet;

/// <summary>2-D convolution (cross-correlation): y[n,k,oh,ow] = b[k] + Σ_{c,r,s}
/// w[k,c,r,s]·x[n,c,oh·S+r·D−P,ow·S+s·D−P].</summary>
/// <remarks>
/// x: N×C×H×W, w: K×(C/groups)×R×S, b: K, y: N×K×OH×OW with OH = (H − F + 2P) / S + 1 a whole number.
/// Backward: dx[n,c,h,w] = Σ w[k,c,r,s]·dy[n,k,oh,ow] over all k, r, s, oh, ow that read x[n,c,h,w];
/// dw[k,c,r,s] = Σ_{n,oh,ow} dy[n,k,oh,ow]·x[n,c,…]; db[k] = Σ_{n,oh,ow} dy[n,k,oh,ow].
/// With groups, filter k sees the channels of its own group only. Source: LeCun et al., Proc. IEEE 1998.
/// </remarks>
public sealed record Conv2d : SumLayer
{
    private const int UsualGroups = 1;
    private const bool UsualBias = true;

    private static readonly WindowAttributes s_window = WindowAttributes.Of<Conv2d>(layer => layer.Window, (Extent)1);

    private static readonly AttributeDeclaration<int>
        s_outChannels = AttributeDeclaration.Integer<Conv2d>("outChannels", layer => layer.OutChannels,
            role: AttributeRole.Channels, multipleOf: layer => layer.Groups, formerName: "filters"),
        s_groups = AttributeDeclaration.Integer<Conv2d>("groups", layer => layer.Groups, UsualGroups,
            role: AttributeRole.Groups);

    private static readonly AttributeDeclaration<Extent> s_dilation = AttributeDeclaration.Size<Conv2d>("dilation",
        layer => layer.Window.Dilation, 1, Limits.Window, (Extent)1, role: AttributeRole.Dilation);

    private static readonly AttributeDeclaration<bool> s_bias
        = AttributeDeclaration.Flag<Conv2d>("bias", layer => layer.Bias, UsualBias);

    /// <summary>The layer as files and checks know it.</summary>
    public static LayerDeclaration Declared { get; } = new("conv", "2-D convolution",
        [s_outChannels, s_window.Kernel, s_window.Stride, s_window.Padding, s_window.RoundDown,
            s_dilation, s_groups, s_bias],
        values => new Conv2d(values.Get(s_outChannels), values.Get(s_window.Kernel), values.Get(s_window.Stride),
            values.Get(s_window.Padding), values.Get(s_dilation), values.Get(s_groups), values.Get(s_bias),
            values.Get(s_window.RoundDown)))
    {
        Examples =
        [
            new("conv 3×3", new Conv2d(17, 3, padding: 1), 2, new Shape(16, 7, 9)),
            new("conv 5×5 stride 2", new Conv2d(5, 5, stride: 2, padding: 2), 3, new Shape(3, 7, 5)),
            new("conv depthwise", new Conv2d(17, 3, padding: 1, groups: 17), 2, new Shape(17, 5, 7)),
        ],
        Random = [Random, Random, Random, Random, RandomDepthwise, RandomGrouped],
        LongSums = [LongWeightGradient, LongWeightGradient, Deep, ManyFilters],
        Fitting = (draw, _, _) => new Conv2d(draw.Of(1, 2, 3, 5, 8), 3, padding: 1),
    };

    /// <summary>Describes a convolution.</summary>
    /// <param name="outChannels">K, the number of output channels.</param>
    /// <param name="kernelSize">F, rows and columns of a filter.</param>
    /// <param name="stride">S, rows and columns from one position to the next; 1 unless given.</param>
    /// <param name="padding">P, zeros added on each side.</param>
    /// <param name="dilation">Distance between taps; 1 unless given.</param>
    /// <param name="groups">Groups of channels that do not see one another.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <param name="roundDown">Whether an output size that is not whole is rounded down instead of refused.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    /// <exception cref="ArgumentException">The output channels do not divide into the groups.</exception>
    public Conv2d(int outChannels, Extent kernelSize, Extent? stride = null, Extent padding = default,
        Extent? dilation = null, int groups = UsualGroups, bool bias = UsualBias,
        bool roundDown = WindowAttributes.UsualRounding)
    {
        (OutChannels, Groups, Bias) = (s_outChannels.Check(Kind, outChannels), s_groups.Check(Kind, groups), bias);
        if (outChannels % groups != 0)
        {
            throw new ArgumentException(
                $"conv: {outChannels} output channels do not divide into {groups} groups. "
                + $"Groups {Nearest(outChannels, groups)} fits.",
                nameof(groups));
        }
        Window = new Window(kernelSize, stride ?? 1, padding, dilation ?? 1, roundDown);
        Window.Validate(Kind);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>K, the number of output channels.</summary>
    public int OutChannels { get; }

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
                $"Groups {Nearest(Common(x.C, OutChannels), Groups)} fits.");
        }
        return Window.Output(x, OutChannels, pools: false);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        int depth = inputs[0].C / Groups;
        long area = Window.Kernel.Area;
        var weight = new ParameterSpec("weight", ParameterRole.Weight,
            [OutChannels, depth, Window.Kernel.H, Window.Kernel.W],
            depth * area, OutChannels / Groups * area);
        return Bias
            ? [weight, new ParameterSpec("bias", ParameterRole.Bias, [OutChannels], weight.FanIn, weight.FanOut)]
            : [weight];
    }

    /// <inheritdoc/>
    public override bool IsBilinear => true;

    /// <inheritdoc/>
    /// <remarks>Taps on the padding are counted.</remarks>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
    {
        long forward = (long)(inputs[0].C / Groups) * Window.Kernel.Area;
        long backward = (long)(OutChannels / Groups) * Meeting(Window.Kernel.H, Window.Stride.H, Window.Dilation.H)
            * Meeting(Window.Kernel.W, Window.Stride.W, Window.Dilation.W);
        return Math.Max(Math.Max(forward, backward), (long)batch * Infer(inputs).Area);

        // Of a column of taps, so many meet one input.
        static int Meeting(int taps, int stride, int dilation)
        {
            int apart = stride / Common(stride, dilation);
            return (taps + apart - 1) / apart;
        }
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
        int depth = xs.C / Groups, area = f.W(0).Length / OutChannels / depth;
        RowTap[] taps = RowTap.All(Window, xs, ys);
        f.For(f.N * OutChannels, map =>
        {
            (int n, int k) = Math.DivRem(map, OutChannels);
            int firstChannel = n * xs.C + k / (OutChannels / Groups) * depth;
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
                    Rows.AddScaled(y.Slice(tap.Output, tap.Count), x[tap.Input..], w[c * area + tap.Weight],
                        Window.Stride.W);
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
        RowTap[] taps = RowTap.All(Window, f.XShape(0), f.YShape);
        if (f.WantsDX(0))
            BackwardData(f, taps);
        if (f.WantsDW(0))
            BackwardWeights(f, taps);
        if (Bias && f.WantsDW(1))
            ChannelSums.Write(f);
    }

    internal static int Common(int a, int b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }

    // The largest divisor that is not above a number of groups.
    internal static int Nearest(int channels, int groups)
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
        int depth = xs.C / Groups, area = f.W(0).Length / OutChannels / depth, perGroup = OutChannels / Groups;
        f.For(f.N * xs.C, map =>
        {
            (int n, int channel) = Math.DivRem(map, xs.C);
            (int group, int c) = Math.DivRem(channel, depth);
            Span<TSum> dx = f.DX(0).Slice(map * xs.Area, xs.Area);
            var blocks = new BlockedRows<T, TSum>(dx);
            for (int j = 0; j < perGroup; j++)
            {
                int k = group * perGroup + j;
                ReadOnlySpan<T> dy = f.DY.Slice((n * OutChannels + k) * ys.Area, ys.Area);
                ReadOnlySpan<T> w = f.W(0).Slice((k * depth + c) * area, area);
                foreach (RowTap tap in taps)
                {
                    if (tap.IsFirst)
                        blocks.Next();
                    Rows.ScatterScaled(dx[tap.Input..], dy.Slice(tap.Output, tap.Count), w[tap.Weight],
                        Window.Stride.W);
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
        int depth = xs.C / Groups, area = f.DW(0).Length / OutChannels / depth;
        RowTap[][] rowBlocks = [.. taps.GroupBy(tap => tap.Output / ys.W / Rows.Block).Select(rows => rows.ToArray())];
        f.For(OutChannels * depth, slice =>
        {
            (int k, int c) = Math.DivRem(slice, depth);
            Span<TSum> dw = f.DW(0).Slice(slice * area, area);
            var blocks = new BlockedRows<T, TSum>(dw);
            for (int n = 0; n < f.N; n++)
            {
                int channel = k / (OutChannels / Groups) * depth + c;
                ReadOnlySpan<T> x = f.X(0).Slice((n * xs.C + channel) * xs.Area, xs.Area);
                ReadOnlySpan<T> dy = f.DY.Slice((n * OutChannels + k) * ys.Area, ys.Area);
                foreach (RowTap[] rows in rowBlocks)
                {
                    foreach (RowTap tap in rows)
                        dw[tap.Weight] += Rows.Dot<T, TSum>(dy.Slice(tap.Output, tap.Count), x[tap.Input..],
                            Window.Stride.W);
                    blocks.EndBlock();
                }
            }
            blocks.Complete();
        });
    }

    private static LayerExample Random(RandomDraw draw) => Random(draw, draw.Channels(), draw.Channels(), 1);

    private static LayerExample RandomDepthwise(RandomDraw draw)
    {
        int channels = draw.Channels();
        return Random(draw, channels, channels * draw.Of(1, 1, 2), channels);
    }

    private static LayerExample RandomGrouped(RandomDraw draw)
    {
        int groups = draw.Of(2, 3, 4);
        return Random(draw, groups * draw.Of(1, 2, 3, 8), groups * draw.Of(1, 3, 8, 11), groups);
    }

    private static LayerExample Random(RandomDraw draw, int channels, int filters, int groups)
    {
        Extent kernel = draw.OneIn(3) ? (draw.Of(1, 2, 3, 5), draw.Of(1, 2, 3, 4, 7)) : draw.Of(1, 2, 3, 3, 3, 5, 7);
        Extent stride = draw.OneIn(3) ? (draw.Between(1, 4), draw.Between(1, 4)) : 1;
        Extent dilation = draw.OneIn(4) ? (draw.Between(1, 3), draw.Between(1, 3)) : 1;
        Extent reach = new Window(kernel, stride, 0, dilation).Reach;
        // Taps so far apart, or so far outside, may see padding alone: a bias keeps the output from being all zero.
        bool far = draw.OneIn(8), bias = far || dilation != 1 || !draw.OneIn(4);
        Extent padding = draw.OneIn(3)
            ? 0
            : (draw.Between(0, reach.H / 2 + (far ? 3 : 0)), draw.Between(0, reach.W / 2 + (far ? 3 : 0)));
        var layer = new Conv2d(filters, kernel, stride, padding, dilation, groups, bias, roundDown: draw.OneIn(3));
        // Batch and map as large as the work allows.
        long work = (long)(channels / groups) * filters * kernel.Area;
        int positions = (int)Math.Max(1, RandomDraw.MostWork / work);
        int n = draw.Between(1, Math.Min(positions, 8));
        int rows = draw.Between(1, Math.Min(positions / n, 11));
        int columns = draw.Between(1, Math.Min(positions / n / rows, 11));
        return new("conv", layer, n, draw.InputFor(layer.Window, channels, (rows, columns)));
    }

    private static LayerExample LongWeightGradient(RandomDraw draw)
    {
        int channels = draw.Between(1, 3), filters = draw.Between(1, 3);
        var layer = new Conv2d(filters, draw.Of<Extent>(1, 2, 3, (1, 3)), padding: draw.Below(2), bias: draw.OneIn(2));
        (int n, Extent map) = draw.Spread(draw.ManyTerms());
        return new("conv", layer, n, draw.InputFor(layer.Window, channels, map));
    }

    private static LayerExample Deep(RandomDraw draw)
    {
        int kernel = draw.Of(1, 3, 5);
        var layer = new Conv2d(draw.Between(1, 2), kernel, padding: kernel / 2);
        int n = draw.Between(1, 2), channels = draw.ManyTerms() / (kernel * kernel) + 1;
        return new("conv", layer, n, draw.InputFor(layer.Window, channels, (draw.Between(1, 3), draw.Between(1, 3))));
    }

    private static LayerExample ManyFilters(RandomDraw draw)
    {
        int kernel = draw.Of(1, 3, 5);
        var layer = new Conv2d(draw.ManyTerms() / (kernel * kernel) + 1, kernel, padding: kernel / 2);
        return new("conv", layer, draw.Between(1, 2), new Shape(draw.Between(1, 2), kernel, kernel));
    }
}
