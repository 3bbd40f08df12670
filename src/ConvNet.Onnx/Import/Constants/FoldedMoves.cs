namespace ConvNet.Onnx;

/// <summary>Functions that move the values of constants, mostly of the sizes that graphs compute.</summary>
internal static class FoldedMoves
{
    private const int FirstWithAxesInput = 13, FirstSliceInputs = 10, FirstProductInput = 18;

    /// <summary>Shape of a constant.</summary>
    public static OnnxTensor Shape(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        long[] sizes = inputs[0]!.Sizes;
        int start = Position(node.Whole("start")), end = Position(node.Whole("end", sizes.Length));
        return OnnxTensor.List(start < end ? sizes[start..end] : []);

        int Position(long axis) => (int)Math.Clamp(axis < 0 ? axis + sizes.Length : axis, 0, sizes.Length);
    }

    /// <summary>Gather.</summary>
    public static OnnxTensor Gather(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        (OnnxTensor x, OnnxTensor indices) = (inputs[0]!, inputs[1]!);
        int axis = Dimension(node.Whole("axis"), x.Sizes.Length);
        long size = x.Sizes[axis];
        return Taken(x, axis, [.. indices.ToWholes().Select(i => i < 0 ? i + size : i)],
            [.. x.Sizes[..axis], .. indices.Sizes, .. x.Sizes[(axis + 1)..]]);
    }

    /// <summary>Slice.</summary>
    public static OnnxTensor Slice(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        bool attributes = node.Version < FirstSliceInputs;
        long[] starts = attributes ? node.Wholes("starts")! : inputs[1]!.ToWholes(),
            ends = attributes ? node.Wholes("ends")! : inputs[2]!.ToWholes(),
            axes = (attributes ? node.Wholes("axes") : inputs.ElementAtOrDefault(3)?.ToWholes())
                ?? [.. starts.Select((_, i) => (long)i)],
            steps = inputs.ElementAtOrDefault(4)?.ToWholes() ?? [.. starts.Select(_ => 1L)];
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = Dimension(axes[i], x.Sizes.Length);
            long size = x.Sizes[axis], step = steps[i], least = step > 0 ? 0 : -1, most = step > 0 ? size : size - 1,
                start = Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], Math.Max(0, least), most),
                end = Math.Clamp(ends[i] < 0 && ends[i] >= -size ? ends[i] + size : ends[i], least, size);
            var taken = new List<long>();
            for (long at = start; step > 0 ? at < end : at > end && step < 0; at += step)
                taken.Add(at);
            x = Taken(x, axis, [.. taken], [.. x.Sizes[..axis], taken.Count, .. x.Sizes[(axis + 1)..]]);
        }
        return x;
    }

    /// <summary>Concat.</summary>
    public static OnnxTensor Concat(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        long[] sizes = [.. inputs[0]!.Sizes];
        int axis = Dimension(node.Whole("axis", 1), sizes.Length);
        sizes[axis] = inputs.Sum(each => each!.Sizes[axis]);
        int outer = (int)Views.Product(sizes[..axis]);
        var order = new List<(OnnxTensor From, long Start, long Length)>();
        for (int row = 0; row < outer; row++)
        {
            foreach (OnnxTensor? each in inputs)
                order.Add((each!, row * (each!.Length / outer), each.Length / outer));
        }
        return inputs.Any(each => each!.Kind == ElementKind.Real)
            ? OnnxTensor.Of(sizes, [.. order.SelectMany(part => part.From.ToReals()
                .Skip((int)part.Start).Take((int)part.Length))])
            : OnnxTensor.Of(sizes, [.. order.SelectMany(part => part.From.Wholes
                .Skip((int)part.Start).Take((int)part.Length))], inputs[0]!.Kind);
    }

    /// <summary>Reshape.</summary>
    public static OnnxTensor Reshape(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        long[] asked = node.Wholes("shape") ?? inputs[1]!.ToWholes(), sizes = [.. asked.Select((size, i) => size == 0
            && node.Whole("allowzero") == 0 ? x.Sizes[i] : size)];
        if (Array.IndexOf(sizes, -1) is >= 0 and var open)
            sizes[open] = x.Length / Math.Max(1, -Views.Product(sizes));
        return Sized(x, sizes);
    }

    /// <summary>Flatten.</summary>
    public static OnnxTensor Flatten(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        int axis = (int)node.Whole("axis", 1);
        axis = axis < 0 ? axis + x.Sizes.Length : axis;
        return Sized(x, [Views.Product(x.Sizes[..axis]), Views.Product(x.Sizes[axis..])]);
    }

    /// <summary>Squeeze.</summary>
    public static OnnxTensor Squeeze(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        long[]? axes = AxesOf(node, inputs);
        HashSet<int>? removed = axes?.Select(axis => Dimension(axis, x.Sizes.Length)).ToHashSet();
        return Sized(x, [.. x.Sizes.Where((size, d) => removed is null ? size != 1 : !removed.Contains(d))]);
    }

    /// <summary>Unsqueeze.</summary>
    public static OnnxTensor Unsqueeze(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        long[] axes = AxesOf(node, inputs)!;
        int rank = x.Sizes.Length + axes.Length;
        var added = axes.Select(axis => Dimension(axis, rank)).ToHashSet();
        var from = new Queue<long>(x.Sizes);
        return Sized(x, [.. Enumerable.Range(0, rank).Select(d => added.Contains(d) ? 1 : from.Dequeue())]);
    }

    /// <summary>Transpose.</summary>
    public static OnnxTensor Transpose(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        int rank = x.Sizes.Length;
        int[] order = node.Wholes("perm") is { } perm ? [.. perm.Select(d => Dimension(d, rank))]
            : [.. Enumerable.Range(0, rank).Reverse()];
        if (!order.Order().SequenceEqual(Enumerable.Range(0, rank)))
            throw new InvalidDataException($"{node.Place}: {string.Join(", ", order)} is not an order of {rank} "
                + "dimensions.");
        long[] strides = [.. Enumerable.Range(0, rank).Select(d => Views.Product(x.Sizes[(d + 1)..]))];
        return Selected(x, [.. order.Select(d => x.Sizes[d])], [.. order.Select(d => strides[d])]);
    }

    /// <summary>The values of real matrices in the order of their columns.</summary>
    public static float[] Swapped(OnnxTensor matrices)
    {
        int rank = matrices.Sizes.Length;
        long[] sizes = matrices.Sizes,
            strides = [.. Enumerable.Range(0, rank).Select(d => Views.Product(sizes[(d + 1)..]))];
        return Selected(matrices, [.. sizes[..^2], sizes[^1], sizes[^2]], [.. strides[..^2], strides[^1], strides[^2]])
            .ToReals();
    }

    /// <summary>Expand.</summary>
    public static OnnxTensor Expand(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
        => FoldedArithmetic.Of((a, _) => a, (a, _) => a)(node, [inputs[0], Zeros(inputs[0]!, inputs[1]!.ToWholes())]);

    /// <summary>Tile.</summary>
    public static OnnxTensor Tile(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        long[] repeats = inputs[1]!.ToWholes();
        for (int d = 0; d < repeats.Length; d++)
        {
            long size = x.Sizes[d], count = checked(size * repeats[d]);
            if (count < 0 || (double)count * x.Length / Math.Max(1, size) > Folding.MostValues)
                throw new UnsupportedNodeException($"it repeats a constant {repeats[d]} times");
            x = Taken(x, d, [.. Enumerable.Range(0, (int)count).Select(i => i % size)],
                [.. x.Sizes[..d], count, .. x.Sizes[(d + 1)..]]);
        }
        return x;
    }

    /// <summary>Range.</summary>
    public static OnnxTensor Range(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        double start = inputs[0]!.At(0), step = inputs[2]!.At(0),
            count = Math.Max(0, Math.Ceiling((inputs[1]!.At(0) - start) / step));
        if (!(count <= Folding.MostValues))
            throw new UnsupportedNodeException($"it makes a constant of {count:N0} values");
        IEnumerable<double> values = Enumerable.Range(0, (int)count).Select(i => start + i * step);
        return inputs[0]!.Kind == ElementKind.Real
            ? OnnxTensor.Of([(long)count], [.. values.Select(value => (float)value)])
            : OnnxTensor.List([.. values.Select(value => (long)value)]);
    }

    /// <summary>ReduceProd of all values.</summary>
    public static OnnxTensor Product(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        long[]? axes = node.Version >= FirstProductInput ? inputs.ElementAtOrDefault(1)?.ToWholes()
            : node.Wholes("axes");
        if (x.Sizes.Length > 1 && axes is not null)
            throw new UnsupportedNodeException("it multiplies along some dimensions of a constant");
        long[] sizes = node.Whole("keepdims", 1) != 0 ? [.. x.Sizes.Select(_ => 1L)] : [];
        return x.Kind == ElementKind.Real ? OnnxTensor.Of(sizes, [x.Reals.Aggregate(1f, (a, b) => a * b)])
            : OnnxTensor.Of(sizes, [x.Wholes.Aggregate(1L, (a, b) => a * b)]);
    }

    private static OnnxTensor Zeros(OnnxTensor like, long[] sizes)
    {
        if (sizes.Any(size => size < 0) || sizes.Aggregate(1.0, (a, b) => a * b) > Folding.MostValues)
            throw new UnsupportedNodeException($"it makes a constant of {string.Join('×', sizes)} values");
        int length = (int)Views.Product(sizes);
        return like.Kind == ElementKind.Real ? OnnxTensor.Of(sizes, new float[length])
            : OnnxTensor.Of(sizes, new long[length], like.Kind);
    }

    private static OnnxTensor Taken(OnnxTensor x, int axis, long[] at, long[] sizes)
    {
        long inner = Views.Product(x.Sizes[(axis + 1)..]), outer = Views.Product(x.Sizes[..axis]),
            size = x.Sizes[axis];
        if (at.Any(i => i < 0 || i >= size))
            throw new InvalidDataException($"an index is outside the {size} values of a constant.");
        if ((double)outer * at.Length * inner > Folding.MostValues)
            throw new UnsupportedNodeException($"it makes a constant of {string.Join('×', sizes)} values");
        var from = new int[outer * at.Length * inner];
        for (int i = 0; i < from.Length; i++)
            from[i] = (int)((i / inner / at.Length * size + at[i / inner % at.Length]) * inner + i % inner);
        return Picked(x, sizes, from);
    }

    private static OnnxTensor Selected(OnnxTensor x, long[] sizes, long[] strides)
    {
        var from = new int[x.Length];
        for (int i = 0; i < from.Length; i++)
        {
            long rest = i;
            for (int d = sizes.Length - 1; d >= 0; d--)
            {
                from[i] += (int)(rest % sizes[d] * strides[d]);
                rest /= sizes[d];
            }
        }
        return Picked(x, sizes, from);
    }

    private static OnnxTensor Picked(OnnxTensor x, long[] sizes, int[] from) => x.Kind == ElementKind.Real
        ? OnnxTensor.Of(sizes, Array.ConvertAll(from, i => x.Reals[i]))
        : OnnxTensor.Of(sizes, Array.ConvertAll(from, i => x.Wholes[i]), x.Kind);

    private static OnnxTensor Sized(OnnxTensor x, long[] sizes) => sizes.All(size => size >= 0)
        && Views.Product(sizes) == x.Length ? x.WithSizes(sizes)
        : throw new InvalidDataException($"a constant of {string.Join('×', x.Sizes)} values cannot have the sizes "
            + $"{string.Join('×', sizes)}.");

    private static long[]? AxesOf(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs) => node.Version
        < FirstWithAxesInput ? node.Wholes("axes") : inputs.ElementAtOrDefault(1)?.ToWholes();

    /// <summary>The dimension that an axis is, which counts from the end if it is negative.</summary>
    /// <exception cref="InvalidDataException">There is no such dimension.</exception>
    public static int Dimension(long axis, int rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw new InvalidDataException($"axis {axis} does not exist in a constant of {rank} dimensions.");
}
