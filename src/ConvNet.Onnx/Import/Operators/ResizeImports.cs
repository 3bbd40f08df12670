namespace ConvNet.Onnx;

/// <summary>The import of padding and resizing.</summary>
internal static class ResizeImports
{
    private const int FirstPadInputs = 11, FirstWithPads = 2, FirstResize = 11, FirstUpsampleInput = 9;

    /// <summary>Pad: a <see cref="Pad2d"/>, and a <see cref="Slice"/> where a padding is negative.</summary>
    public static void Pad(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        bool attributes = node.Version < FirstPadInputs;
        long[] pads = attributes ? node.Wholes(node.Version < FirstWithPads ? "paddings" : "pads") ?? []
            : c.Constant(node, 1).ToWholes();
        if (!attributes && c.Optional(node, 3)?.ToWholes() is { } axes)
            pads = OfAllAxes(node, x, pads, axes);
        if (pads.Length != 2 * x.Rank || x.Rank > 4)
            throw new InvalidDataException($"{node.Place} has {pads.Length} pads for a tensor of {x.Rank} dimensions.");
        string mode = node.Text("mode", "constant");
        double value = attributes ? node.Real("value") : c.Scalar(node, 2, 0);
        if (mode == "constant" && value != 0)
            throw new UnsupportedNodeException($"it pads with {value}; a layer pads with 0");
        if (pads[0] != 0 || pads[1] != 0 || pads[x.Rank] != 0 || pads[x.Rank + 1] != 0)
            throw new UnsupportedNodeException("it pads samples or channels");
        var padding = new Padding(Of(2, 0), Of(3, 0), Of(2, x.Rank), Of(3, x.Rank));
        PadMode how = mode switch
        {
            "constant" => PadMode.Zeros,
            "reflect" => PadMode.Reflect,
            "edge" => PadMode.Replicate,
            _ => throw new UnsupportedNodeException($"no layer pads in the mode \"{Excerpt.Of(mode)}\""),
        };
        Node map = padding.Least < 0 ? Cropped(c, node, x, padding) : c.Stored(x);
        padding = new Padding(Math.Max(0, padding.Top), Math.Max(0, padding.Left), Math.Max(0, padding.Bottom),
            Math.Max(0, padding.Right));
        Node padded = c.Add(node, new Pad2d(padding, how), map);
        Shape y = padded.Shape;
        c.Set(node, Activation.Of(padded, [.. new[] { x.Sizes[0], y.C, y.H, y.W }.Take(x.Rank)]));

        int Of(int dimension, int from) => dimension >= x.Rank ? 0
            : (int)Math.Clamp(pads[from + dimension], int.MinValue, int.MaxValue);
    }

    /// <summary>Expand of a value for each channel or each pixel.</summary>
    public static void Expand(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        long[] asked = c.Constant(node, 1, isShape: true).ToWholes();
        if (asked.Length > x.Rank)
            throw new UnsupportedNodeException("it adds dimensions before that of the samples");
        long[] sizes = x.Sizes;
        for (int i = 0; i < asked.Length; i++)
        {
            int at = x.Rank - asked.Length + i;
            if (asked[i] != 1 && sizes[at] == 1)
                sizes[at] = asked[i];
        }
        if (sizes.SequenceEqual(x.Sizes))
        {
            c.Set(node, x);
            return;
        }
        if (x.Rank is < 2 or > 4 || sizes[0] != x.Sizes[0])
            throw new UnsupportedNodeException("it repeats samples");
        c.Set(node, Activation.Of(ArithmeticImports.Spread(c, x, sizes), sizes));
    }

    /// <summary>Upsample: the operator before <see cref="Resize"/>.</summary>
    public static void Upsample(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        float[]? scales = node.Version < FirstUpsampleInput ? node.Reals("scales")
            ?? [1, 1, node.Real("height_scale", 1), node.Real("width_scale", 1)] : c.Constant(node, 1).ToReals();
        Add(c, node, x, scales, null, new ResizePositions("asymmetric", "floor", node.Text("mode", "nearest")));
    }

    /// <summary>Resize: an <see cref="ConvNet.Upsample"/>, if its positions are those of the operator.</summary>
    public static void Resize(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        string mode = node.Text("mode", "nearest");
        if (node.Version < FirstResize)
        {
            Add(c, node, x, c.Constant(node, 1).ToReals(), null, new ResizePositions("asymmetric", "floor", mode));
            return;
        }
        float[]? scales = c.Optional(node, 2) is { Length: > 0 } given ? given.ToReals() : null;
        long[]? sizes = c.Optional(node, 3, isShape: true)?.ToWholes();
        if (node.Text("keep_aspect_ratio_policy", "stretch") is not "stretch" and var policy)
            throw new UnsupportedNodeException($"its policy is {Excerpt.Of(policy)}; a layer stretches");
        if (node.Wholes("axes") is { } axes)
        {
            int[] of = [.. axes.Select(axis => x.Dimension(axis))];
            scales = scales is null ? null : [.. Whole(of, scales, _ => 1f)];
            sizes = sizes is null ? null : [.. Whole(of, sizes, d => x.Sizes[d])];
        }
        if (node.Whole("antialias") != 0)
            throw new UnsupportedNodeException("it smooths (antialias)");
        Add(c, node, x, scales, sizes, new ResizePositions(
            node.Text("coordinate_transformation_mode", "half_pixel"),
            node.Text("nearest_mode", "round_prefer_floor"), mode, node.Note == ConvNet.Upsample.Declared.Kind));

        T[] Whole<T>(int[] of, T[] values, Func<int, T> otherwise)
        {
            T[] all = [.. Enumerable.Range(0, x.Rank).Select(otherwise)];
            for (int i = 0; i < Math.Min(of.Length, values.Length); i++)
                all[of[i]] = values[i];
            return all;
        }
    }

    private static void Add(ImportContext c, OnnxNode node, Activation x, float[]? scales, long[]? sizes,
        ResizePositions positions)
    {
        if (x.Rank is not (3 or 4) || (scales?.Length ?? sizes?.Length) != x.Rank)
            throw new UnsupportedNodeException($"it resizes {scales?.Length ?? sizes?.Length} dimensions of a tensor "
                + $"of {x.Rank}; a layer resizes maps");
        if (scales is not null ? scales[0] != 1 || scales[1] != 1 : sizes![0] != x.Sizes[0] || sizes[1] != x.Sizes[1])
            throw new UnsupportedNodeException("it resizes samples or channels");
        if (positions.Mode is not ("nearest" or "linear" or "bilinear"))
            throw new UnsupportedNodeException($"no layer interpolates in the mode \"{Excerpt.Of(positions.Mode)}\"");
        bool linear = positions.Mode != "nearest", aligned = positions.Coordinates == "align_corners";
        Node map = c.Stored(x);
        UpsampleMode how = linear ? UpsampleMode.Bilinear : UpsampleMode.Nearest;
        Upsample layer = scales is not null
            ? new Upsample(new ScaleFactor(scales[2], scales.Length > 3 ? scales[3] : 1), how, linear && aligned)
            : new Upsample(default, how, linear && aligned, ((int)sizes![2], sizes.Length > 3 ? (int)sizes[3] : 1));
        Shape y = layer.Infer(map.Shape);
        if (!positions.AreThose(layer, map.Shape, y))
            throw new UnsupportedNodeException($"its positions ({Excerpt.Of(positions.Coordinates)}"
                + (linear ? "" : $", {Excerpt.Of(positions.Nearest)}") + $") are not those of a layer for "
                + $"{map.Shape} to {y}");
        Node resized = c.Add(node, layer, map);
        c.Set(node, Activation.Of(resized, [.. new[] { x.Sizes[0], y.C, y.H, y.W }.Take(x.Rank)]));
    }

    private static Node Cropped(ImportContext c, OnnxNode node, Activation x, Padding padding)
    {
        Node map = c.Stored(x);
        (int top, int left) = (Math.Max(0, -padding.Top), Math.Max(0, -padding.Left));
        int rows = map.Shape.H - top - Math.Max(0, -padding.Bottom),
            columns = map.Shape.W - left - Math.Max(0, -padding.Right);
        if (rows < map.Shape.H)
            map = c.AddPart(node, "rows", new Slice(SliceAxis.Rows, top, rows), map);
        return columns < map.Shape.W
            ? c.AddPart(node, "columns", new Slice(SliceAxis.Columns, left, columns), map) : map;
    }

    private static long[] OfAllAxes(OnnxNode node, Activation x, long[] pads, long[] axes)
    {
        if (pads.Length != 2 * axes.Length)
            throw new InvalidDataException($"{node.Place} has {pads.Length} pads for {axes.Length} axes.");
        var all = new long[2 * x.Rank];
        for (int i = 0; i < axes.Length; i++)
        {
            int dimension = x.Dimension(axes[i]);
            (all[dimension], all[x.Rank + dimension]) = (pads[i], pads[axes.Length + i]);
        }
        return all;
    }
}
