namespace ConvNet.Onnx;

/// <summary>The import of pooling.</summary>
internal static class PoolingImports
{
    /// <summary>MaxPool: a <see cref="MaxPool2d"/>.</summary>
    public static void Max(ImportContext c, OnnxNode node)
    {
        if (c.IsRead(node, 1))
            throw new UnsupportedNodeException("its second output, the positions of the maxima, is used");
        Activation x = c.Plain(c.Input(node));
        if (VolumeImports.IsVolume(x))
        {
            VolumeImports.Pool(c, node, x, Max);
            return;
        }
        Window window = Spatial.Of(node, x.Sizes).Window;
        if (node.Note == AdaptiveMaxPool2d.Declared.Kind)
        {
            Finish(c, node, x, new AdaptiveMaxPool2d(Whole(x, window)));
            return;
        }
        Node map = c.Stored(x);
        // Wide padding may as well repeat the border, whose values the window then has anyway.
        if (!window.PadsAtMostHalf && window.Dilation == 1 && window.Rounding != Rounding.Ceiling
            && Math.Max(window.Padding.Top, window.Padding.Bottom) < window.Kernel.H
            && Math.Max(window.Padding.Left, window.Padding.Right) < window.Kernel.W)
        {
            map = c.AddPart(node, "padded", new Pad2d(window.Padding, PadMode.Replicate), map);
            window = window with { Padding = 0 };
        }
        Finish(c, node, x, new MaxPool2d(window.Kernel, window.Stride, window.Padding, window.Rounding,
            window.Dilation), map);
    }

    /// <summary>AveragePool: an <see cref="AvgPool2d"/>.</summary>
    public static void Average(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        if (VolumeImports.IsVolume(x))
        {
            VolumeImports.Pool(c, node, x, Average);
            return;
        }
        Window window = Spatial.Of(node, x.Sizes).Window;
        if (window.Dilation != 1)
            throw new UnsupportedNodeException($"its window has a dilation of {window.Dilation}");
        bool counts = node.Whole("count_include_pad") != 0;
        if (node.Note == AdaptiveAvgPool2d.Declared.Kind)
        {
            Finish(c, node, x, new AdaptiveAvgPool2d(Whole(x, window)));
            return;
        }
        Node map = c.Stored(x);
        // Padding that counts may be wider than half the window.
        if (counts && !window.PadsAtMostHalf && window.Rounding != Rounding.Ceiling)
        {
            map = c.AddPart(node, "padded", new Pad2d(window.Padding), map);
            window = window with { Padding = 0 };
        }
        if (!counts && !window.PadsAtMostHalf && window.Rounding != Rounding.Ceiling)
            AddMeans(c, node, x, window);
        else
            Finish(c, node, x, new AvgPool2d(window.Kernel, window.Stride, window.Padding, window.Rounding, counts),
                map);
    }

    // Means with wide padding: the mean with the padding, times a constant for each position.
    private static void AddMeans(ImportContext c, OnnxNode node, Activation x, Window window)
    {
        Node map = c.Stored(x);
        c.Reserve((long)window.Output(map.Shape).Area * map.Shape.C);
        float[] factors = Shares(window, map.Shape);
        if (!factors.All(float.IsFinite))
            throw new UnsupportedNodeException("a window has padding only");
        Node padded = c.AddPart(node, "padded", new Pad2d(window.Padding), map),
            means = c.AddPart(node, "means", new AvgPool2d(window.Kernel, window.Stride, 0, window.Rounding), padded);
        Shape y = means.Shape;
        Node scaled = c.Add(node, new LayerScale(1), c.Stored(Activation.Of(means, x.Sizes[0], y.Length)));
        c.Write(scaled, ParameterRole.Scale, [.. Enumerable.Repeat(factors, y.C).SelectMany(each => each)],
            isFixed: true);
        c.Set(node, Activation.OfMap(scaled, y, x));
    }

    // The size of the window for each value that it has inside the map, at every position of the output.
    private static float[] Shares(Window window, Shape map)
    {
        Extent output = window.Output(map);
        int[] rows = Inside(output.H, window.Kernel.H, window.Stride.H, window.Padding.Top, map.H),
            columns = Inside(output.W, window.Kernel.W, window.Stride.W, window.Padding.Left, map.W);
        return [.. rows.SelectMany(row => columns.Select(column
            => (float)((double)window.Kernel.Area / (row * column))))];

        static int[] Inside(int outputs, int kernel, int stride, int before, int size) => [.. Enumerable.Range(0,
            outputs).Select(o => o * stride - before).Select(start => Math.Max(0, Math.Min(size, start + kernel)
                - Math.Max(0, start)))];
    }

    /// <summary>GlobalAveragePool: a <see cref="GlobalAvgPool2d"/>.</summary>
    public static void GlobalAverage(ImportContext c, OnnxNode node) => Global(c, node, new GlobalAvgPool2d());

    /// <summary>GlobalMaxPool: a <see cref="GlobalMaxPool2d"/>.</summary>
    public static void GlobalMax(ImportContext c, OnnxNode node) => Global(c, node, new GlobalMaxPool2d());

    /// <summary>Products with the matrices of the means: an <see cref="AdaptiveAvgPool2d"/>.</summary>
    public static void AdaptiveAverage(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        (OnnxTensor rows, OnnxTensor columns) = (c.Constant(node, 1), c.Constant(node, 2));
        if (x.Rank != 4 || rows.Sizes[1] != x.Sizes[2] || columns.Sizes[0] != x.Sizes[3])
            throw new InvalidDataException($"{node.Place}: the sizes of its matrices do not fit the map.");
        Extent output = ((int)rows.Sizes[0], (int)columns.Sizes[1]);
        if (!rows.ToReals().SequenceEqual(AdaptiveNodes.Means((int)x.Sizes[2], output.H))
            || !columns.ToReals().SequenceEqual(AdaptiveNodes.Transposed(
                AdaptiveNodes.Means((int)x.Sizes[3], output.W), (int)x.Sizes[3], output.W)))
            throw new UnsupportedNodeException("it multiplies the rows and columns of maps by matrices that are not "
                + "those of adaptive pooling");
        Finish(c, node, x, new AdaptiveAvgPool2d(output));
    }

    /// <summary>The maxima of slices: an <see cref="AdaptiveMaxPool2d"/>.</summary>
    public static void AdaptiveMax(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        long[] rows = node.Wholes("rows")!, columns = node.Wholes("columns")!;
        if (x.Rank != 4 || !AreBins(rows, x.Sizes[2]) || !AreBins(columns, x.Sizes[3]))
            throw new UnsupportedNodeException("it joins maxima of slices that are not those of adaptive pooling");
        Finish(c, node, x, new AdaptiveMaxPool2d((rows.Length / 2, columns.Length / 2)));
    }

    private static bool AreBins(long[] bins, long inputs) => Enumerable.Range(0, bins.Length / 2)
        .All(o => AdaptivePool2d.Bin(o, (int)inputs, bins.Length / 2) == (bins[2 * o], bins[2 * o + 1]));

    private static Extent Whole(Activation x, Window window)
        => ((int)x.Sizes[2] / window.Kernel.H, (int)x.Sizes[3] / window.Kernel.W);

    private static void Global(ImportContext c, OnnxNode node, Layer layer)
    {
        Activation x = c.Plain(c.Input(node));
        if (x.Rank < 3)
            throw new UnsupportedNodeException($"it works on a tensor of {x.Rank} dimensions; maps have 4");
        c.Set(node, Activation.Of(c.Add(node, layer, c.Stored(x)), [.. x.Sizes[..2],
            .. Enumerable.Repeat(1L, x.Rank - 2)]));
    }

    private static void Finish(ImportContext c, OnnxNode node, Activation x, Layer layer, Node? map = null)
    {
        Node pool = c.Add(node, layer, map ?? c.Stored(x));
        c.Set(node, Activation.OfMap(pool, pool.Shape, x));
    }
}
