using Onnx;

namespace ConvNet.Onnx;

/// <summary>The import of convolutions and pooling of volumes, N×C×D×H×W, by layers of maps.</summary>
/// <remarks>
/// A window of pooling covers a map and then the depth, one after the other. A convolution reads the slices that
/// belong to one output slice as further channels, and the windows of all output slices stand below each other in one
/// map, so that the layer has the weights of the file.
/// </remarks>
internal static class VolumeImports
{
    private const int Rank = 5;

    /// <summary>Whether a value has the dimensions of a volume.</summary>
    public static bool IsVolume(Activation x) => x.Rank == Rank;

    /// <summary>Pooling, whose windows are products of those of the maps and of the depth.</summary>
    /// <param name="c">The import.</param>
    /// <param name="node">The node.</param>
    /// <param name="x">The volume.</param>
    /// <param name="ofMaps">The import of the operator on maps.</param>
    public static void Pool(ImportContext c, OnnxNode node, Activation x, OperatorImport ofMaps)
    {
        string output = node.Outputs[0], volume = $"{output}.volume", maps = $"{output}.maps",
            slices = $"{output}.slices", depth = $"{output}.depth";
        long[] s = x.Sizes;
        c.Define(volume, Activation.Of(x.Node, s[0], s[1] * s[2], s[3], s[4]));
        ofMaps(c, Part(node, isDepth: false) with { Name = maps, Inputs = [volume], Outputs = [maps] });
        Activation pooled = c.Plain(c.Find(maps)!);
        long[] map = pooled.Sizes[2..];
        c.Define(slices, Activation.Of(pooled.Node, s[0], s[1], s[2], Views.Product(map)));
        ofMaps(c, Part(node, isDepth: true) with { Name = depth, Inputs = [slices], Outputs = [depth] });
        pooled = c.Plain(c.Find(depth)!);
        c.Set(node, Activation.Of(pooled.Node, [s[0], s[1], pooled.Sizes[2], .. map]));
    }

    /// <summary>Conv: a <see cref="Conv2d"/> over the windows of slices.</summary>
    public static void Conv(ImportContext c, OnnxNode node, Activation x, OnnxTensor w, int groups)
    {
        long[] s = x.Sizes;
        Window depth = Spatial.Of(Part(node, isDepth: true), [s[0], s[1], s[2], 1], [w.Sizes[2], 1]).Window,
            map = Spatial.Of(Part(node, isDepth: false), [s[0], s[1], s[3], s[4]], w.Sizes[3..]).Window;
        int slices = depth.Output(new Shape((int)s[1], (int)s[2], 1)).H;
        Extent size = map.Output(new Shape((int)s[1], (int)s[3], (int)s[4]));
        // A window starts at a multiple of the stride, so that no window covers rows of two slices.
        int stride = map.Stride.H, rows = (int)s[3] + map.Padding.Top + map.Padding.Bottom,
            steps = (rows + stride - 1) / stride;
        Node windows = Windows(c, node, x, depth, slices, (map.Padding.Top, steps * stride - (int)s[3]
            - map.Padding.Top));
        Node tall = c.AddPart(node, "tall", new Reshape(new Shape(windows.Shape.C, slices * steps * stride, (int)s[4])),
            windows);
        float[]? bias = c.Optional(node, 2)?.ToReals();
        Node conv = c.Add(node, new Conv2d((int)w.Sizes[0], map.Kernel, map.Stride, new Padding(0,
            map.Padding.Left, Math.Max(0, map.Reach.H - stride), map.Padding.Right), map.Dilation, groups,
            bias is not null, Rounding.Floor), tall);
        c.Write(conv, ParameterRole.Weight, w.ToReals());
        if (bias is not null)
            c.Write(conv, ParameterRole.Bias, bias);
        Activation y = Activation.Of(conv, s[0], w.Sizes[0], slices, steps, size.W);
        c.Set(node, steps == size.H ? y : ShapeImports.Cut(c, node, y, (3, 0, size.H, 1), isLast: false));
    }

    // The slices of the window of each output slice as channels: C·kernel × output slices × rows·columns.
    private static Node Windows(ImportContext c, OnnxNode node, Activation x, Window depth, int slices,
        (int Top, int Bottom) rows)
    {
        long[] s = x.Sizes;
        Node padded = Padded(c, node, "rows", c.Stored(Activation.Of(x.Node, s[0], s[1] * s[2], s[3], s[4])), rows);
        padded = c.Stored(Activation.Of(padded, s[0], s[1], s[2], padded.Shape.Area));
        padded = Padded(c, node, "slices", padded, (depth.Padding.Top, depth.Padding.Bottom));
        Activation volume = Activation.Of(padded, s[0], s[1], padded.Shape.H, padded.Shape.W);
        int taps = depth.Kernel.H, stride = slices == 1 ? 1 : depth.Stride.H, length = (slices - 1) * stride + 1;
        Node[] pieces = [.. Enumerable.Range(0, taps).Select(tap => length == padded.Shape.H && stride == 1 ? padded
            : ShapeImports.Cut(c, node, volume, (2, tap * depth.Dilation.H, length, stride), isLast: false).Node)];
        if (taps == 1)
            return pieces[0];
        // The weights have the taps of a channel next to each other.
        Node joined = c.AddPart(node, "taps", new Concat(), pieces);
        return s[1] == 1 ? joined : c.AddPart(node, "channels", new ChannelShuffle(taps), joined);
    }

    private static Node Padded(ImportContext c, OnnxNode node, string part, Node map, (int Before, int Behind) rows)
        => rows == (0, 0) ? map
            : c.AddPart(node, part, new Pad2d(new Padding(rows.Before, 0, rows.Behind, 0)), map);

    /// <summary>Returns the node for one of the windows that its window is the product of.</summary>
    /// <param name="node">The node.</param>
    /// <param name="isDepth">Whether it is the window of the depth, as rows, rather than of rows and columns.</param>
    private static OnnxNode Part(OnnxNode node, bool isDepth)
    {
        const int Axes = Rank - 2;
        var attributes = new Dictionary<string, AttributeProto>(node.Attributes, StringComparer.Ordinal);
        foreach (string name in (string[])["kernel_shape", "strides", "dilations", "pads"])
        {
            if (node.Wholes(name) is not { } values)
                continue;
            bool isPads = name == "pads";
            if (values.Length != (isPads ? 2 * Axes : Axes))
                throw new InvalidDataException($"{node.Place}: {name} has {values.Length} values for {Axes} "
                    + "dimensions.");
            attributes[name] = OnnxAttribute.OfWholes(name, isPads
                ? [.. Chosen(values[..Axes], 0), .. Chosen(values[Axes..], 0)] : Chosen(values, 1));
        }
        return node with { Attributes = attributes };

        long[] Chosen(long[] values, long ofColumns) => isDepth ? [values[0], ofColumns] : values[1..];
    }
}
