namespace ConvNet;

/// <summary>
/// 2-D transposed convolution: y[n,k,h,w] = b[k] + Σ x[n,c,i,j]·w[c,k,r,s] over all c, i, j, r, s with h = i·S + r·D −
/// P and w = j·S + s·D − P, where P is the padding above and on the left.
/// </summary>
/// <remarks>
/// The layer computes the input gradient of a convolution from K to C channels with the same weights. x: N×C×H×W,
/// w: C×(K/groups)×R×S, b: K, y: N×K×OH×OW with OH = (H − 1)·S − P + F + O and F = (R − 1)·D + 1, where P is the sum of
/// the padding on both sides. The output padding O selects one of the sizes that such a convolution maps to H.
/// Backward: dx is that convolution of dy; dw[c,k,r,s] = Σ x[n,c,i,j]·dy[n,k,i·S+r·D−P,j·S+s·D−P]; db[k] = Σ dy[n,k,…].
/// Source: Zeiler et al., CVPR 2010. The semantics are those of torch.
/// </remarks>
public sealed record ConvTranspose2d : Convolution2d
{
    private static readonly AttributeDeclaration<Extent> s_outputPadding
        = AttributeDeclaration.Size<ConvTranspose2d>("outputPadding", layer => layer.OutputPadding, 0, Limits.Window,
            (Extent)0);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("convtranspose", "2-D transposed convolution",
        [OutChannelsAttribute, WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding,
            s_outputPadding, DilationAttribute, GroupsAttribute, BiasAttribute],
        values => new ConvTranspose2d(values.Get(OutChannelsAttribute), values.Get(WindowAttributes.Kernel),
            values.Get(WindowAttributes.Stride), values.Get(WindowAttributes.Padding), values.Get(s_outputPadding),
            values.Get(DilationAttribute), values.Get(GroupsAttribute), values.Get(BiasAttribute)))
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
            new("convtranspose cropped below", new ConvTranspose2d(18, 3, 2, (0, 1, 1, 0), outputPadding: (1, 0)), 2,
                new Shape(17, 4, 3)),
            new("convtranspose of one", new ConvTranspose2d(1, 1), 1, new Shape(1, 1, 1)),
        ],
        Random = [Random, Random],
        Fitting = (draw, _, x) => x.Length <= MostInGraph ? new ConvTranspose2d(draw.Of(1, 2, 3, 8), 3, 2, 1) : null,
    };

    // Limits the map size in random graphs; a larger map would make the following layers expensive.
    private const int MostInGraph = 400;

    /// <summary>Creates a transposed convolution layer.</summary>
    /// <param name="outChannels">K, the number of output channels.</param>
    /// <param name="kernelSize">R and S, the rows and columns of a filter.</param>
    /// <param name="stride">S, the stride in rows and columns of the output; defaults to 1.</param>
    /// <param name="padding">P, the rows and columns removed from each side of the output: one number; rows and
    /// columns; or top, left, bottom and right.</param>
    /// <param name="outputPadding">O, the rows and columns added at the bottom and on the right; must be less than the
    /// stride or the dilation.</param>
    /// <param name="dilation">D, the distance between taps; defaults to 1.</param>
    /// <param name="groups">The number of channel groups; a filter uses only its own group.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    /// <exception cref="ArgumentException">
    /// The output channels are not divisible by the groups, or the output padding is not less than the stride or the
    /// dilation.
    /// </exception>
    public ConvTranspose2d(int outChannels, Extent kernelSize, Extent? stride = null, Padding padding = default,
        Extent outputPadding = default, Extent? dilation = null, int groups = UsualGroups, bool bias = UsualBias)
        : base(outChannels, new Window(kernelSize, stride ?? 1, padding, dilation ?? 1), groups, bias)
    {
        Extent most = (Math.Max(Window.Stride.H, Window.Dilation.H) - 1,
            Math.Max(Window.Stride.W, Window.Dilation.W) - 1);
        OutputPadding = s_outputPadding.Check(Kind, outputPadding);
        if (outputPadding.H > most.H || outputPadding.W > most.W)
        {
            throw new ArgumentException($"{Kind}: outputPadding {outputPadding} must be below the stride "
                + $"{Window.Stride} or the dilation {Window.Dilation}: at most {most}.", nameof(outputPadding));
        }
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>O, the rows and columns added at the bottom and on the right.</summary>
    public Extent OutputPadding { get; }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Math.Max(
        Math.Max(inputs[0].C / Groups * Meeting, OutChannels / Groups * Window.Kernel.Area),
            (long)batch * Infer(inputs).Area);

    /// <inheritdoc/>
    public override long MultiplyAdds(params ReadOnlySpan<Shape> inputs)
        => (long)inputs[0].Length * (OutChannels / Groups) * Window.Kernel.Area;

    /// <summary>The window of inputs that contribute to one output. They are closer together than the
    /// outputs.</summary>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window(
        ((Window.Reach.H - 1) / Window.Stride.H + 1, (Window.Reach.W - 1) / Window.Stride.W + 1), 1, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
    {
        string rows = Formula(Window.Rows(inputs[0]), OutputPadding.H),
            columns = Formula(Window.Columns(inputs[0]), OutputPadding.W);
        return rows == columns ? columns : $"{rows} × {columns}";
    }

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        var sums = new ConvolutionSums<T, TSum>(f, this, f.YShape, f.XShape(0));
        sums.Scatter(() => f.X(0), () => f.Y, Bias);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        var sums = new ConvolutionSums<T, TSum>(f, this, f.YShape, f.XShape(0));
        if (f.WantsDX(0))
            sums.Gather(() => f.DY, () => f.DX(0), bias: false);
        if (f.WantsDW(0))
            sums.Correlate(() => f.X(0), () => f.DY);
        if (Bias && f.WantsDW(1))
            sums.BiasGradient();
    }

    private protected override Shape OutputOf(Shape x)
    {
        WindowAxis rows = Window.Rows(x), columns = Window.Columns(x);
        long h = Size(rows, OutputPadding.H), w = Size(columns, OutputPadding.W);
        if (h < 1 || w < 1)
        {
            (int top, int bottom) = Leaving(rows, h);
            (int left, int right) = Leaving(columns, w);
            throw ArgumentErrors.WithAdvice($"The padding {Window.Padding} removes the whole output of "
                + $"{h + rows.Before + rows.Behind}×{w + columns.Before + columns.Behind}.",
                $"Padding {new Padding(top, left, bottom, right)} fits.");
        }
        return h <= int.MaxValue && w <= int.MaxValue && h * w <= int.MaxValue && h * w * OutChannels <= int.MaxValue
            ? new Shape(OutChannels, (int)h, (int)w)
            : throw new ArgumentException(
                $"An output of {OutChannels:N0}×{h:N0}×{w:N0} is too large: the limit is {int.MaxValue:N0} values.");
    }

    private protected override ParameterSpec WeightOf(Shape x)
    {
        int perGroup = OutChannels / Groups;
        return new ParameterSpec("weight", ParameterRole.Weight,
            [x.C, perGroup, Window.Kernel.H, Window.Kernel.W], x.C / Groups * Meeting, perGroup * Window.Kernel.Area);
    }

    // The maximum number of terms that one channel contributes to an output.
    private long Meeting => Sees([])!.Value.Kernel.Area;

    private static long Size(WindowAxis axis, int outputPadding)
        => (axis.Size - 1L) * axis.Stride - axis.Before - axis.Behind + axis.Reach + outputPadding;

    // Returns the padding, reduced if it would leave no row or column: then one or two are left.
    private static (int Before, int Behind) Leaving(WindowAxis axis, long size)
    {
        int most = (int)((size + axis.Before + axis.Behind - 1) / 2);
        return size >= 1 ? (axis.Before, axis.Behind) : (most, most);
    }

    private static string Formula(WindowAxis axis, int outputPadding)
        => $"({axis.Size} − 1)·{axis.Stride} − {Subtracted(axis)} + {axis.Reach}"
            + $"{(outputPadding > 0 ? $" + {outputPadding}" : "")} = {Size(axis, outputPadding)}";

    private static string Subtracted(WindowAxis axis) => axis.Before == axis.Behind
        ? WindowAxis.PaddingOfBoth(axis.Before, axis.Behind)
        : $"({WindowAxis.PaddingOfBoth(axis.Before, axis.Behind)})";

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
        // The padding must leave some output. It is at most half the reach; with more, no output has all its terms.
        Padding padding = draw.OneIn(3) ? 0
            : draw.Padding((Math.Min(layer.Window.Reach.H, y.H + 1) / 2, Math.Min(layer.Window.Reach.W, y.W + 1) / 2));
        if (padding.Top + padding.Bottom >= y.H || padding.Left + padding.Right >= y.W)
            padding = 0;
        return new("convtranspose",
            new ConvTranspose2d(filters, kernel, stride, padding, extra, dilation, groups, layer.Bias),
            draw.Between(1, 4), x);
    }
}
