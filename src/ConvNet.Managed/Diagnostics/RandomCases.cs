namespace ConvNet.Diagnostics;

/// <summary>Random layers and graphs to check: small and awkward, each a function of its seed alone.</summary>
/// <remarks>
/// Sizes are 1, odd, prime, or one more or less than a vector; rows and columns differ; windows have strides beyond the kernel, padding,
/// dilation, groups and outputs that are rounded down. A case takes milliseconds: a layer has some 500,000 multiply-adds at most, a few times
/// that where the padding is wide, and a few million where a long sum is asked for.
/// </remarks>
public static class RandomCases
{
    /// <summary>A sum of more terms than this is a long one.</summary>
    public const int LongSum = 50_000;

    private const int MostWork = 500_000;

    private static readonly Func<Draw, LayerParts>[] Small =
    [
        Convolution, Convolution, Convolution, Convolution, Depthwise, Grouped, FullyConnected, FullyConnected, MaxPooling, AveragePooling,
        GlobalPooling, Normalization, Rectifier, Flattening, Dropping, Addition,
    ];

    private static readonly Func<Draw, LayerParts>[] Long =
    [
        LongWeightGradient, LongWeightGradient, DeepConvolution, ManyFilters, WideDense, ManyUnits, LargeBatch, LargeWindow, LargeMap, LargeMapNormalized,
    ];

    private readonly record struct LayerParts(Layer Layer, int N, params Shape[] Inputs);

    /// <summary>A layer at shapes of its own.</summary>
    /// <param name="seed">The seed of the case, and of the values that it is checked with.</param>
    /// <param name="longShare">Of all seeds, the share that gets a layer with a sum of more than <see cref="LongSum"/> terms.</param>
    public static LayerGradientCase Layer(ulong seed, double longShare = 0)
    {
        var draw = new Draw(seed);
        LayerParts made = draw.Of(draw.Chance(longShare) ? Long : Small)(draw);
        return new LayerGradientCase(made.Layer, made.Inputs, new GradientCheckOptions { BatchSize = made.N, Seed = seed });
    }

    /// <summary>A graph: a chain with branches, residual sums, values read several times, and often a classifier at its end.</summary>
    /// <param name="seed">The seed of the case, and of the values that it is checked with.</param>
    public static GraphGradientCase Graph(ulong seed)
    {
        var draw = new Draw(seed);
        int n = draw.Of(1, 2, 2, 3, 4);
        return new GraphGradientCase(new RandomGraph(draw, n).Build(), new GradientCheckOptions { BatchSize = n, Seed = seed });
    }

    private static int Channels(Draw draw) => draw.Of(1, 2, 3, 5, 7, 8, 15, 16, 17, 18, 31, 33, 65);

    private static int Batch(Draw draw) => draw.Of(1, 1, 2, 3, 4, 5, 8);

    private static Shape AnyShape(Draw draw) => new(Channels(draw), draw.Between(1, 9), draw.Between(1, 9));

    private static LayerParts Convolution(Draw draw) => Convolution(draw, Channels(draw), Channels(draw), 1);

    private static LayerParts Depthwise(Draw draw)
    {
        int channels = Channels(draw);
        return Convolution(draw, channels, channels * draw.Of(1, 1, 2), channels);
    }

    private static LayerParts Grouped(Draw draw)
    {
        int groups = draw.Of(2, 3, 4);
        return Convolution(draw, groups * draw.Of(1, 2, 3, 8), groups * draw.Of(1, 3, 8, 11), groups);
    }

    private static LayerParts Convolution(Draw draw, int channels, int filters, int groups)
    {
        Extent kernel = draw.OneIn(3) ? (draw.Of(1, 2, 3, 5), draw.Of(1, 2, 3, 4, 7)) : draw.Of(1, 2, 3, 3, 3, 5, 7);
        Extent stride = draw.OneIn(3) ? (draw.Between(1, 4), draw.Between(1, 4)) : 1;
        Extent dilation = draw.OneIn(4) ? (draw.Between(1, 3), draw.Between(1, 3)) : 1;
        Extent reach = new Window(kernel, stride, 0, dilation).Reach;
        // Taps so far apart, or so far outside, may see padding alone: a bias keeps the output from being all zero.
        bool far = draw.OneIn(8), bias = far || dilation != 1 || !draw.OneIn(4);
        Extent padding = draw.OneIn(3) ? 0 : (draw.Between(0, reach.H / 2 + (far ? 3 : 0)), draw.Between(0, reach.W / 2 + (far ? 3 : 0)));
        return Fitted(draw, new Conv2d(filters, kernel, stride, padding, dilation, groups, bias, roundDown: draw.OneIn(3)), channels);
    }

    // Batch and map as large as the work allows.
    private static LayerParts Fitted(Draw draw, Conv2d layer, int channels)
    {
        int positions = (int)Math.Max(1, MostWork / (channels / layer.Groups * layer.Filters * layer.Window.Kernel.Area));
        int n = draw.Between(1, Math.Min(positions, 8));
        int rows = draw.Between(1, Math.Min(positions / n, 11)), columns = draw.Between(1, Math.Min(positions / n / rows, 11));
        return new(layer, n, InputFor(draw, layer.Window, channels, (rows, columns)));
    }

    /// <summary>The input for which a window has so many outputs, or a few more where that would be no input.</summary>
    private static Shape InputFor(Draw draw, Window window, int channels, Extent outputs)
    {
        int Size(int count, int reach, int stride, int padding)
        {
            int size = (count - 1) * stride + reach - 2 * padding + (window.RoundDown ? draw.Below(stride) : 0);
            return size >= 1 ? size : size + (stride - size) / stride * stride;
        }
        return new Shape(channels, Size(outputs.H, window.Reach.H, window.Stride.H, window.Padding.H), Size(outputs.W, window.Reach.W, window.Stride.W, window.Padding.W));
    }

    private static (Extent Kernel, Extent Stride, Extent Padding) PoolWindow(Draw draw)
    {
        Extent kernel = draw.OneIn(3) ? (draw.Between(1, 5), draw.Between(1, 5)) : draw.Of(2, 2, 3, 3, 4, 5);
        Extent stride = draw.OneIn(2) ? kernel : (draw.Between(1, 4), draw.Between(1, 4));
        return (kernel, stride, draw.OneIn(2) ? 0 : (draw.Between(0, kernel.H / 2), draw.Between(0, kernel.W / 2)));
    }

    private static LayerParts MaxPooling(Draw draw)
    {
        (Extent kernel, Extent stride, Extent padding) = PoolWindow(draw);
        var layer = new MaxPool2d(kernel, stride, padding, draw.OneIn(3));
        return new(layer, Batch(draw), InputFor(draw, layer.Window, Channels(draw), (draw.Between(1, 6), draw.Between(1, 6))));
    }

    private static LayerParts AveragePooling(Draw draw)
    {
        (Extent kernel, Extent stride, Extent padding) = PoolWindow(draw);
        var layer = new AvgPool2d(kernel, stride, padding, draw.OneIn(3), countPadding: draw.OneIn(2));
        return new(layer, Batch(draw), InputFor(draw, layer.Window, Channels(draw), (draw.Between(1, 6), draw.Between(1, 6))));
    }

    private static LayerParts FullyConnected(Draw draw)
    {
        int features = draw.OneIn(4) ? draw.Between(100, 500) : Channels(draw), units = draw.OneIn(4) ? draw.Between(100, 260) : Channels(draw);
        int n = Math.Min(draw.OneIn(4) ? draw.Between(9, 70) : Batch(draw), Math.Max(1, MostWork / (features * units)));
        return new(new Dense(units, bias: !draw.OneIn(4)), n, Shape.Vector(features));
    }

    private static LayerParts GlobalPooling(Draw draw) => new(new GlobalAvgPool2d(), Batch(draw), AnyShape(draw));

    private static LayerParts Normalization(Draw draw)
        => new(new BatchNorm2d(draw.Of(0.1f, 0.3f, 1f), draw.Of(1e-5f, 1e-3f)), Batch(draw), draw.OneIn(5) ? Shape.Vector(Channels(draw)) : AnyShape(draw));

    private static LayerParts Rectifier(Draw draw) => new(new Relu(), Batch(draw), AnyShape(draw));

    private static LayerParts Flattening(Draw draw) => new(new Flatten(), Batch(draw), AnyShape(draw));

    private static LayerParts Dropping(Draw draw) => new(new Dropout(draw.Of(0f, 0.1f, 0.25f, 0.5f)), Batch(draw), AnyShape(draw));

    private static LayerParts Addition(Draw draw)
    {
        Shape shape = AnyShape(draw);
        return new(new Add(), Batch(draw), [.. Enumerable.Repeat(shape, draw.Between(2, 4))]);
    }

    private static int Many(Draw draw) => LongSum + 1 + draw.Below(20_000);

    // A map, or a batch of maps, of so many positions.
    private static (int N, Extent Map) Spread(Draw draw, int positions)
    {
        int n = draw.Of(1, 2, 4, 16), rows = draw.Between(40, 400);
        return (n, (rows, (positions + n * rows - 1) / (n * rows)));
    }

    private static LayerParts LongWeightGradient(Draw draw)
    {
        int channels = draw.Between(1, 3), filters = draw.Between(1, 3);
        var layer = new Conv2d(filters, draw.Of<Extent>(1, 2, 3, (1, 3)), padding: draw.Below(2), bias: draw.OneIn(2));
        (int n, Extent map) = Spread(draw, Many(draw));
        return new(layer, n, InputFor(draw, layer.Window, channels, map));
    }

    private static LayerParts DeepConvolution(Draw draw)
    {
        int kernel = draw.Of(1, 3, 5);
        var layer = new Conv2d(draw.Between(1, 2), kernel, padding: kernel / 2);
        return new(layer, draw.Between(1, 2), InputFor(draw, layer.Window, Many(draw) / (kernel * kernel) + 1, (draw.Between(1, 3), draw.Between(1, 3))));
    }

    private static LayerParts ManyFilters(Draw draw)
    {
        int kernel = draw.Of(1, 3, 5);
        var layer = new Conv2d(Many(draw) / (kernel * kernel) + 1, kernel, padding: kernel / 2);
        return new(layer, draw.Between(1, 2), new Shape(draw.Between(1, 2), kernel, kernel));
    }

    private static LayerParts WideDense(Draw draw) => new(new Dense(draw.Between(1, 5), draw.OneIn(2)), draw.Between(1, 5), Shape.Vector(Many(draw)));

    private static LayerParts ManyUnits(Draw draw) => new(new Dense(Many(draw), draw.OneIn(2)), draw.Between(1, 5), Shape.Vector(draw.Between(1, 5)));

    private static LayerParts LargeBatch(Draw draw) => new(new Dense(draw.Between(1, 3), draw.OneIn(2)), Many(draw), Shape.Vector(draw.Between(1, 3)));

    private static LayerParts LargeWindow(Draw draw)
    {
        int rows = draw.Between(150, 350);
        var layer = new AvgPool2d((rows, Many(draw) / rows + 1), stride: draw.Between(1, 3), roundDown: true);
        return new(layer, draw.Between(1, 2), InputFor(draw, layer.Window, draw.Between(1, 3), (draw.Between(1, 2), draw.Between(1, 2))));
    }

    private static LayerParts LargeMap(Draw draw)
    {
        int rows = draw.Between(150, 350);
        return new(new GlobalAvgPool2d(), draw.Between(1, 2), new Shape(draw.Between(1, 3), rows, Many(draw) / rows + 1));
    }

    private static LayerParts LargeMapNormalized(Draw draw)
    {
        (int n, Extent map) = Spread(draw, Many(draw));
        return new(new BatchNorm2d(), n, new Shape(draw.Between(1, 3), map.H, map.W));
    }
}
