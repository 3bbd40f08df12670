namespace ConvNet;

/// <summary>2-D convolution (cross-correlation): y[n,k,oh,ow] = b[k] + Σ_{c,r,s}
/// w[k,c,r,s]·x[n,c,oh·S+r·D−P,ow·S+s·D−P], where P is the padding above and on the left.</summary>
/// <remarks>
/// x: N×C×H×W, w: K×(C/groups)×R×S, b: K, y: N×K×OH×OW. OH = (H − F + P) / S + 1 must be a whole number; here P is the
/// sum of the padding on both sides.
/// Backward: dx[n,c,h,w] = Σ w[k,c,r,s]·dy[n,k,oh,ow] over all k, r, s, oh, ow that read x[n,c,h,w];
/// dw[k,c,r,s] = Σ_{n,oh,ow} dy[n,k,oh,ow]·x[n,c,…]; db[k] = Σ_{n,oh,ow} dy[n,k,oh,ow].
/// With groups, filter k reads only the channels of its own group. Source: LeCun et al., Proc. IEEE 1998.
/// </remarks>
public sealed record Conv2d : Convolution2d
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("conv", "2-D convolution",
        [OutChannelsAttribute, WindowAttributes.Kernel, WindowAttributes.Stride, WindowAttributes.Padding,
            WindowAttributes.Rounding, DilationAttribute, GroupsAttribute, BiasAttribute],
        values => new Conv2d(values.Get(OutChannelsAttribute), values.Get(WindowAttributes.Kernel),
            values.Get(WindowAttributes.Stride), values.Get(WindowAttributes.Padding), values.Get(DilationAttribute),
            values.Get(GroupsAttribute), values.Get(BiasAttribute), values.Get(WindowAttributes.Rounding)))
    {
        Examples =
        [
            new("conv 3×3", new Conv2d(17, 3, padding: 1), 2, new Shape(16, 7, 9)),
            new("conv 5×5 stride 2", new Conv2d(5, 5, stride: 2, padding: 2), 3, new Shape(3, 7, 5)),
            new("conv depthwise", new Conv2d(17, 3, padding: 1, groups: 17), 2, new Shape(17, 5, 7)),
            new("conv padded below", new Conv2d(18, 3, stride: 2, padding: (0, 0, 1, 1)), 2, new Shape(17, 8, 6)),
        ],
        Random = [Random, Random, Random, Random, RandomDepthwise, RandomGrouped],
        LongSums = [LongWeightGradient, LongWeightGradient, Deep, ManyFilters],
        Fitting = (draw, _, _) => new Conv2d(draw.Of(1, 2, 3, 5, 8), 3, padding: 1),
    };

    /// <summary>Creates a convolution layer.</summary>
    /// <param name="outChannels">K, the number of output channels.</param>
    /// <param name="kernelSize">F, the rows and columns of a filter.</param>
    /// <param name="stride">S, the stride in rows and columns; defaults to 1.</param>
    /// <param name="padding">P, the zeros added on each side: one number; rows and columns; or top, left, bottom and
    /// right.</param>
    /// <param name="dilation">D, the distance between taps; defaults to 1.</param>
    /// <param name="groups">The number of channel groups; a filter reads only its own group.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <param name="rounding">How a fractional output size is handled: it is rejected or rounded down.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range, or rounding up was requested.</exception>
    /// <exception cref="ArgumentException">The output channels are not divisible by the groups.</exception>
    public Conv2d(int outChannels, Extent kernelSize, Extent? stride = null, Padding padding = default,
        Extent? dilation = null, int groups = UsualGroups, bool bias = UsualBias,
        Rounding rounding = ConvNet.WindowAttributes.UsualRounding)
        : base(outChannels, new Window(kernelSize, stride ?? 1, padding, dilation ?? 1, rounding), groups, bias)
    {
        if (rounding == Rounding.Ceiling)
        {
            throw new ArgumentOutOfRangeException(nameof(rounding),
                $"{Kind}: the output size of a convolution can be exact or rounded down, but not rounded up as that "
                + "of a pooling layer. Padding at the bottom and right, such as (0, 0, 1, 1), adds outputs.");
        }
        WindowAttributes.Rounding.Check(Kind, rounding);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    /// <remarks>Taps on the padding count.</remarks>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
    {
        long forward = (long)(inputs[0].C / Groups) * Window.Kernel.Area;
        long backward = (long)(OutChannels / Groups) * Meeting(Window.Kernel.H, Window.Stride.H, Window.Dilation.H)
            * Meeting(Window.Kernel.W, Window.Stride.W, Window.Dilation.W);
        return Math.Max(Math.Max(forward, backward), (long)batch * Infer(inputs).Area);

        // The number of taps in one column of the filter that read the same input.
        static int Meeting(int taps, int stride, int dilation)
        {
            int apart = stride / Common(stride, dilation);
            return (taps + apart - 1) / apart;
        }
    }

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
        var sums = new ConvolutionSums<T, TSum>(f, this, f.XShape(0), f.YShape);
        sums.Gather(() => f.X(0), () => f.Y, Bias);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        var sums = new ConvolutionSums<T, TSum>(f, this, f.XShape(0), f.YShape);
        if (f.WantsDX(0))
            sums.Scatter(() => f.DY, () => f.DX(0), bias: false);
        if (f.WantsDW(0))
            sums.Correlate(() => f.DY, () => f.X(0));
        if (Bias && f.WantsDW(1))
            sums.BiasGradient();
    }

    private protected override Shape OutputOf(Shape x) => Window.Output(x, OutChannels, pools: false);

    private protected override ParameterSpec WeightOf(Shape x)
    {
        int depth = x.C / Groups;
        long area = Window.Kernel.Area;
        return new ParameterSpec("weight", ParameterRole.Weight,
            [OutChannels, depth, Window.Kernel.H, Window.Kernel.W], depth * area, OutChannels / Groups * area);
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
        // Distant taps may read only padding. A bias keeps the output from being all zero.
        bool far = draw.OneIn(8), bias = far || dilation != 1 || !draw.OneIn(4);
        Padding padding = draw.OneIn(3)
            ? 0
            : draw.Padding((reach.H / 2 + (far ? 3 : 0), reach.W / 2 + (far ? 3 : 0)));
        var layer = new Conv2d(filters, kernel, stride, padding, dilation, groups, bias,
            draw.OneIn(3) ? Rounding.Floor : Rounding.Exact);
        // Makes the batch and the map as large as the work budget allows.
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
