namespace ConvNet.Onnx;

/// <summary>The import of arithmetic: of values with each other, and with constants.</summary>
internal static class ArithmeticImports
{
    /// <summary>Abs: a <see cref="Prelu"/> with slope −1.</summary>
    public static void Abs(ImportContext c, OnnxNode node) => ActivationImports.AddSlope(c, node, -1);

    /// <summary>Neg.</summary>
    public static void Neg(ImportContext c, OnnxNode node) => Scale(c, node, c.Input(node), -1, 0);

    /// <summary>Add.</summary>
    public static void Add(ImportContext c, OnnxNode node)
    {
        if (ConstantOf(c, node) is (var x, var constant, _))
            WithConstant(c, node, x, constant, value => (1, value));
        else
            Join(c, node, new Add());
    }

    /// <summary>Sub.</summary>
    public static void Sub(ImportContext c, OnnxNode node)
    {
        if (ConstantOf(c, node) is (var x, var constant, var first))
            WithConstant(c, node, x, constant, value => first ? (-1, value) : (1, -value));
        else
            Join(c, node, new Subtract());
    }

    /// <summary>Mul: a <see cref="LayerScale"/> if one factor is a constant.</summary>
    public static void Mul(ImportContext c, OnnxNode node)
    {
        if (ConstantOf(c, node) is (var x, var constant, _))
            WithConstant(c, node, x, constant, value => (value, 0));
        else
            Join(c, node, new Multiply(), scales: true);
    }

    /// <summary>Div by a constant.</summary>
    public static void Div(ImportContext c, OnnxNode node)
    {
        if (ConstantOf(c, node) is not (var x, var constant, false))
            throw new UnsupportedNodeException("no layer divides by a value that depends on the input");
        WithConstant(c, node, x, constant, value => (1 / value, 0));
    }

    /// <summary>Pow with the exponents 1, 2 and 3: products.</summary>
    public static void Pow(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        OnnxTensor exponent = c.Constant(node, 1);
        if (exponent.Length != 1 || exponent.At(0) is not (1 or 2 or 3))
            throw new UnsupportedNodeException(exponent.Length == 1
                ? $"no layer computes the power {exponent.At(0)}" : "its exponents differ");
        Node power = x.Node;
        if (exponent.At(0) == 3)
            power = c.AddPart(node, "square", new Multiply(), power, x.Node);
        if (exponent.At(0) > 1)
            power = c.Add(node, new Multiply(), power, x.Node);
        c.Set(node, x.With(power));
    }

    /// <summary>Sum.</summary>
    public static void Sum(ImportContext c, OnnxNode node)
    {
        if (node.Inputs.Count == 1)
            ShapeImports.Identity(c, node);
        else if (node.Inputs.Count == 2)
            Add(c, node);
        else
            Join(c, node, new Add());
    }

    /// <summary>Max: a <see cref="Clip"/> with a constant, or max pooling over the inputs.</summary>
    public static void Max(ImportContext c, OnnxNode node)
    {
        if (node.Inputs.Count == 1)
            ShapeImports.Identity(c, node);
        else if (ConstantOf(c, node) is (_, { Length: 1 } constant, _) && node.Inputs.Count == 2)
            ActivationImports.AddClip(c, Swapped(c, node), (float)constant.At(0), float.MaxValue);
        else
            Pooled(c, node, new MaxPool2d((node.Inputs.Count, 1)), negated: false);
    }

    /// <summary>Min: a <see cref="Clip"/> with a constant, or max pooling over the negated inputs.</summary>
    public static void Min(ImportContext c, OnnxNode node)
    {
        if (node.Inputs.Count == 1)
            ShapeImports.Identity(c, node);
        else if (ConstantOf(c, node) is (_, { Length: 1 } constant, _) && node.Inputs.Count == 2)
            ActivationImports.AddClip(c, Swapped(c, node), float.MinValue, (float)constant.At(0));
        else
            Pooled(c, node, new MaxPool2d((node.Inputs.Count, 1)), negated: true);
    }

    /// <summary>Mean: average pooling over the inputs.</summary>
    public static void Mean(ImportContext c, OnnxNode node)
    {
        if (node.Inputs.Count == 1)
            ShapeImports.Identity(c, node);
        else
            Pooled(c, node, new AvgPool2d((node.Inputs.Count, 1)), negated: false);
    }

    /// <summary>Returns the dimension along which a constant has a value for each channel; −1 if it has one value for
    /// all.</summary>
    /// <exception cref="UnsupportedNodeException">It has other values.</exception>
    public static int ChannelOf(Activation x, OnnxTensor constant)
    {
        if (constant.Length == 1)
            return constant.Sizes.Length > 1 && constant.Sizes.Length == x.Rank - 1 && x.Sizes[1] == 1 ? 1 : -1;
        int[] wide = [.. Enumerable.Range(0, constant.Sizes.Length).Where(i => constant.Sizes[i] != 1)];
        int dimension = wide.Length == 1 ? wide[0] + x.Rank - constant.Sizes.Length : -1;
        if (dimension < 1 || x.Sizes[dimension] != constant.Length)
            throw new UnsupportedNodeException($"a constant of {string.Join('×', constant.Sizes)} values meets a "
                + $"tensor of {Text(x)}; it must have one value, or one for each channel");
        return dimension;
    }

    /// <summary>Adds a layer that scales and shifts all values of a node by constants.</summary>
    public static Node AddAffine(ImportContext c, OnnxNode node, string part, Activation x, float scale, float shift)
    {
        int channels = x.Node.Shape.C;
        Node added = c.AddPart(node, part, new Conv2d(channels, 1, groups: channels), x.Node);
        c.Write(added, ParameterRole.Weight, [.. Enumerable.Repeat(scale, channels)], isFixed: true);
        c.Write(added, ParameterRole.Bias, [.. Enumerable.Repeat(shift, channels)], isFixed: true);
        return added;
    }

    /// <summary>Returns the sizes of a tensor as text, with N for the samples.</summary>
    public static string Text(Activation x) => $"N×{string.Join('×', x.Sizes.Skip(1))}";

    private static (Activation X, OnnxTensor Constant, bool First)? ConstantOf(ImportContext c, OnnxNode node)
    {
        for (int i = 0; i < 2; i++)
        {
            if (c.IsConstant(node, i))
                return (c.Input(node, 1 - i), c.Constant(node, i), i == 0);
        }
        return null;
    }

    // The value comes first.
    private static OnnxNode Swapped(ImportContext c, OnnxNode node)
        => c.IsConstant(node, 0) ? node with { Inputs = [node.Inputs[1], node.Inputs[0]] } : node;

    private static void WithConstant(ImportContext c, OnnxNode node, Activation x, OnnxTensor constant,
        Func<float, (float Scale, float Shift)> of)
    {
        // Before version 7, an attribute says where the dimensions of the constant are.
        if (node.Version < 7 && node.Has("axis") && constant.Length > 1)
        {
            int axis = x.Dimension(node.Whole("axis"));
            constant = constant.WithSizes([.. constant.Sizes, .. Enumerable.Repeat(1L, Math.Max(0, x.Rank - axis
                - constant.Sizes.Length))]);
        }
        int dimension = ChannelOf(x, constant);
        (float Scale, float Shift)[] values = [.. constant.ToReals().Select(of)];
        if (dimension < 0)
        {
            if (constant.Sizes.Length > x.Rank)
                throw new UnsupportedNodeException($"its constant has {constant.Sizes.Length} dimensions");
            Scale(c, node, x, values[0].Scale, values[0].Shift);
            return;
        }
        x = c.WithChannels(x, dimension);
        Node map = c.Stored(x), added;
        if (values.All(value => value.Shift == 0))
        {
            added = c.Add(node, new LayerScale(1), map);
            c.Write(added, ParameterRole.Scale, [.. values.Select(value => value.Scale)]);
        }
        else
        {
            added = c.Add(node, new Conv2d(map.Shape.C, 1, groups: map.Shape.C), map);
            c.Write(added, ParameterRole.Weight, [.. values.Select(value => value.Scale)], isFixed: true);
            c.Write(added, ParameterRole.Bias, [.. values.Select(value => value.Shift)]);
        }
        c.Set(node, x.With(added));
    }

    private static void Scale(ImportContext c, OnnxNode node, Activation x, float scale, float shift)
    {
        if ((scale, shift) == (1, 0))
        {
            c.Set(node, x);
            return;
        }
        if (shift != 0)
        {
            c.Set(node, x.With(AddAffine(c, node, "affine", x, scale, shift)));
            return;
        }
        Node added = c.Add(node, new LayerScale(scale), x.Node);
        c.Write(added, ParameterRole.Scale, [.. Enumerable.Repeat(scale, x.Node.Shape.C)], isFixed: true);
        c.Set(node, x.With(added));
    }

    // Values with different numbers of dimensions or different sizes.
    private static void Join(ImportContext c, OnnxNode node, Layer layer, bool scales = false)
    {
        Activation[] inputs = Inputs(c, node);
        Activation first = inputs[0];
        if (inputs.All(x => x.Stored.SequenceEqual(first.Stored) && x.Order.SequenceEqual(first.Order)))
        {
            Shape shape = first.Node.Shape;
            Node[] nodes = [.. inputs.Select(x => x.Node.Shape == shape ? x.Node : c.Stored(x))];
            if (nodes.Any(x => x.Shape != shape))
                nodes = [.. inputs.Select(x => c.Stored(x))];
            c.Set(node, first.With(c.Add(node, layer, nodes)));
            return;
        }
        inputs = [.. inputs.Select(x => c.Plain(x))];
        long[] sizes = Broadcast(inputs);
        Node[] maps = [.. inputs.Select(x => Spread(c, x, sizes, scales))];
        c.Set(node, Activation.Of(c.Add(node, layer, maps), sizes));
    }

    private static Activation[] Inputs(ImportContext c, OnnxNode node)
        => [.. Enumerable.Range(0, node.Inputs.Count).Select(i => c.Input(node, i))];

    private static long[] Broadcast(Activation[] inputs)
    {
        int rank = inputs[0].Rank;
        if (inputs.Any(x => x.Rank != rank))
            throw new UnsupportedNodeException($"it joins tensors of {string.Join(" and ", inputs.Select(Text))}, "
                + "whose first dimensions are not both the samples");
        long[] sizes = [.. Enumerable.Range(0, rank).Select(d => inputs.Max(x => x.Sizes[d]))];
        foreach (Activation x in inputs)
        {
            if (x.Sizes.Where((size, d) => size != sizes[d] && size != 1).Any())
                throw new InvalidDataException($"tensors of {string.Join(" and ", inputs.Select(Text))} do not fit "
                    + "together.");
        }
        return sizes;
    }

    /// <summary>Spreads a value for each channel, which <see cref="Multiply"/> does itself, or for each pixel over a
    /// map.</summary>
    /// <param name="c">The import.</param>
    /// <param name="x">The value.</param>
    /// <param name="sizes">The sizes of the map.</param>
    /// <param name="scales">Whether a <see cref="Multiply"/> reads it.</param>
    /// <exception cref="UnsupportedNodeException">It has other values.</exception>
    public static Node Spread(ImportContext c, Activation x, long[] sizes, bool scales = false)
    {
        Node map = c.Stored(x);
        Shape wanted = ImportContext.ShapeOf(sizes);
        if (map.Shape.C == 1 && wanted.C > 1 && (map.Shape.IsVector || map.Shape.Area == wanted.Area))
        {
            // Every channel is the same map.
            Node channels = c.AddNamed($"{map.Name}.channels", new Conv2d(wanted.C, 1, bias: false), map);
            c.Write(channels, ParameterRole.Weight, [.. Enumerable.Repeat(1f, wanted.C)], isFixed: true);
            map = channels;
        }
        if (map.Shape == wanted || (scales && map.Shape == Shape.Vector(wanted.C)))
            return map;
        return map.Shape == Shape.Vector(wanted.C)
            ? c.AddNamed(null, new Upsample(size: (wanted.H, wanted.W)), map)
            : throw new UnsupportedNodeException($"no layer spreads {Text(x)} values over "
                + $"N×{string.Join('×', sizes.Skip(1))}");
    }

    // The inputs become the rows of a map of as many rows as there are inputs.
    private static void Pooled(ImportContext c, OnnxNode node, Layer pool, bool negated)
    {
        Activation[] inputs = [.. Inputs(c, node).Select(x => c.Plain(x))];
        if (inputs.Any(x => !x.Sizes.SequenceEqual(inputs[0].Sizes)))
            throw new UnsupportedNodeException("its inputs have different sizes");
        Node[] maps = [.. inputs.Select(x => c.Stored(x))];
        int length = maps[0].Shape.Length;
        Node rows = c.AddPart(node, "rows", new Reshape(new Shape(1, maps.Length, length)),
            c.AddPart(node, "all", new Concat(), maps));
        if (negated)
            rows = Negated(c, node, "negated", rows);
        Node pooled = c.AddPart(node, "pooled", pool, rows);
        if (negated)
            pooled = Negated(c, node, "minimum", pooled);
        c.Set(node, inputs[0].With(c.Add(node, new Reshape(maps[0].Shape), pooled)));
    }

    private static Node Negated(ImportContext c, OnnxNode node, string part, Node x)
    {
        Node added = c.AddPart(node, part, new LayerScale(-1), x);
        c.Write(added, ParameterRole.Scale, [.. Enumerable.Repeat(-1f, x.Shape.C)], isFixed: true);
        return added;
    }
}
