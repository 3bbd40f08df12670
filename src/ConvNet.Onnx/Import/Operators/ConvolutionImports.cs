namespace ConvNet.Onnx;

/// <summary>The import of convolutions and products with matrices of weights.</summary>
internal static class ConvolutionImports
{
    /// <summary>Conv: a <see cref="Conv2d"/>.</summary>
    public static void Conv(ImportContext c, OnnxNode node)
    {
        (Activation x, OnnxTensor w) = Operands(c, node);
        int groups = Groups(node);
        if (w.Sizes[1] * groups != x.Sizes[1])
            throw new InvalidDataException($"{node.Place}: its weights are {string.Join('×', w.Sizes)} for {groups} "
                + $"groups, but the input has {x.Sizes[1]} channels.");
        if (VolumeImports.IsVolume(x))
        {
            VolumeImports.Conv(c, node, x, w, groups);
            return;
        }
        Window window = Spatial.Of(node, x.Sizes, w.Sizes[2..]).Window;
        float[]? bias = c.Optional(node, 2)?.ToReals();
        Finish(c, node, x, c.Add(node, new Conv2d((int)w.Sizes[0], window.Kernel, window.Stride, window.Padding,
            window.Dilation, groups, bias is not null, window.Rounding), c.Stored(x)), w.ToReals(), bias);
    }

    /// <summary>ConvTranspose: a <see cref="ConvTranspose2d"/>.</summary>
    public static void Transposed(ImportContext c, OnnxNode node)
    {
        (Activation x, OnnxTensor w) = Operands(c, node);
        Spatial spatial = Spatial.Transposed(node, x.Sizes, w.Sizes[2..]);
        Window window = spatial.Window;
        int groups = Groups(node);
        if (w.Sizes[0] != x.Sizes[1])
            throw new InvalidDataException($"{node.Place}: its weights are {string.Join('×', w.Sizes)}, but the input "
                + $"has {x.Sizes[1]} channels.");
        float[]? bias = c.Optional(node, 2)?.ToReals();
        Finish(c, node, x, c.Add(node, new ConvTranspose2d(checked((int)(w.Sizes[1] * groups)), window.Kernel,
            window.Stride, window.Padding, spatial.OutputPadding, window.Dilation, groups, bias is not null),
            c.Stored(x)),
            w.ToReals(), bias);
    }

    /// <summary>Gemm with constant weights: a <see cref="Linear"/>.</summary>
    public static void Gemm(ImportContext c, OnnxNode node)
    {
        if (c.Lead > 0)
        {
            GemmOfOneMatrix(c, node);
            return;
        }
        Activation x = c.Input(node);
        OnnxTensor w = c.Constant(node, 1);
        if (node.Whole("transA") != 0)
            throw new UnsupportedNodeException("transA transposes the samples");
        if (x.Rank != 2 || w.Sizes.Length != 2)
            throw new InvalidDataException($"{node.Place} multiplies tensors of {x.Rank} and {w.Sizes.Length} "
                + "dimensions.");
        float[] weights = node.Whole("transB") != 0 ? w.ToReals() : FoldedMoves.Swapped(w);
        int outputs = (int)w.Sizes[node.Whole("transB") != 0 ? 0 : 1];
        if (node.Real("alpha", 1) is not 1 and var alpha)
            weights = Array.ConvertAll(weights, value => alpha * value);
        AddLinear(c, node, x, outputs, weights, c.Optional(node, 2), node.Real("beta", 1));
    }

    // A product with a matrix of weights, and a sum.
    private static void GemmOfOneMatrix(ImportContext c, OnnxNode node)
    {
        string result = node.Outputs[0], x = $"{result}.x", weights = $"{result}.weights",
            product = $"{result}.product", bias = $"{result}.bias";
        (Activation given, OnnxTensor w) = (c.Input(node), c.Constant(node, 1));
        if (given.Rank != 3 || w.Sizes.Length != 2)
            throw new InvalidDataException($"{node.Place} multiplies tensors of {given.Rank - 1} and "
                + $"{w.Sizes.Length} dimensions.");
        c.Define(x, node.Whole("transA") == 0 ? given : given.Transposed([0, 2, 1], x));
        bool isTransposed = node.Whole("transB") != 0;
        float alpha = node.Real("alpha", 1), beta = node.Real("beta", 1);
        float[] values = Array.ConvertAll(isTransposed ? FoldedMoves.Swapped(w) : w.ToReals(), value => alpha * value);
        c.Define(weights, OnnxTensor.Of(isTransposed ? [w.Sizes[1], w.Sizes[0]] : w.Sizes, values));
        if (c.Optional(node, 2) is not { } added)
        {
            MatMul(c, node with { Inputs = [x, weights] });
            return;
        }
        MatMul(c, node with { Name = product, Inputs = [x, weights], Outputs = [product] });
        c.Define(bias, OnnxTensor.Of(added.Sizes, Array.ConvertAll(added.ToReals(), value => beta * value)));
        ArithmeticImports.Add(c, node with { Inputs = [product, bias] });
    }

    /// <summary>MatMul with constant weights: a <see cref="Linear"/>, or a convolution of every pixel. A third input is
    /// a bias.</summary>
    public static void MatMul(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        OnnxTensor w = c.Constant(node, 1);
        if (w.Sizes.Length > 2)
        {
            if (w.Sizes[..^2].Any(size => size != 1))
            {
                MatMulOfEach(c, node, x, w);
                return;
            }
            w = w.WithSizes(w.Sizes[^2..]);
        }
        if (w.Sizes.Length != 2)
            throw new UnsupportedNodeException($"its constant is a tensor of {w.Sizes.Length} dimensions");
        if (x.Rank == 2)
        {
            AddLinear(c, node, x, (int)w.Sizes[1], FoldedMoves.Swapped(w), c.Optional(node, 2), 1);
            return;
        }
        x = c.WithChannels(x, x.Rank - 1);
        if (x.Stored[1] != w.Sizes[0])
            throw new InvalidDataException($"{node.Place}: its weights are {string.Join('×', w.Sizes)}, but the input "
                + $"has {x.Stored[1]} values.");
        float[]? bias = c.Optional(node, 2) is { } given ? Repeated(given, (int)w.Sizes[1], 1) : null;
        Node conv = c.Add(node, new Conv2d((int)w.Sizes[1], 1, bias: bias is not null), c.Stored(x));
        Write(c, conv, FoldedMoves.Swapped(w), bias);
        c.Set(node, x.With(conv, [x.Stored[0], w.Sizes[1], .. x.Stored[2..]]));
    }

    // A matrix of weights for each of the matrices of a sample: a convolution of groups.
    private static void MatMulOfEach(ImportContext c, OnnxNode node, Activation x, OnnxTensor w)
    {
        (long[] s, int rank) = (x.Sizes, x.Rank);
        long[] matrices = w.Sizes[..^2];
        long terms = w.Sizes[^2], outputs = w.Sizes[^1];
        if (rank != matrices.Length + 3 || !matrices.AsSpan().SequenceEqual(s.AsSpan(1..^2)))
            throw new UnsupportedNodeException($"its constant has {string.Join('×', matrices)} matrices, and the "
                + $"tensor of {ArithmeticImports.Text(x)} must have as many in each sample");
        if (s[^1] != terms)
            throw new InvalidDataException($"{node.Place}: its weights are {string.Join('×', w.Sizes)}, but the input "
                + $"has {s[^1]} values.");
        int groups = (int)Views.Product(matrices);
        int[] swapped = [.. Enumerable.Range(0, rank - 2), rank - 1, rank - 2];
        Activation columns = c.Plain(x.Transposed(swapped, $"{c.NameOf(node)}.columns"));
        Node conv = c.Add(node, new Conv2d(checked((int)(groups * outputs)), 1, groups: groups, bias: false),
            c.Stored(Activation.Of(columns.Node, s[0], groups * terms, s[^2])));
        c.Write(conv, ParameterRole.Weight, FoldedMoves.Swapped(w));
        c.Set(node, Activation.Of(conv, [s[0], .. matrices, outputs, s[^2]]).Transposed(swapped, conv.Name));
    }

    private static (Activation X, OnnxTensor Weights) Operands(ImportContext c, OnnxNode node)
    {
        Activation x = c.Plain(c.Input(node));
        OnnxTensor w = c.Constant(node, 1);
        if (x.Rank < 3)
            throw new InvalidDataException($"{node.Place} works on a tensor of {x.Rank} dimensions; maps have 4.");
        if (w.Sizes.Length != x.Rank)
            throw new InvalidDataException($"{node.Place}: its weights have {w.Sizes.Length} dimensions, but the input "
                + $"has {x.Rank}.");
        return (x, w);
    }

    private static int Groups(OnnxNode node) => node.Whole("group", 1) is >= 1 and <= int.MaxValue and var groups
        ? (int)groups : throw new InvalidDataException($"{node.Place} has {node.Whole("group")} groups.");

    private static void Finish(ImportContext c, OnnxNode node, Activation x, Node conv, float[] weights, float[]? bias)
    {
        Write(c, conv, weights, bias);
        c.Set(node, Activation.OfMap(conv, conv.Shape, x));
    }

    private static void AddLinear(ImportContext c, OnnxNode node, Activation x, int outputs, float[] weights,
        OnnxTensor? bias, float beta)
    {
        if ((long)outputs * x.Sizes[1] != weights.Length)
            throw new InvalidDataException($"{node.Place}: its input has {x.Sizes[1]} values, but its weights are "
                + $"for {weights.Length / Math.Max(1, outputs)}.");
        Node linear = c.Add(node, new Linear(outputs, bias is not null), c.Map(x));
        Write(c, linear, weights, bias is null ? null : Repeated(bias, outputs, beta));
        c.Set(node, Activation.Of(linear, x.Sizes[0], outputs));
    }

    private static void Write(ImportContext c, Node node, float[] weights, float[]? bias)
    {
        c.Write(node, ParameterRole.Weight, weights);
        if (bias is not null)
            c.Write(node, ParameterRole.Bias, bias);
    }

    // A bias may be one value for all outputs, and may be scaled.
    private static float[] Repeated(OnnxTensor bias, int outputs, float factor)
    {
        if (bias.Length != 1 && (bias.Length != outputs || bias.Sizes[^1] != outputs))
            throw new UnsupportedNodeException($"it adds {string.Join('×', bias.Sizes)} values to {outputs}");
        float[] values = bias.ToReals();
        if (values.Length == outputs && factor == 1)
            return values;
        return [.. Enumerable.Range(0, outputs).Select(i => factor * values[values.Length == 1 ? 0 : i])];
    }
}
