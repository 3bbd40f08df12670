namespace ConvNet.Onnx;

/// <summary>The import of functions of single values, and of softmax and dropout.</summary>
internal static class ActivationImports
{
    // The first version in which softmax works on one axis only.
    private const int FirstWithOneAxis = 13;

    /// <summary>An operator that is a layer without attributes.</summary>
    public static void Plain<TLayer>(ImportContext c, OnnxNode node) where TLayer : Layer, new()
        => Elementwise(c, node, new TLayer());

    /// <summary>Celu.</summary>
    public static void Celu(ImportContext c, OnnxNode node)
        => Elementwise(c, node, new Celu(node.Real("alpha", 1)));

    /// <summary>Elu.</summary>
    public static void Elu(ImportContext c, OnnxNode node) => Elementwise(c, node, new Elu(node.Real("alpha", 1)));

    /// <summary>Gelu, of ONNX or composed of older operators.</summary>
    public static void Gelu(ImportContext c, OnnxNode node) => Elementwise(c, node, new Gelu(
        node.Text("approximate", "none") == "tanh" ? GeluApproximation.Tanh : GeluApproximation.None));

    /// <summary>Clip: <see cref="Relu6"/>, <see cref="Relu"/> or <see cref="ConvNet.Clip"/>.</summary>
    public static void Clip(ImportContext c, OnnxNode node)
    {
        float min = (float)(node.Has("min") ? node.Real("min") : c.Scalar(node, 1, float.MinValue)),
            max = (float)(node.Has("max") ? node.Real("max") : c.Scalar(node, 2, float.MaxValue));
        (min, max) = (Math.Max(min, float.MinValue), Math.Min(max, float.MaxValue));
        AddClip(c, node, min, max);
    }

    /// <summary>Adds the layer that limits the input of a node.</summary>
    public static void AddClip(ImportContext c, OnnxNode node, float min, float max)
        => Elementwise(c, node, (min, max) switch
        {
            (0, 6) when node.Note != ConvNet.Clip.Declared.Kind => new Relu6(),
            (0, float.MaxValue) => new Relu(),
            _ => new Clip(min, max),
        });

    /// <summary>HardSigmoid: the layer, or a scale, a shift and limits.</summary>
    public static void HardSigmoid(ImportContext c, OnnxNode node)
    {
        (float alpha, float beta) = (node.Real("alpha", 0.2f), node.Real("beta", 0.5f));
        if (alpha == 1f / 6 && beta == 0.5f)
        {
            Elementwise(c, node, new HardSigmoid());
            return;
        }
        Activation x = c.Input(node);
        Node scaled = ArithmeticImports.AddAffine(c, node, "scaled", x, alpha, beta);
        c.Set(node, x.With(c.Add(node, new Clip(0, 1), scaled)));
    }

    /// <summary>LeakyRelu; with a negative slope, a <see cref="ConvNet.Prelu"/>.</summary>
    public static void LeakyRelu(ImportContext c, OnnxNode node)
    {
        float slope = node.Real("alpha", 0.01f);
        if (slope >= 0)
            Elementwise(c, node, new LeakyRelu(slope));
        else
            AddSlope(c, node, slope);
    }

    /// <summary>Adds a <see cref="ConvNet.Prelu"/> whose slope is a constant.</summary>
    public static void AddSlope(ImportContext c, OnnxNode node, float slope)
    {
        Activation x = c.Input(node);
        Node added = c.Add(node, new Prelu(perChannel: false, slope), x.Node);
        c.Write(added, added.Parameters[0].Role, [slope], isFixed: true);
        c.Set(node, x.With(added));
    }

    /// <summary>PRelu: a <see cref="ConvNet.Prelu"/> with one slope, or one for each channel.</summary>
    public static void Prelu(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        OnnxTensor slopes = c.Constant(node, 1);
        if (ArithmeticImports.IsOfSeveralDimensions(x, slopes))
        {
            x = c.Plain(x);
            Node values = c.Map(Activation.Of(x.Node, x.Sizes[0], Views.Product(x.Sizes[1..]))),
                each = c.Add(node, new Prelu(perChannel: true), values);
            c.Write(each, each.Parameters[0].Role, ArithmeticImports.Spread(c, slopes, x.Sizes[1..]).ToReals());
            c.Set(node, Activation.Of(each, x.Sizes));
            return;
        }
        // Before version 7, the slopes are those of the channels whatever follows them.
        int dimension = node.Version < 7 && slopes.Length > 1 && x.Rank > 1 && slopes.Length == x.Sizes[1] ? 1
            : ArithmeticImports.ChannelOf(x, slopes);
        if (dimension >= 0)
            x = c.WithChannels(x, dimension);
        Node added = c.Add(node, new Prelu(perChannel: dimension >= 0), dimension >= 0 ? c.Stored(x) : x.Node);
        c.Write(added, added.Parameters[0].Role, slopes.ToReals());
        c.Set(node, x.With(added));
    }

    /// <summary>Selu; with other constants than the usual ones, a scaled <see cref="ConvNet.Elu"/>.</summary>
    public static void Selu(ImportContext c, OnnxNode node)
    {
        const float Alpha = 1.67326319f, Gamma = 1.05070102f;
        // The first version has fewer digits.
        (float alpha, float gamma) = (node.Real("alpha", Alpha), node.Real("gamma", Gamma));
        if (Math.Abs(alpha - Alpha) <= 1e-4f && Math.Abs(gamma - Gamma) <= 1e-4f)
        {
            Elementwise(c, node, new Selu());
            return;
        }
        Activation x = c.Input(node);
        Node scaled = c.Add(node, new LayerScale(gamma), c.AddPart(node, "elu", new Elu(alpha), x.Node));
        c.Fill(scaled, ParameterRole.Scale, gamma);
        c.Set(node, x.With(scaled));
    }

    /// <summary>Shrink: the input without what lies within the limits, if it is shrunk by its threshold; otherwise,
    /// the difference of the values above the threshold and of the negated ones.</summary>
    public static void Shrink(ImportContext c, OnnxNode node)
    {
        (float threshold, float bias) = (node.Real("lambd", 0.5f), node.Real("bias"));
        if (threshold < 0 || (threshold == 0 && bias == 0))
            throw new UnsupportedNodeException($"lambd is {threshold}; it must be positive");
        Activation x = c.Input(node);
        if (bias != threshold)
        {
            Node negated = ArithmeticImports.Negated(c, node, "negated", x.Node),
                above = c.AddPart(node, "above", new Threshold(threshold, bias), x.Node),
                below = c.AddPart(node, "below", new Threshold(threshold, bias), negated);
            c.Set(node, x.With(c.Add(node, new Subtract(), above, below)));
            return;
        }
        Node within = c.AddPart(node, "within", new Clip(-threshold, threshold), x.Node);
        c.Set(node, x.With(c.Add(node, new Subtract(), x.Node, within)));
    }

    /// <summary>Softplus, of ONNX or with the attributes of torch.</summary>
    public static void Softplus(ImportContext c, OnnxNode node)
        => Elementwise(c, node, new Softplus(node.Real("beta", 1), node.Real("threshold", 20)));

    /// <summary>Swish with a factor of 1: a <see cref="Silu"/>.</summary>
    public static void Swish(ImportContext c, OnnxNode node)
    {
        if (node.Real("alpha", 1) != 1)
            throw new UnsupportedNodeException($"alpha is {node.Real("alpha", 1)}; the layer has 1");
        Elementwise(c, node, new Silu());
    }

    /// <summary>Reciprocal: a <see cref="Pow"/>.</summary>
    public static void Reciprocal(ImportContext c, OnnxNode node) => Elementwise(c, node, new Pow(-1));

    /// <summary>Sqrt: a <see cref="Pow"/>.</summary>
    public static void Sqrt(ImportContext c, OnnxNode node) => Elementwise(c, node, new Pow(0.5f));

    /// <summary>Softsign: x/(1 + |x|).</summary>
    public static void Softsign(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        Node size = c.AddPart(node, "size", new Prelu(perChannel: false, -1), x.Node);
        c.Write(size, size.Parameters[0].Role, [-1], isFixed: true);
        Node sum = ArithmeticImports.AddAffine(c, node, "sum", x.With(size), 1, 1);
        Node share = c.AddPart(node, "share", new Pow(-1), sum);
        c.Set(node, x.With(c.Add(node, new Multiply(), x.Node, share)));
    }

    /// <summary>A comparison that selects a value or a constant: a <see cref="ConvNet.Threshold"/>.</summary>
    public static void Threshold(ImportContext c, OnnxNode node)
        => Elementwise(c, node, new Threshold(node.Real("threshold"), node.Real("value")));

    /// <summary>ThresholdedRelu: a <see cref="ConvNet.Threshold"/>; with a threshold of 0, a
    /// <see cref="Relu"/>.</summary>
    public static void ThresholdedRelu(ImportContext c, OnnxNode node)
    {
        float alpha = node.Real("alpha", 1);
        Elementwise(c, node, alpha == 0 && node.Note != ConvNet.Threshold.Declared.Kind ? new Relu()
            : new Threshold(alpha));
    }

    /// <summary>Softmax.</summary>
    public static void Softmax(ImportContext c, OnnxNode node) => AddSoftmax(c, node, new Softmax());

    /// <summary>LogSoftmax.</summary>
    public static void LogSoftmax(ImportContext c, OnnxNode node) => AddSoftmax(c, node, new LogSoftmax());

    /// <summary>Dropout: the layer that the export wrote, or a <see cref="ConvNet.Dropout"/>, which drops values in
    /// training alone. In inference, all values of the mask are true.</summary>
    public static void Dropout(ImportContext c, OnnxNode node)
    {
        float probability = node.Has("ratio") ? node.Real("ratio") : (float)c.Scalar(node, 1, 0.5);
        bool trains = c.Scalar(node, 2, 0) != 0 && probability != 0;
        if (trains && (c.RefusesTrainingMode || c.IsRead(node, 1)))
            throw new UnsupportedNodeException(c.RefusesTrainingMode
                ? "it drops values in inference too (training_mode)" : "its random mask is read");
        if (c.IsRead(node, 1))
            c.Define(node.Outputs[1], c.Filled(node, c.Input(node), 1));
        Elementwise(c, node, DropoutNodes.LayerOf(node.Note, probability));
    }

    private static void Elementwise(ImportContext c, OnnxNode node, Layer layer)
    {
        Activation x = c.Input(node);
        c.Set(node, x.With(c.Add(node, layer, x.Node)));
    }

    private static void AddSoftmax(ImportContext c, OnnxNode node, Layer layer)
    {
        Activation x = c.Input(node);
        bool oneAxis = node.Version >= FirstWithOneAxis;
        int axis = c.Dimension(x, node.Whole("axis", oneAxis ? -1 : 1));
        if (oneAxis || x.Sizes[(axis + 1)..].All(size => size == 1))
        {
            x = c.WithChannels(x, axis);
            c.Set(node, x.With(c.Add(node, layer, c.Stored(x))));
            return;
        }
        // Before, all dimensions from the axis on are one.
        x = c.Plain(x);
        if (axis == 0)
            throw new UnsupportedNodeException("it works on the dimension of the samples");
        if (x.Sizes[1..axis].All(size => size == 1))
        {
            Node flat = c.Map(Activation.Of(x.Node, x.Sizes[0], Views.Product(x.Sizes[1..])));
            c.Set(node, x.With(c.Add(node, layer, flat)));
            return;
        }
        Activation rows = c.WithChannels(Activation.Of(x.Node, x.Sizes[0], Views.Product(x.Sizes[1..axis]),
            Views.Product(x.Sizes[axis..])), 2);
        rows = c.Plain(rows.With(c.Add(node, layer, c.Stored(rows))));
        c.Set(node, Activation.Of(rows.Node, x.Sizes));
    }
}
