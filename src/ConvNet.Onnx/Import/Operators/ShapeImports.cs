using Onnx;

namespace ConvNet.Onnx;

/// <summary>The import of operators that move values.</summary>
internal static class ShapeImports
{
    private const int FirstWithInputs = 10, FirstWithAxesInput = 13, FirstReshapeInput = 5,
        MostPieces = 1_000;

    /// <summary>Identity.</summary>
    public static void Identity(ImportContext c, OnnxNode node)
    {
        c.Set(node, c.Input(node));
    }

    /// <summary>Cast between types of real numbers, of which all but the shortest are computed in single
    /// precision.</summary>
    public static void Cast(ImportContext c, OnnxNode node)
    {
        const int Shortest = (int)TensorProto.Types.DataType.Bfloat16;
        int to = node.Has("to") && node.Attributes["to"].S.Length > 0
            ? (int)Enum.Parse<TensorProto.Types.DataType>(node.Attributes["to"].S.ToStringUtf8(), ignoreCase: true)
            : (int)node.Whole("to");
        if (TensorReader.KindOf(to) != ElementKind.Real || to == Shortest)
            throw new UnsupportedNodeException($"it converts to {TensorReader.NameOf(to)}");
        Identity(c, node);
    }

    /// <summary>Shape: a constant, in which the number of samples is free unless the file says it.</summary>
    public static void Shape(ImportContext c, OnnxNode node)
    {
        long[] sizes = c.Input(node).Sizes[c.Lead..];
        int start = Position(node.Whole("start")), end = Position(node.Whole("end", sizes.Length));
        long[] values = start < end ? sizes[start..end] : [];
        c.Define(node.Outputs[0], Folding.Marked(OnnxTensor.List(values), c.Batch == ImportContext.FreeBatch));

        int Position(long axis) => (int)Math.Clamp(axis < 0 ? axis + sizes.Length : axis, 0, sizes.Length);
    }

    /// <summary>Size: a constant.</summary>
    public static void Size(ImportContext c, OnnxNode node)
        => c.Define(node.Outputs[0], Folding.Marked(OnnxTensor.Of([], [Views.Product(c.Input(node).Sizes)]),
            c.Batch == ImportContext.FreeBatch));

    /// <summary>Flatten: a <see cref="ConvNet.Flatten"/>; of an unbatched tensor, another view of it.</summary>
    public static void Flatten(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        long axis = node.Whole("axis", 1);
        if (c.Lead > 0)
        {
            // The axis may also be the one behind the last.
            int from = axis == x.Rank - 1 ? x.Rank : c.Dimension(x, axis);
            c.Set(node, Activation.Of(x.Node, 1, Views.Product(x.Sizes[1..from]), Views.Product(x.Sizes[from..])));
            return;
        }
        if (axis != 1 && axis + x.Rank != 1)
            throw new UnsupportedNodeException($"it flattens from dimension {axis} on; a layer flattens samples");
        Node flat = c.Add(node, new Flatten(), x.Node);
        c.Set(node, Activation.Of(flat, x.Sizes[0], flat.Shape.C));
    }

    /// <summary>Reshape: a <see cref="ConvNet.Flatten"/> or a <see cref="ConvNet.Reshape"/>, unless the values of a
    /// sample are seen as before.</summary>
    public static void Reshape(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node), c.NameOf(node));
        long[] asked = c.Lifted(node.Version < FirstReshapeInput ? node.Wholes("shape") ?? []
            : c.Constant(node, 1, isShape: true).ToWholes());
        long[] sizes = Resolved(node, x.Sizes, asked);
        if (sizes.Length == 0 || sizes[0] != x.Sizes[0])
            throw new UnsupportedNodeException($"it makes a tensor of {string.Join('×', asked)} of "
                + $"{ArithmeticImports.Text(x)}, so that its first dimension is not the samples");
        Shape shape = ImportContext.ShapeOf(sizes);
        Activation y = Activation.Of(x.Node, sizes);
        // Other numbers of dimensions are intermediate, as in a shuffle of channels.
        bool intermediate = sizes.Length is not (2 or 4);
        if (!intermediate && x.Node.Shape != shape)
            y = y.With(c.Add(node, sizes.Length == 2 ? new Flatten() : new Reshape(shape), x.Node));
        c.Set(node, y);
    }

    /// <summary>Squeeze.</summary>
    public static void Squeeze(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        long[]? axes = AxesOf(c, node);
        HashSet<int> dimensions = axes is null
            ? [.. Enumerable.Range(1, x.Rank - 1).Where(d => x.Sizes[d] == 1)]
            : [.. axes.Select(axis => c.Dimension(x, axis))];
        if (dimensions.Contains(0))
            throw new UnsupportedNodeException("it removes the dimension of the samples");
        if (dimensions.FirstOrDefault(d => x.Sizes[d] != 1, -1) is > 0 and var wide)
            throw new InvalidDataException($"{node.Place} removes dimension {wide}, whose size is {x.Sizes[wide]}.");
        c.Set(node, Without(x, dimensions));
    }

    /// <summary>Unsqueeze.</summary>
    public static void Unsqueeze(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        long[] axes = AxesOf(c, node) ?? throw new InvalidDataException($"{node.Place} has no axes.");
        int rank = x.Rank + axes.Length;
        var added = axes.Select(axis => c.Dimension(x, axis, axes.Length)).ToHashSet();
        if (added.Contains(0))
            throw new UnsupportedNodeException("it adds a dimension before that of the samples");
        var from = new Queue<long>(x.Sizes);
        c.Set(node, Activation.Of(x.Node, [.. Enumerable.Range(0, rank).Select(d => added.Contains(d) ? 1
            : from.Dequeue())]));
    }

    /// <summary>Transpose: another view, which becomes a <see cref="Permute"/> where a layer needs one, or if the
    /// export says so.</summary>
    public static void Transpose(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        long[] order = node.Wholes("perm") ?? [.. Enumerable.Range(0, x.Rank - c.Lead).Reverse().Select(d => (long)d)];
        order = c.Lead > 0 ? [0, .. order.Select(d => d + 1)] : order;
        if (!order.Order().SequenceEqual(Enumerable.Range(0, x.Rank).Select(d => (long)d)))
            throw new InvalidDataException($"{node.Place}: {string.Join(", ", order)} is not an order of {x.Rank} "
                + "dimensions.");
        if (node.Note != Permute.Declared.Kind || x.Rank > 4 || order[0] != 0)
        {
            c.Set(node, x.Transposed([.. order.Select(d => (int)d)], c.NameOf(node)));
            return;
        }
        Node moved = c.Add(node, new Permute(Views.OrderOf([.. order.Select(d => (int)d)])), c.Map(x));
        c.Set(node, Activation.Of(moved, [.. order.Select(d => x.Sizes[d])]));
    }

    /// <summary>Concat: a <see cref="ConvNet.Concat"/> of channels, rows or columns.</summary>
    public static void Concat(ImportContext c, OnnxNode node)
    {
        Activation[] inputs = [.. Enumerable.Range(0, node.Inputs.Count).Select(i => c.Input(node, i))];
        int axis = c.Dimension(inputs[0], node.Whole("axis", 1));
        if (inputs.Any(x => x.Rank != inputs[0].Rank))
            throw new InvalidDataException($"{node.Place} joins tensors of different numbers of dimensions.");
        inputs = [.. inputs.Select(x => c.WithChannels(x, axis))];
        if (inputs.Any(x => !x.Order.SequenceEqual(inputs[0].Order)))
            inputs = [.. inputs.Select(x => c.WithChannels(c.Plain(x), axis))];
        Node joined = c.Add(node, new Concat(), [.. inputs.Select(x => c.Stored(x))]);
        long[] sizes = [.. inputs[0].Stored];
        sizes[1] = joined.Shape.C;
        c.Set(node, inputs[0].With(joined, sizes));
    }

    /// <summary>Slice: a <see cref="ConvNet.Slice"/> for each dimension; a step is a pooling of single
    /// pixels.</summary>
    public static void Slice(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        bool attributes = node.Version < FirstWithInputs;
        long[] starts = attributes ? node.Wholes("starts") ?? [] : c.Constant(node, 1).ToWholes(),
            ends = attributes ? node.Wholes("ends") ?? [] : c.Constant(node, 2).ToWholes(),
            axes = (attributes ? node.Wholes("axes") : c.Optional(node, 3)?.ToWholes())
                ?? [.. Enumerable.Range(0, starts.Length).Select(d => (long)d)],
            steps = (attributes ? null : c.Optional(node, 4)?.ToWholes()) ?? [.. starts.Select(_ => 1L)];
        if (starts.Length != ends.Length || starts.Length != axes.Length || starts.Length != steps.Length)
            throw new InvalidDataException($"{node.Place} has {starts.Length} starts, {ends.Length} ends, "
                + $"{axes.Length} axes and {steps.Length} steps.");
        var parts = new List<(int Dimension, int Start, int Length, int Step)>();
        for (int i = 0; i < starts.Length; i++)
        {
            int dimension = c.Dimension(x, axes[i]);
            long size = x.Sizes[dimension], start = Clamped(starts[i], size), end = Clamped(ends[i], size);
            if (steps[i] < 0)
            {
                x = Reversed(c, node, x, dimension, (starts[i], ends[i], steps[i]));
                continue;
            }
            if (steps[i] == 0)
                throw new InvalidDataException($"{node.Place} has a step of 0.");
            if (start == 0 && end == size && steps[i] == 1)
                continue;
            if (dimension == 0)
                throw new UnsupportedNodeException("it selects samples");
            parts.Add((dimension, (int)start, (int)Math.Max(0, end - start), (int)Math.Min(steps[i], int.MaxValue)));
        }
        if (parts.Any(part => part.Length == 0))
        {
            c.Define(node.Outputs[0], Empty(c, x, parts));
            return;
        }
        for (int i = 0; i < parts.Count; i++)
            x = Cut(c, node, x, parts[i], isLast: i == parts.Count - 1);
        c.Set(node, x);

        static long Clamped(long position, long size)
            => Math.Clamp(position < 0 && position >= -size ? position + size : position, 0, size);
    }

    // Without values, the result is a constant.
    private static OnnxTensor Empty(ImportContext c, Activation x,
        List<(int Dimension, int Start, int Length, int Step)> parts)
    {
        if (c.IsFree)
            throw new UnsupportedNodeException("it selects no values");
        long[] sizes = x.Sizes;
        foreach ((int dimension, _, int length, int step) in parts)
            sizes[dimension] = (length + (long)step - 1) / step;
        return OnnxTensor.Of(sizes[c.Lead..], (float[])[]);
    }

    /// <summary>Gather of successive channels, rows or columns: a <see cref="ConvNet.Slice"/>.</summary>
    public static void Gather(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        OnnxTensor indices = c.Constant(node, 1);
        int dimension = c.Dimension(x, node.Whole("axis"));
        long[] at = [.. indices.ToWholes().Select(i => i < 0 ? i + x.Sizes[dimension] : i)];
        if (dimension == 0)
            throw new UnsupportedNodeException("it selects samples");
        if (at.Length == 0 || at.Any(i => i < 0 || i >= x.Sizes[dimension]))
            throw new UnsupportedNodeException("it selects no values, or some that do not exist");
        if (indices.Sizes.Length > 1 || at.Index().Any(each => each.Item != at[0] + each.Index))
        {
            Select(c, node, x, dimension, at, indices.Sizes);
            return;
        }
        if (at.Length < x.Sizes[dimension])
            x = Cut(c, node, x, (dimension, (int)at[0], at.Length, 1), isLast: true);
        c.Set(node, indices.Sizes.Length > 0 ? x : Without(x, [dimension]));
    }

    private static Activation Reversed(ImportContext c, OnnxNode node, Activation x, int dimension,
        (long Start, long End, long Step) part)
    {
        if (dimension == 0)
            throw new UnsupportedNodeException("it selects samples");
        long size = x.Sizes[dimension],
            start = Math.Clamp(part.Start < 0 ? part.Start + size : part.Start, 0, size - 1),
            end = Math.Clamp(part.End < 0 && part.End >= -size ? part.End + size : part.End, -1, size),
            step = Math.Max(part.Step, -size), count = Math.Max(0, (start - end - step - 1) / -step);
        if (count == 0)
            throw new UnsupportedNodeException("it selects no values");
        // Every value is a piece.
        if (count > MostPieces)
            throw new UnsupportedNodeException($"it selects more than {MostPieces} pieces");
        long[] at = [.. Enumerable.Range(0, (int)count).Select(i => start + i * step)];
        string name = $"{node.Outputs[0]}.reversed{dimension}";
        Select(c, node with { Name = name, Outputs = [name] }, x, dimension, at, [count]);
        return c.Find(name)!;
    }

    // Joins pieces of successive values.
    private static void Select(ImportContext c, OnnxNode node, Activation x, int dimension, long[] at, long[] sizes)
    {
        long[] of = x.Sizes;
        x = c.WithChannels(x, dimension);
        Node map = c.Stored(x);
        var pieces = new List<Node>();
        for (int i = 0, length; i < at.Length; i += length)
        {
            for (length = 1; i + length < at.Length && at[i + length] == at[i] + length;)
                length++;
            if (pieces.Count == MostPieces)
                throw new UnsupportedNodeException($"it selects more than {MostPieces} pieces");
            pieces.Add(c.AddPart(node, "piece", new Slice(SliceAxis.Channels, (int)at[i], length), map));
        }
        long[] stored = [.. x.Stored];
        stored[1] = at.Length;
        x = c.Plain(x.With(pieces.Count == 1 ? pieces[0] : c.Add(node, new Concat(), [.. pieces]), stored));
        c.Set(node, Activation.Of(x.Node, [.. of[..dimension], .. sizes, .. of[(dimension + 1)..]]));
    }

    /// <summary>Split: a <see cref="ConvNet.Slice"/> for each output.</summary>
    public static void Split(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        int dimension = c.Dimension(x, node.Whole("axis"));
        long size = x.Sizes[dimension];
        int count = node.Outputs.Count;
        long[]? lengths = node.Wholes("split") ?? c.Optional(node, 1)?.ToWholes();
        if (lengths is null)
        {
            long each = (size + count - 1) / count;
            lengths = [.. Enumerable.Range(0, count).Select(i => Math.Clamp(size - i * each, 0, each))];
        }
        if (dimension == 0)
            throw new UnsupportedNodeException("it divides the samples");
        if (lengths.Length != count || lengths.Sum() != size || lengths.Any(length => length < 0))
            throw new InvalidDataException($"{node.Place} divides {size} values into {string.Join(" + ", lengths)}.");
        int start = 0;
        for (int i = 0; i < count; start += (int)lengths[i++])
        {
            if (!c.IsRead(node, i))
                continue;
            OnnxNode part = node with { Outputs = [node.Outputs[i]], Name = "", Inputs = [node.Inputs[0]] };
            c.Set(part, lengths[i] == size ? x
                : Cut(c, part, x, (dimension, start, (int)lengths[i], 1), isLast: true));
        }
    }

    /// <summary>DepthToSpace: a <see cref="PixelShuffle"/>, after a shuffle of channels for the mode DCR.</summary>
    public static void DepthToSpace(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        int factor = Factor(node);
        Node map = c.Stored(x);
        if (node.Text("mode", "DCR") == "DCR" && factor > 1)
            map = c.AddPart(node, "shuffle", new ChannelShuffle(factor * factor), map);
        Map(c, node, x, c.Add(node, new PixelShuffle(factor), map));
    }

    /// <summary>SpaceToDepth: a <see cref="PixelUnshuffle"/> and a shuffle of channels.</summary>
    public static void SpaceToDepth(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        Node map = c.Stored(x);
        Map(c, node, x, c.Add(node, new ChannelShuffle(map.Shape.C),
            c.AddPart(node, "unshuffle", new PixelUnshuffle(Factor(node)), map)));
    }

    /// <summary>Returns the value without dimensions of size 1.</summary>
    public static Activation Without(Activation x, HashSet<int> dimensions)
    {
        int[] order = [.. x.Order.Where((_, d) => !dimensions.Contains(d))], kept = [.. order.Order()];
        return (x with
        {
            Stored = [.. kept.Select(d => x.Stored[d])],
            Order = [.. order.Select(d => Array.IndexOf(kept, d))],
        }).Simplified();
    }

    private static void Map(ImportContext c, OnnxNode node, Activation x, Node map)
        => c.Set(node, Activation.Of(map, x.Sizes[0], map.Shape.C, map.Shape.H, map.Shape.W));

    private static int Factor(OnnxNode node) => node.Whole("blocksize") is >= 1 and < 1 << 15 and var factor
        ? (int)factor : throw new InvalidDataException($"{node.Place} has the blocksize {node.Whole("blocksize")}.");

    /// <summary>Selects successive values, or every few of them, along a dimension.</summary>
    public static Activation Cut(ImportContext c, OnnxNode node, Activation x,
        (int Dimension, int Start, int Length, int Step) part, bool isLast)
    {
        if (x.Rank > 4)
            return CutRows(c, node, x, part, isLast);
        // A step is along rows or columns.
        if (part.Step > 1 && x.Order[part.Dimension] == 1)
            x = c.WithChannels(x, part.Dimension == 1 ? 2 : 1);
        int dimension = x.Order[part.Dimension];
        Node map = c.Stored(x);
        long[] sizes = [.. x.Stored];
        sizes[dimension] = (part.Length + part.Step - 1) / part.Step;
        var cut = new Slice((SliceAxis)(dimension - 1), part.Start, part.Length);
        if (part.Step == 1)
            return x.With(isLast ? c.Add(node, cut, map) : c.AddPart(node, "slice", cut, map), sizes);
        if (part.Length < x.Stored[dimension])
            map = c.AddPart(node, "slice", cut, map);
        var step = new MaxPool2d(1, dimension == 2 ? (part.Step, 1) : (1, part.Step), rounding: Rounding.Floor);
        return x.With(isLast ? c.Add(node, step, map) : c.AddPart(node, "step", step, map), sizes);
    }

    // Of more dimensions than those of a map, the one that is cut becomes the rows.
    private static Activation CutRows(ImportContext c, OnnxNode node, Activation x,
        (int Dimension, int Start, int Length, int Step) part, bool isLast)
    {
        x = c.Plain(x);
        long[] sizes = x.Sizes;
        Activation rows = Activation.Of(x.Node, sizes[0], Views.Product(sizes[1..part.Dimension]),
            sizes[part.Dimension], Views.Product(sizes[(part.Dimension + 1)..]));
        rows = Cut(c, node, rows, part with { Dimension = 2 }, isLast);
        sizes[part.Dimension] = rows.Sizes[2];
        return Activation.Of(rows.Node, sizes);
    }

    private static long[]? AxesOf(ImportContext c, OnnxNode node) => node.Version < FirstWithAxesInput
        ? node.Wholes("axes") : c.Optional(node, 1)?.ToWholes();

    private static long[] Resolved(OnnxNode node, long[] from, long[] asked)
    {
        bool keepsZeros = node.Whole("allowzero") != 0;
        long[] sizes = [.. asked.Select((size, i) => size != 0 || keepsZeros ? size : i < from.Length ? from[i]
            : throw new InvalidDataException($"{node.Place} keeps dimension {i} of a tensor of {from.Length}."))];
        if (Array.IndexOf(sizes, -1) is >= 0 and var open)
        {
            // The number of samples is left out of the product, which might not fit.
            bool keeps = open > 0 && sizes[0] == from[0];
            long all = Views.Product(keeps ? from[1..] : from),
                others = Views.Product([.. sizes.Where((size, i) => i != open && !(keeps && i == 0))]);
            sizes[open] = others > 0 ? all / others : 0;
        }
        return sizes.Length > 0 && sizes[0] == from[0] && Views.Product(sizes[1..]) != Views.Product(from[1..])
            ? throw new InvalidDataException($"{node.Place} makes {string.Join('×', asked)} of "
                + $"N×{string.Join('×', from.Skip(1))}, which has another number of values.")
            : sizes;
    }
}
