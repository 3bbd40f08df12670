namespace ConvNet.Onnx;

/// <summary>The import of padding and resizing.</summary>
internal static class ResizeImports
{
    private const int FirstPadInputs = 11, FirstWithPads = 2, FirstResize = 11, FirstUpsampleInput = 9,
        FirstTile = 6, MostWeights = 1 << 24;

    /// <summary>Pad: a <see cref="Pad2d"/>, and a <see cref="Slice"/> where a padding is negative. Channels are
    /// padded as rows.</summary>
    public static void Pad(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        bool attributes = node.Version < FirstPadInputs;
        long[] pads = attributes ? node.Wholes(node.Version < FirstWithPads ? "paddings" : "pads") ?? []
            : c.Constant(node, 1).ToWholes();
        if (!attributes && c.Optional(node, 3)?.ToWholes() is { } axes)
            pads = OfAllAxes(c, node, x, pads, axes);
        if (pads.Length == 2 * x.Rank && x.Rank > 4)
            throw new UnsupportedNodeException($"it pads a tensor of {x.Rank} dimensions; maps have 4");
        if (pads.Length != 2 * x.Rank)
            throw new InvalidDataException($"{node.Place} has {pads.Length} pads for a tensor of {x.Rank} dimensions.");
        string mode = node.Text("mode", "constant");
        double value = attributes ? node.Real("value") : c.Scalar(node, 2, 0);
        if (pads[0] != 0 || pads[x.Rank] != 0)
            throw new UnsupportedNodeException("it pads samples");
        PadMode how = mode switch
        {
            "constant" => PadMode.Zeros,
            "reflect" => PadMode.Reflect,
            "edge" => PadMode.Replicate,
            _ => throw new UnsupportedNodeException($"no layer pads in the mode \"{Excerpt.Of(mode)}\""),
        };
        bool channels = Of(1, 0) != 0 || Of(1, x.Rank) != 0;
        if (channels && x.Rank < 3)
            throw new UnsupportedNodeException("it pads vectors; a layer pads maps");
        string within = $"{node.Outputs[0]}.within";
        if (!channels || pads.Index().Any(each => each.Index % x.Rank > 1 && each.Item != 0))
            x = Padded(c, channels ? node with { Name = within, Outputs = [within] } : node, x,
                new Padding(Of(2, 0), Of(3, 0), Of(2, x.Rank), Of(3, x.Rank)), how, value);
        if (channels)
        {
            // The channels become rows.
            Activation rows = c.WithChannels(x, 2),
                y = Padded(c, node, Activation.Of(c.Stored(rows), rows.Stored),
                    new Padding(Of(1, 0), 0, Of(1, x.Rank), 0), how, value);
            x = rows.With(y.Node, y.Stored);
        }
        c.Set(node, x);

        int Of(int dimension, int from) => dimension >= x.Rank ? 0
            : (int)Math.Clamp(pads[from + dimension], int.MinValue, int.MaxValue);
    }

    // Pads the rows and columns of a value whose dimensions are in the order in which they are stored.
    private static Activation Padded(ImportContext c, OnnxNode node, Activation x, Padding padding, PadMode how,
        double value)
    {
        Node map = padding.Least < 0 ? Cropped(c, node, x, padding) : c.Stored(x);
        padding = new Padding(Math.Max(0, padding.Top), Math.Max(0, padding.Left), Math.Max(0, padding.Bottom),
            Math.Max(0, padding.Right));
        bool isFilled = how == PadMode.Zeros && value != 0 && padding != 0;
        Node padded = isFilled ? c.AddPart(node, "zeros", new Pad2d(padding, how), map)
            : c.Add(node, new Pad2d(padding, how), map);
        Shape y = padded.Shape;
        Activation result = Activation.OfMap(padded, y, x);
        if (!isFilled)
            return result;
        AddBorder(c, node, result, padding, (float)value);
        return c.Find(node.Outputs[0])!;
    }

    // A layer pads with 0, to which the value is added.
    private static void AddBorder(ImportContext c, OnnxNode node, Activation x, Padding padding, float value)
    {
        Shape y = x.Node.Shape;
        c.Reserve(y.Area);
        float[] border = new float[y.Area];
        for (int i = 0; i < border.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, y.W);
            bool isInside = row >= padding.Top && row < y.H - padding.Bottom && column >= padding.Left
                && column < y.W - padding.Right;
            border[i] = isInside ? 0 : value;
        }
        string zeros = $"{node.Outputs[0]}.zeros", values = $"{node.Outputs[0]}.border";
        c.Define(zeros, x);
        c.Define(values, OnnxTensor.Of(x.Rank == 3 ? [y.H] : [y.H, y.W], border));
        ArithmeticImports.Add(c, node with { Inputs = [zeros, values] });
    }

    /// <summary>Expand of a value for each channel or each pixel.</summary>
    public static void Expand(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        long[] asked = c.Constant(node, 1, isShape: true).ToWholes();
        if (c.Lead == 0 && asked.Length > x.Rank)
            throw new UnsupportedNodeException("it adds dimensions before that of the samples");
        x = c.Widened(x, asked.Length + c.Lead);
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
        if (x.Rank < 2 || sizes[0] != x.Sizes[0])
            throw new UnsupportedNodeException("it repeats samples");
        c.Set(node, Activation.Of(ArithmeticImports.Spread(c, x, sizes), sizes));
    }

    /// <summary>Tile: an <see cref="ConvNet.Upsample"/> for each dimension.</summary>
    public static void Tile(ImportContext c, OnnxNode node)
    {
        if (node.Version < FirstTile)
            throw new UnsupportedNodeException("its first version repeats along an axis that is an input");
        Activation x = c.Input(node);
        long[] times = c.Lifted(c.Constant(node, 1).ToWholes());
        if (times.Length != x.Rank)
            throw new InvalidDataException($"{node.Place} repeats {times.Length - c.Lead} dimensions of a tensor of "
                + $"{x.Rank - c.Lead}.");
        if (times[0] != 1)
            throw new UnsupportedNodeException("it repeats samples");
        if (times.Any(each => each < 1))
            throw new UnsupportedNodeException("it selects no values");
        for (int d = 1; d < x.Rank; d++)
        {
            if (times[d] > 1)
                x = c.Repeated(x, d, times[d]);
        }
        c.Set(node, x);
    }

    /// <summary>Upsample: the operator before <see cref="Resize"/>.</summary>
    public static void Upsample(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        float[]? scales = node.Version < FirstUpsampleInput ? node.Reals("scales")
            ?? [1, 1, node.Real("height_scale", 1), node.Real("width_scale", 1)] : c.Constant(node, 1).ToReals();
        Add(c, node, x, scales, null, new ResizePositions("asymmetric", "floor", node.Text("mode", "nearest")));
    }

    /// <summary>Resize: an <see cref="ConvNet.Upsample"/>, if its positions are those of the operator; otherwise,
    /// convolutions with the weights of the interpolation, along the rows and the columns.</summary>
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
            int[] of = [.. axes.Select(axis => c.Dimension(x, axis))];
            scales = scales is null ? null : [.. Whole(of, scales, _ => 1f)];
            sizes = sizes is null ? null : [.. Whole(of, sizes, d => x.Sizes[d])];
        }
        if (node.Whole("antialias") != 0)
            throw new UnsupportedNodeException("it smooths (antialias)");
        var positions = new ResizePositions(node.Text("coordinate_transformation_mode", "half_pixel"),
            node.Text("nearest_mode", "round_prefer_floor"), mode,
            // Torch aligns the corners of the output as it is; the operator those of one whose size is not rounded.
            node.Note == ConvNet.Upsample.Declared.Kind || c.IsOfTorch)
        {
            CubicCoefficient = node.Real("cubic_coeff_a", -0.75f),
            ExcludesOutside = node.Whole("exclude_outside") != 0,
            Region = c.Optional(node, 1) is { Length: > 0 } region ? region.ToReals() : null,
        };
        float outside = positions.IsCropped ? node.Real("extrapolation_value") : 0;
        if (outside == 0)
        {
            Add(c, node, x, scales, sizes, positions);
            return;
        }
        // What is outside is 0: the value is taken away before and added behind.
        string resized = $"{node.Outputs[0]}.resized";
        Add(c, node with { Name = resized, Outputs = [resized] },
            x.With(ArithmeticImports.AddAffine(c, node, "inside", x, 1, -outside)), scales, sizes, positions);
        Activation y = c.Find(resized)!;
        c.Set(node, y.With(ArithmeticImports.AddAffine(c, node, "outside", y, 1, outside)));

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
        if (positions.Mode is not ("nearest" or "linear" or "bilinear" or "cubic"))
            throw new UnsupportedNodeException($"no layer interpolates in the mode \"{Excerpt.Of(positions.Mode)}\"");
        if (scales is null)
            ImportContext.ShapeOf(sizes!);
        bool linear = positions.Mode != "nearest", aligned = positions.Coordinates == "align_corners";
        if (positions.Mode == "cubic")
        {
            Interpolate(c, node, x, scales, sizes, positions);
            return;
        }
        Node map = c.Stored(x);
        UpsampleMode how = linear ? UpsampleMode.Bilinear : UpsampleMode.Nearest;
        Upsample layer = scales is not null
            ? new Upsample(new ScaleFactor(scales[2], scales.Length > 3 ? scales[3] : 1), how, linear && aligned)
            : new Upsample(default, how, linear && aligned, ((int)sizes![2], sizes.Length > 3 ? (int)sizes[3] : 1));
        Shape y = layer.Infer(map.Shape);
        if (!positions.AreThose(layer, map.Shape, y))
        {
            Interpolate(c, node, x, scales, sizes, positions);
            return;
        }
        Node resized = c.Add(node, layer, map);
        c.Set(node, Activation.OfMap(resized, y, x));
    }

    // Each row is a sum of rows, and each column one of columns: convolutions in which they are the channels.
    private static void Interpolate(ImportContext c, OnnxNode node, Activation x, float[]? scales, long[]? sizes,
        ResizePositions positions)
    {
        for (int d = 2; d < x.Rank; d++)
        {
            int inputs = (int)x.Sizes[d];
            // As in ONNX Runtime, the product is rounded to float: 10 values by a factor of 1.3 are 13.
            double factor = scales is not null ? scales[d] : (double)sizes![d] / inputs,
                outputs = scales is not null ? MathF.Floor(inputs * scales[d]) : sizes![d];
            if (outputs < 1 || outputs * inputs > MostWeights)
                throw new UnsupportedNodeException($"it makes {outputs:N0} values of {inputs:N0} along a dimension");
            float[] weights = positions.Weights(d, inputs, (int)outputs, factor);
            if (outputs == inputs && weights.Index().All(each => each.Item
                == (each.Index / inputs == each.Index % inputs ? 1 : 0)))
                continue;
            x = c.WithChannels(x, d);
            Node sums = c.AddPart(node, d == 2 ? "rows" : "columns", new Conv2d((int)outputs, 1, bias: false),
                c.Stored(x));
            c.Write(sums, ParameterRole.Weight, weights, isFixed: true);
            x = x.With(sums, [x.Stored[0], (long)outputs, .. x.Stored[2..]]);
        }
        c.Set(node, x);
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

    private static long[] OfAllAxes(ImportContext c, OnnxNode node, Activation x, long[] pads, long[] axes)
    {
        if (pads.Length != 2 * axes.Length)
            throw new InvalidDataException($"{node.Place} has {pads.Length} pads for {axes.Length} axes.");
        var all = new long[2 * x.Rank];
        for (int i = 0; i < axes.Length; i++)
        {
            int dimension = c.Dimension(x, axes[i]);
            (all[dimension], all[x.Rank + dimension]) = (pads[i], pads[axes.Length + i]);
        }
        return all;
    }
}
