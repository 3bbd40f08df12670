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

    /// <summary>Div: a product with the reciprocal.</summary>
    public static void Div(ImportContext c, OnnxNode node)
    {
        if (ConstantOf(c, node) is (var x, var constant, false))
        {
            WithConstant(c, node, x, constant, value => (1 / value, 0));
            return;
        }
        string reciprocal = $"{node.Outputs[0]}.reciprocal";
        ActivationImports.Reciprocal(c,
            node with { Name = reciprocal, Outputs = [reciprocal], Inputs = [node.Input(1)] });
        Mul(c, node with { Inputs = [node.Input(0), reciprocal] });
    }

    /// <summary>Pow with one exponent: a <see cref="ConvNet.Pow"/>, or products for 1, 2 and 3.</summary>
    public static void Pow(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        OnnxTensor exponent = c.Constant(node, 1);
        if (exponent.Length < 1 || exponent.ToReals().Distinct().Count() != 1)
            throw new UnsupportedNodeException("its exponents differ");
        if (exponent.Sizes.Length > x.Rank - c.Lead)
            throw new UnsupportedNodeException($"its exponents have {exponent.Sizes.Length} dimensions");
        if (exponent.At(0) is not (1 or 2 or 3) || node.Note == ConvNet.Pow.Declared.Kind)
        {
            c.Set(node, x.With(c.Add(node, new Pow((float)exponent.At(0)), x.Node)));
            return;
        }
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
        c.Fill(added, ParameterRole.Weight, scale);
        c.Fill(added, ParameterRole.Bias, shift);
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
            int axis = c.Dimension(x, node.Whole("axis"));
            constant = constant.WithSizes([.. constant.Sizes, .. Enumerable.Repeat(1L, Math.Max(0, x.Rank - axis
                - constant.Sizes.Length))]);
        }
        if (constant.Sizes.Length > x.Rank)
            throw new UnsupportedNodeException($"its constant has {constant.Sizes.Length} dimensions");
        long[]? whole = null;
        if (IsOfSeveralDimensions(x, constant))
        {
            // Every value of a sample becomes a channel.
            (x, whole) = (c.Plain(x), x.Sizes);
            constant = Spread(c, constant, whole[1..]);
            x = Activation.Of(x.Node, whole[0], constant.Length);
        }
        int dimension = ChannelOf(x, constant);
        (float Scale, float Shift)[] values = [.. constant.ToReals().Select(of)];
        if (dimension < 0)
        {
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
        c.Set(node, whole is null ? x.With(added) : Activation.Of(added, whole));
    }

    /// <summary>Whether a constant differs along several dimensions of a sample, and not along that of the
    /// samples.</summary>
    public static bool IsOfSeveralDimensions(Activation x, OnnxTensor constant)
    {
        int first = x.Rank - constant.Sizes.Length;
        int[] wide = [.. Enumerable.Range(0, constant.Sizes.Length).Where(i => constant.Sizes[i] != 1)];
        return wide.Length > 1 && wide[0] + first > 0 && wide.All(i => constant.Sizes[i] == x.Sizes[i + first]);
    }

    /// <summary>Returns the values of a constant for all values of a sample.</summary>
    public static OnnxTensor Spread(ImportContext c, OnnxTensor constant, long[] sizes)
    {
        c.Reserve(Views.Product(sizes));
        int more = sizes.Length - constant.Sizes.Length;
        long[] of = more >= 0 ? [.. Enumerable.Repeat(1L, more), .. constant.Sizes] : constant.Sizes[-more..];
        float[] from = constant.ToReals(), values = new float[Views.Product(sizes)];
        for (int i = 0; i < values.Length; i++)
        {
            long rest = i, at = 0, stride = 1;
            for (int d = sizes.Length - 1; d >= 0; d--)
            {
                (rest, long position) = Math.DivRem(rest, sizes[d]);
                at += of[d] == 1 ? 0 : position * stride;
                stride *= of[d];
            }
            values[i] = from[at];
        }
        return OnnxTensor.Of([values.Length], values);
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
        c.Fill(added, ParameterRole.Scale, scale);
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
        if (c.Lead > 0)
            inputs = [.. inputs.Select(x => c.Widened(x, inputs.Max(each => each.Rank)))];
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

    /// <summary>Spreads a value over its dimensions of size 1. With a value for each channel, <see cref="Multiply"/>
    /// does that itself.</summary>
    /// <param name="c">The import.</param>
    /// <param name="x">The value.</param>
    /// <param name="sizes">The sizes of the map.</param>
    /// <param name="scales">Whether a <see cref="Multiply"/> reads it.</param>
    public static Node Spread(ImportContext c, Activation x, long[] sizes, bool scales = false)
    {
        Shape own = ImportContext.ShapeOf(x.Stored), wanted = ImportContext.ShapeOf(sizes);
        if (own.C == 1 && wanted.C > 1 && (own.IsVector || own.Area == wanted.Area))
        {
            // Every channel is the same map.
            Node map = c.Stored(x), channels = c.AddNamed($"{map.Name}.channels", new Conv2d(wanted.C, 1, bias: false),
                map);
            c.Fill(channels, ParameterRole.Weight, 1);
            x = Activation.Of(channels, sizes[0], wanted.C, channels.Shape.H, channels.Shape.W);
            own = channels.Shape;
        }
        if (own == wanted || (scales && own == Shape.Vector(wanted.C)))
            return c.Stored(x);
        if (own == Shape.Vector(wanted.C))
            return c.AddNamed(null, new Upsample(size: (wanted.H, wanted.W)), c.Stored(x));
        for (int d = 1; d < sizes.Length; d++)
        {
            if (x.Sizes[d] != sizes[d])
                x = c.Repeated(x, d, sizes[d]);
        }
        return c.Stored(x);
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

    /// <summary>Adds a layer that negates all values of a node.</summary>
    public static Node Negated(ImportContext c, OnnxNode node, string part, Node x)
    {
        Node added = c.AddPart(node, part, new LayerScale(-1), x);
        c.Fill(added, ParameterRole.Scale, -1);
        return added;
    }
}
