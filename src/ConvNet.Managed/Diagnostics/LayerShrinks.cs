namespace ConvNet.Diagnostics;

/// <summary>Layers with one attribute smaller.</summary>
internal static class LayerShrinks
{
    /// <summary>Fewer filters in each group, or fewer units.</summary>
    public static IEnumerable<Layer> Filters(Layer layer) => layer switch
    {
        Conv2d conv => Shrinker.Smaller(conv.Filters / conv.Groups, 1).Select(filters => With(conv, conv.Window, filters * conv.Groups)),
        Dense dense => Shrinker.Smaller(dense.Units, 1).Select(units => new Dense(units, dense.Bias)),
        _ => [],
    };

    /// <summary>Smaller kernels, with so much less padding that the output keeps its size, or with the same.</summary>
    public static IEnumerable<Layer> Kernel(Layer layer) => Windows(layer, window =>
        from kernel in Smaller(window.Kernel, 1)
        from padding in new[] { KeepingSize(window, kernel), window.Padding }.Distinct()
        select window with { Kernel = kernel, Padding = padding });

    /// <summary>Smaller strides.</summary>
    public static IEnumerable<Layer> Stride(Layer layer) => Windows(layer, window => Smaller(window.Stride, 1).Select(stride => window with { Stride = stride }));

    /// <summary>Less padding.</summary>
    public static IEnumerable<Layer> Padding(Layer layer) => Windows(layer, window => Smaller(window.Padding, 0).Select(padding => window with { Padding = padding }));

    /// <summary>Denser taps.</summary>
    public static IEnumerable<Layer> Dilation(Layer layer) => Windows(layer, window => Smaller(window.Dilation, 1).Select(dilation => window with { Dilation = dilation }));

    /// <summary>No bias, and no rounding down.</summary>
    public static IEnumerable<Layer> Attributes(Layer layer)
    {
        if (layer is Conv2d { Bias: true } conv)
            yield return new Conv2d(conv.Filters, conv.Window.Kernel, conv.Window.Stride, conv.Window.Padding, conv.Window.Dilation, conv.Groups, bias: false, conv.Window.RoundDown);
        if (layer is Dense { Bias: true } dense)
            yield return new Dense(dense.Units, bias: false);
        foreach (Layer exact in Windows(layer, window => window.RoundDown ? [window with { RoundDown = false }] : []))
            yield return exact;
    }

    /// <summary>The same convolution in other groups of as many filters.</summary>
    public static Conv2d InGroups(Conv2d conv, int groups)
        => new(conv.Filters / conv.Groups * groups, conv.Window.Kernel, conv.Window.Stride, conv.Window.Padding, conv.Window.Dilation, groups, conv.Bias, conv.Window.RoundDown);

    private static Conv2d With(Conv2d conv, Window window, int filters)
        => new(filters, window.Kernel, window.Stride, window.Padding, window.Dilation, conv.Groups, conv.Bias, window.RoundDown);

    private static IEnumerable<Layer> Windows(Layer layer, Func<Window, IEnumerable<Window>> smaller)
    {
        // A pool refuses a padding of more than half its kernel.
        IEnumerable<Layer> Made(Window window, Func<Window, Layer> make) => smaller(window).Select(each => Shrinker.Valid(() => make(each))).OfType<Layer>();
        return layer switch
        {
            Conv2d conv => Made(conv.Window, window => With(conv, window, conv.Filters)),
            MaxPool2d pool => Made(pool.Window, window => new MaxPool2d(window.Kernel, window.Stride, window.Padding, window.RoundDown)),
            AvgPool2d pool => Made(pool.Window, window => new AvgPool2d(window.Kernel, window.Stride, window.Padding, window.RoundDown, pool.CountPadding)),
            _ => [],
        };
    }

    private static Extent KeepingSize(Window window, Extent kernel)
    {
        static int Less(int padding, int taps, int dilation) => taps * dilation / 2 is var less && less <= padding && taps * dilation % 2 == 0 ? padding - less : padding;
        return (Less(window.Padding.H, window.Kernel.H - kernel.H, window.Dilation.H), Less(window.Padding.W, window.Kernel.W - kernel.W, window.Dilation.W));
    }

    private static IEnumerable<Extent> Smaller(Extent size, int least)
    {
        if (size.H > least && size.W > least)
            yield return least;
        foreach (int rows in Shrinker.Smaller(size.H, least))
            yield return (rows, size.W);
        foreach (int columns in Shrinker.Smaller(size.W, least))
            yield return (size.H, columns);
    }
}
