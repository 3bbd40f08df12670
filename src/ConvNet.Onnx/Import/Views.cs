namespace ConvNet.Onnx;

/// <summary>Brings values into the form in which layers read them.</summary>
internal static class Views
{
    private static readonly (AxisOrder Order, int[] Dimensions)[] s_orders =
    [
        (AxisOrder.Chw, [0, 1, 2, 3]), (AxisOrder.Cwh, [0, 1, 3, 2]), (AxisOrder.Hcw, [0, 2, 1, 3]),
        (AxisOrder.Hwc, [0, 2, 3, 1]), (AxisOrder.Wch, [0, 3, 1, 2]), (AxisOrder.Whc, [0, 3, 2, 1]),
    ];

    /// <summary>Returns the node whose map has the stored dimensions as channels, rows and columns.</summary>
    public static Node Stored(this ImportContext c, Activation x, string? name = null)
    {
        Shape shape = ImportContext.ShapeOf(x.Stored);
        return x.Node.Shape == shape ? x.Node
            : c.AddNamed(name, shape.IsVector ? new Flatten() : new Reshape(shape), x.Node);
    }

    /// <summary>Returns the node whose map has the dimensions of the tensor as channels, rows and columns.</summary>
    public static Node Map(this ImportContext c, Activation x) => c.Stored(c.Plain(x));

    /// <summary>Returns the value with its dimensions in the order in which they are stored.</summary>
    /// <param name="c">The import.</param>
    /// <param name="x">The value.</param>
    /// <param name="name">The name of the layer that reorders more dimensions than those of a map.</param>
    /// <exception cref="UnsupportedNodeException">The dimension of the samples moves.</exception>
    public static Activation Plain(this ImportContext c, Activation x, string? name = null)
    {
        if (x.IsPlain)
            return x;
        if (x.Order[0] != 0)
            throw new UnsupportedNodeException("a transposition moves the dimension of the samples");
        if (x.Rank <= 4)
        {
            return Activation.Of(c.AddNamed(x.Name, new Permute(OrderOf(x.Order)), c.Stored(x)), x.Sizes);
        }
        if (Rearranged(x, out Shape from) is { } layer)
            return Activation.Of(c.AddNamed(name ?? x.Name, layer, c.Reshaped(x.Node, from)), x.Sizes);
        Activation simple = x.Simplified();
        return simple.IsPlain ? simple : c.Moved(x);
    }

    /// <summary>Returns a value with ones among its sizes, before those of the file, so that it has as many
    /// dimensions.</summary>
    public static Activation Widened(this ImportContext c, Activation x, int rank)
    {
        if (x.Rank >= rank)
            return x;
        x = c.Plain(x);
        return Activation.Of(x.Node, [x.Sizes[0], .. Enumerable.Repeat(1L, rank - x.Rank), .. x.Sizes[1..]]);
    }

    /// <summary>Repeats a value along a dimension, as a map of one row for what precedes the dimension.</summary>
    public static Activation Repeated(this ImportContext c, Activation x, int dimension, long times)
    {
        x = c.Plain(x);
        long[] sizes = x.Sizes;
        Node row = c.Stored(Activation.Of(x.Node, sizes[0], Product(sizes[1..dimension]), 1,
            Product(sizes[dimension..])));
        sizes[dimension] = checked(sizes[dimension] * times);
        ImportContext.ShapeOf(sizes);
        return Activation.Of(c.AddNamed(null, new Upsample(size: ((int)times, row.Shape.W)), row), sizes);
    }

    /// <summary>Returns the product of sizes.</summary>
    public static long Product(long[] sizes) => sizes.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Returns a view of the value in which a dimension is stored as the channels.</summary>
    public static Activation WithChannels(this ImportContext c, Activation x, int dimension)
    {
        // Further dimensions are columns of the map.
        if (dimension == 1 && x.Rank > 1 && x.IsPlain)
            return x;
        if (dimension == 0 || dimension >= x.Rank || x.Order[0] != 0)
            throw new UnsupportedNodeException(dimension == 0 ? "it works on the dimension of the samples"
                : $"it works on dimension {dimension} of a tensor of {x.Rank} dimensions");
        if (x.Order[dimension] == 1)
            return x;
        int[] rest = [.. Enumerable.Range(1, x.Rank - 1).Where(d => d != dimension)], order = [0, dimension, .. rest];
        Activation moved = c.Plain(x.Transposed(order, $"{x.Node.Name}.channels"));
        var back = new int[x.Rank];
        for (int i = 0; i < x.Rank; i++)
            back[order[i]] = i;
        return moved with { Order = back };
    }

    /// <summary>Returns the order of at most four dimensions, of which the first stays.</summary>
    public static AxisOrder OrderOf(int[] order) => s_orders.Single(each => each.Dimensions.SequenceEqual(
        (int[])[.. order, .. Enumerable.Range(order.Length, 4 - order.Length)])).Order;

    // Two dimensions more, reordered: what torch's layers of this kind become in ONNX.
    private static Layer? Rearranged(Activation x, out Shape from)
    {
        int[] order = x.Order;
        long[] s = x.Stored;
        int tail = (int)s.Skip(3).Aggregate(1L, (product, size) => product * size);
        from = default;
        if (order.Take(3).SequenceEqual([0, 2, 1]) && order.Skip(3).SequenceEqual(Enumerable.Range(3, x.Rank - 3)))
        {
            from = x.Node.Shape.C == s[1] * s[2] ? x.Node.Shape : new Shape((int)(s[1] * s[2]), tail, 1);
            return new ChannelShuffle((int)s[1]);
        }
        if (x.Rank == 6 && order.SequenceEqual([0, 1, 4, 2, 5, 3]) && s[2] == s[3])
        {
            from = new Shape((int)(s[1] * s[2] * s[3]), (int)s[4], (int)s[5]);
            return new PixelShuffle((int)s[2]);
        }
        if (x.Rank == 6 && order.SequenceEqual([0, 1, 3, 5, 2, 4]) && s[3] == s[5])
        {
            from = new Shape((int)s[1], (int)(s[2] * s[3]), (int)(s[4] * s[5]));
            return new PixelUnshuffle((int)s[3]);
        }
        return null;
    }

    // Any other order: the dimensions that do not stay where they are move to the end, one after the other.
    private static Activation Moved(this ImportContext c, Activation x)
    {
        int stay = Enumerable.Range(0, x.Rank).TakeWhile(d => x.Order[d] == d).Count();
        List<int> now = [.. Enumerable.Range(0, x.Rank)];
        Node node = x.Node;
        foreach (int dimension in x.Order.Skip(stay))
        {
            int at = now.IndexOf(dimension);
            long before = Product([.. now[1..at].Select(d => x.Stored[d])]),
                behind = Product([.. now[(at + 1)..].Select(d => x.Stored[d])]);
            now.RemoveAt(at);
            now.Add(dimension);
            if (x.Stored[dimension] > 1 && behind > 1)
                node = c.AddNamed(null, new Permute(AxisOrder.Cwh),
                    c.Reshaped(node, new Shape((int)before, (int)x.Stored[dimension], (int)behind)));
        }
        return Activation.Of(node, x.Sizes);
    }

    private static Node Reshaped(this ImportContext c, Node node, Shape shape)
        => node.Shape == shape ? node : c.AddNamed(null, new Reshape(shape), node);
}
