using System.Numerics;

namespace ConvNet;

/// <summary>
/// 2-D transposed convolution: y[n,k,h,w] = b[k] + Σ x[n,c,i,j]·w[c,k,r,s] over all c, i, j, r, s with h = i·S + r·D −
/// P and w = j·S + s·D − P.
/// </summary>
/// <remarks>
/// It is the input gradient of a convolution from K to C channels with the same weights. x: N×C×H×W, w:
/// C×(K/groups)×R×S, b: K, y: N×K×OH×OW with OH = (H − 1)·S − 2P + F + O and F = (R − 1)·D + 1; the output padding O
/// names one of the sizes that such a convolution maps to H.
/// Backward: dx is that convolution of dy; dw[c,k,r,s] = Σ x[n,c,i,j]·dy[n,k,i·S+r·D−P,j·S+s·D−P]; db[k] = Σ dy[n,k,…].
/// Source: Zeiler et al., CVPR 2010; the semantics are those of torch.
/// </remarks>
public sealed record ConvTranspose2d : SumLayer
{
    private const int UsualGroups = 1;
    private const bool UsualBias = true;

    private static readonly WindowAttributes s_window
        = WindowAttributes.Of<ConvTranspose2d>(layer => layer.Window, (Extent)1);

    private static readonly AttributeDeclaration<int>
        s_outChannels = AttributeDeclaration.Integer<ConvTranspose2d>("outChannels",
            layer => layer.OutChannels, formerName: "filters",
            role: AttributeRole.Channels, multipleOf: layer => layer.Groups),
        s_groups = AttributeDeclaration.Integer<ConvTranspose2d>("groups", layer => layer.Groups, UsualGroups,
            role: AttributeRole.Groups);

    private static readonly AttributeDeclaration<Extent>
        s_outputPadding = AttributeDeclaration.Size<ConvTranspose2d>("outputPadding", layer => layer.OutputPadding, 0,
            Limits.Window, (Extent)0),
        s_dilation = AttributeDeclaration.Size<ConvTranspose2d>("dilation", layer => layer.Window.Dilation, 1,
            Limits.Window, (Extent)1, role: AttributeRole.Dilation);

    private static readonly AttributeDeclaration<bool> s_bias
        = AttributeDeclaration.Flag<ConvTranspose2d>("bias", layer => layer.Bias, UsualBias);

    /// <summary>The layer as files and checks know it.</summary>
    public static LayerDeclaration Declared { get; } = new("convtranspose", "2-D transposed convolution",
        [s_outChannels, s_window.Kernel, s_window.Stride, s_window.Padding, s_outputPadding, s_dilation, s_groups,
            s_bias],
        values => new ConvTranspose2d(values.Get(s_outChannels), values.Get(s_window.Kernel),
            values.Get(s_window.Stride), values.Get(s_window.Padding), values.Get(s_outputPadding),
            values.Get(s_dilation), values.Get(s_groups),
            values.Get(s_bias)))
    {
        Examples =
        [
            new("convtranspose 3×3 stride 2", new ConvTranspose2d(17, 3, stride: 2, padding: 1, outputPadding: 1), 2,
                new Shape(5, 4, 3)),
            new("convtranspose 2×2 stride 2", new ConvTranspose2d(16, 2, stride: 2, bias: false),
                3, new Shape(32, 3, 5)),
            new("convtranspose 3×3", new ConvTranspose2d(3, 3, padding: 1), 2, new Shape(18, 5, 6)),
            new("convtranspose in groups", new ConvTranspose2d(6, (2, 3), (3, 1), groups: 3), 2, new Shape(9, 3, 4)),
            new("convtranspose depthwise", new ConvTranspose2d(17, 3, 2, 1, groups: 17), 2, new Shape(17, 4, 3)),
            new("convtranspose dilated", new ConvTranspose2d(4, 3, 1, 2, dilation: (2, 3)), 1, new Shape(3, 6, 7)),
            new("convtranspose of one", new ConvTranspose2d(1, 1), 1, new Shape(1, 1, 1)),
        ],
        Random = [Random, Random],
        Fitting = (draw, _, x) => x.Length <= MostInGraph ? new ConvTranspose2d(draw.Of(1, 2, 3, 8), 3, 2, 1) : null,
    };

    // A larger map would make the layers behind it in a random graph large.
    private const int MostInGraph = 400;

    /// <summary>Describes a transposed convolution.</summary>
    /// <param name="outChannels">K, the channels of the output.</param>
    /// <param name="kernelSize">R and S, rows and columns of a filter.</param>
    /// <param name="stride">S, rows and columns from one input's window to the next; 1 unless given.</param>
    /// <param name="padding">P, rows and columns cut off each side of the output.</param>
    /// <param name="outputPadding">O, rows and columns added to the lower and the right side; below stride or
    /// dilation.</param>
    /// <param name="dilation">D, the distance between taps; 1 unless given.</param>
    /// <param name="groups">Groups of channels that do not see one another.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    /// <exception cref="ArgumentException">
    /// The output channels do not divide into the groups, or the output padding is not below stride or dilation.
    /// </exception>
    public ConvTranspose2d(int outChannels, Extent kernelSize, Extent? stride = null, Extent padding = default,
        Extent outputPadding = default, Extent? dilation = null, int groups = UsualGroups, bool bias = UsualBias)
    {
        (OutChannels, Groups, Bias) = (s_outChannels.Check(Kind, outChannels), s_groups.Check(Kind, groups), bias);
        if (outChannels % groups != 0)
        {
            throw new ArgumentException($"{Kind}: {outChannels} output channels do not divide into {groups} groups. "
                + $"Groups {Conv2d.Nearest(outChannels, groups)} fits.", nameof(groups));
        }
        Window = new Window(kernelSize, stride ?? 1, padding, dilation ?? 1);
        Window.Validate(Kind);
        Extent most = (Math.Max(Window.Stride.H, Window.Dilation.H) - 1,
            Math.Max(Window.Stride.W, Window.Dilation.W) - 1);
        OutputPadding = s_outputPadding.Check(Kind, outputPadding);
        if (outputPadding.H > most.H || outputPadding.W > most.W)
        {
            throw new ArgumentException($"{Kind}: outputPadding {outputPadding} is not below the stride "
                + $"{Window.Stride} or the dilation {Window.Dilation}. {most} or less fits.", nameof(outputPadding));
        }
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>K, the channels of the output.</summary>
    public int OutChannels { get; }

    /// <summary>Kernel, stride, padding and dilation, of the convolution that maps the output to the input.</summary>
    public Window Window { get; }

    /// <summary>O, rows and columns added to the lower and the right side.</summary>
    public Extent OutputPadding { get; }

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
            throw ArgumentErrors.WithAdvice($"{x.C} input channels do not divide into {Groups} groups.",
                $"Groups {Conv2d.Nearest(Conv2d.Common(x.C, OutChannels), Groups)} fits.");
        }
        long h = Size(x.H, Window.Stride.H, Window.Padding.H, Window.Reach.H, OutputPadding.H);
        long w = Size(x.W, Window.Stride.W, Window.Padding.W, Window.Reach.W, OutputPadding.W);
        if (h < 1 || w < 1)
        {
            throw ArgumentErrors.WithAdvice($"The padding {Window.Padding} cuts all off an output of "
                + $"{h + 2L * Window.Padding.H}×{w + 2L * Window.Padding.W}.", "Less padding fits.");
        }
        return h <= int.MaxValue && w <= int.MaxValue && h * w <= int.MaxValue && h * w * OutChannels <= int.MaxValue
            ? new Shape(OutChannels, (int)h, (int)w)
            : throw new ArgumentException(
                $"An output of {OutChannels:N0}×{h:N0}×{w:N0} is too large: it has at most {int.MaxValue:N0} values.");
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        int perGroup = OutChannels / Groups;
        long terms = inputs[0].C / Groups * Meeting, reached = perGroup * Window.Kernel.Area;
        var weight = new ParameterSpec("weight", ParameterRole.Weight,
            [inputs[0].C, perGroup, Window.Kernel.H, Window.Kernel.W], terms, reached);
        return Bias ? [weight, new ParameterSpec("bias", ParameterRole.Bias, [OutChannels], terms, reached)] : [weight];
    }

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override bool IsBilinear => true;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Math.Max(
        Math.Max(inputs[0].C / Groups * Meeting, OutChannels / Groups * Window.Kernel.Area),
            (long)batch * Infer(inputs).Area);

    /// <inheritdoc/>
    public override long MultiplyAdds(params ReadOnlySpan<Shape> inputs)
        => (long)inputs[0].Length * (OutChannels / Groups) * Window.Kernel.Area;

    /// <summary>The inputs that meet in one output, side by side; they lie closer together than the outputs.</summary>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window(
        ((Window.Reach.H - 1) / Window.Stride.H + 1, (Window.Reach.W - 1) / Window.Stride.W + 1), 1, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
    {
        string rows = Formula(inputs[0].H, Window.Stride.H, Window.Padding.H, Window.Reach.H, OutputPadding.H);
        string columns = Formula(inputs[0].W, Window.Stride.W, Window.Padding.W, Window.Reach.W, OutputPadding.W);
        return rows == columns ? columns : $"{rows} × {columns}";
    }

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        int depth = xs.C / Groups, perGroup = OutChannels / Groups, area = (int)Window.Kernel.Area;
        RowTap[] taps = RowTap.All(Window, ys, xs);
        f.For(f.N * OutChannels, map =>
        {
            (int n, int k) = Math.DivRem(map, OutChannels);
            (int group, int j) = Math.DivRem(k, perGroup);
            Span<TSum> y = f.Y.Slice(map * ys.Area, ys.Area);
            var blocks = new BlockedRows<T, TSum>(y);
            for (int c = group * depth; c < (group + 1) * depth; c++)
            {
                ReadOnlySpan<T> x = f.X(0).Slice((n * xs.C + c) * xs.Area, xs.Area);
                ReadOnlySpan<T> w = f.W(0).Slice((c * perGroup + j) * area, area);
                foreach (RowTap tap in taps)
                {
                    if (tap.IsFirst)
                        blocks.Next();
                    Rows.ScatterScaled(y[tap.Input..], x.Slice(tap.Output, tap.Count), w[tap.Weight], Window.Stride.W);
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
        RowTap[] taps = RowTap.All(Window, f.YShape, f.XShape(0));
        if (f.WantsDX(0))
            BackwardData(f, taps);
        if (f.WantsDW(0))
            BackwardWeights(f, taps);
        if (Bias && f.WantsDW(1))
            ChannelSums.Write(f);
    }

    // Terms that one channel gives to an output, at most.
    private long Meeting => Sees([])!.Value.Kernel.Area;

    private static long Size(int size, int stride, int padding, long reach, int outputPadding)
        => (size - 1L) * stride - 2L * padding + reach + outputPadding;

    private static string Formula(int size, int stride, int padding, int reach, int outputPadding)
        => $"({size} − 1)·{stride} − 2·{padding} + {reach}{(outputPadding > 0 ? $" + {outputPadding}" : "")} = "
            + $"{Size(size, stride, padding, reach, outputPadding)}";

    private void BackwardData<T, TSum>(Frame<T, TSum> f, RowTap[] taps)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        int depth = xs.C / Groups, perGroup = OutChannels / Groups, area = (int)Window.Kernel.Area;
        f.For(f.N * xs.C, map =>
        {
            (int n, int c) = Math.DivRem(map, xs.C);
            Span<TSum> dx = f.DX(0).Slice(map * xs.Area, xs.Area);
            var blocks = new BlockedRows<T, TSum>(dx);
            for (int j = 0; j < perGroup; j++)
            {
                int k = c / depth * perGroup + j;
                ReadOnlySpan<T> dy = f.DY.Slice((n * OutChannels + k) * ys.Area, ys.Area);
                ReadOnlySpan<T> w = f.W(0).Slice((c * perGroup + j) * area, area);
                foreach (RowTap tap in taps)
                {
                    if (tap.IsFirst)
                        blocks.Next();
                    Rows.AddScaled(dx.Slice(tap.Output, tap.Count), dy[tap.Input..], w[tap.Weight], Window.Stride.W);
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
        int depth = xs.C / Groups, perGroup = OutChannels / Groups, area = (int)Window.Kernel.Area;
        RowTap[][] rowBlocks = [.. taps.GroupBy(tap => tap.Output / xs.W / Rows.Block).Select(rows => rows.ToArray())];
        f.For(xs.C * perGroup, slice =>
        {
            (int c, int j) = Math.DivRem(slice, perGroup);
            Span<TSum> dw = f.DW(0).Slice(slice * area, area);
            var blocks = new BlockedRows<T, TSum>(dw);
            for (int n = 0; n < f.N; n++)
            {
                int k = c / depth * perGroup + j;
                ReadOnlySpan<T> x = f.X(0).Slice((n * xs.C + c) * xs.Area, xs.Area);
                ReadOnlySpan<T> dy = f.DY.Slice((n * OutChannels + k) * ys.Area, ys.Area);
                foreach (RowTap[] rows in rowBlocks)
                {
                    foreach (RowTap tap in rows)
                    {
                        dw[tap.Weight] += Rows.Dot<T, TSum>(x.Slice(tap.Output, tap.Count), dy[tap.Input..],
                            Window.Stride.W);
                    }
                    blocks.EndBlock();
                }
            }
            blocks.Complete();
        });
    }

    private static LayerExample Random(RandomDraw draw)
    {
        int groups = draw.OneIn(3) ? draw.Of(2, 3) : 1;
        int channels = groups * draw.Of(1, 2, 3, 8, 17), filters = groups * draw.Of(1, 2, 3, 8, 16);
        Extent kernel = (draw.Of(1, 2, 3, 3, 4, 5), draw.Of(1, 2, 3, 3, 4, 5));
        Extent stride = draw.OneIn(2) ? 2 : (draw.Between(1, 3), draw.Between(1, 3));
        Extent dilation = draw.OneIn(4) ? (draw.Between(1, 3), draw.Between(1, 3)) : 1;
        Extent extra = draw.OneIn(2) ? 0 : (draw.Below(Math.Max(stride.H, dilation.H)),
            draw.Below(Math.Max(stride.W, dilation.W)));
        var layer = new ConvTranspose2d(filters, kernel, stride, outputPadding: extra,
            dilation: dilation, groups: groups, bias: !draw.OneIn(4));
        Shape x = new(channels, draw.Between(1, 6), draw.Between(1, 6)), y = layer.Infer(x);
        // No more padding than leaves something, and no more than half the reach, beyond which no output is whole.
        Extent padding = draw.OneIn(3) ? 0 : (draw.Below(Math.Min(layer.Window.Reach.H, y.H + 1) / 2 + 1),
            draw.Below(Math.Min(layer.Window.Reach.W, y.W + 1) / 2 + 1));
        if (2 * padding.H >= y.H || 2 * padding.W >= y.W)
            padding = 0;
        return new("convtranspose",
            new ConvTranspose2d(filters, kernel, stride, padding, extra, dilation, groups, layer.Bias),
            draw.Between(1, 4), x);
    }
}
