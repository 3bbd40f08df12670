using Onnx;

namespace ConvNet.Onnx;

/// <summary>The import of normalisations.</summary>
internal static class NormalizationImports
{
    /// <summary>What the export notes at a normalisation without parameters, and at one whose statistics are averages
    /// over all batches.</summary>
    public const string NotAffine = "affine=false", Cumulative = "momentum=cumulative";

    private const int FirstPerChannel = 21, FirstWithoutSpatial = 9;

    /// <summary>BatchNormalization: a <see cref="BatchNorm2d"/>, which normalises with the statistics of the batch in
    /// training alone.</summary>
    public static void Batch(ImportContext c, OnnxNode node)
    {
        if (TrainsBatch(node) && c.Lead > 0)
        {
            BatchOfSample(c, node);
            return;
        }
        if (Enumerable.Range(1, 4).Any(i => c.IsRead(node, i)))
            throw new UnsupportedNodeException("its statistics are read, which a layer does not pass on");
        if (TrainsBatch(node) && c.RefusesTrainingMode)
            throw new UnsupportedNodeException("it normalises with the statistics of the batch (training_mode)");
        if (node.Version < FirstWithoutSpatial && node.Whole("spatial", 1) == 0)
            throw new UnsupportedNodeException("it has statistics of every pixel (spatial=0)");
        Activation x = c.WithChannels(c.Input(node), 1);
        bool affine = IsAffine(node);
        // Torch's momentum is the weight of the new batch; 1 − 0.9f is not the nearest number to 0.1.
        float momentum = (float)Math.Round(1 - (double)node.Real("momentum", 0.9f), 6);
        float? kept = node.Note.Contains(Cumulative, StringComparison.Ordinal) ? null
            : momentum is > 0 and <= 1 ? momentum : 0.1f;
        Node norm = c.Add(node, new BatchNorm2d(kept, node.Real("epsilon", 1e-5f), affine), c.Stored(x));
        if (affine)
            WriteAffine(c, node, norm, norm.Shape.C);
        c.Write(norm, ParameterRole.RunningMean, c.Constant(node, 3).ToReals());
        c.Write(norm, ParameterRole.RunningVariance, c.Constant(node, 4).ToReals());
        c.Set(node, x.With(norm));
    }

    /// <summary>Whether a BatchNormalization normalises with the statistics of the batch.</summary>
    public static bool TrainsBatch(OnnxNode node) => node.Operator == "BatchNormalization"
        && node.Whole("training_mode") != 0;

    // Without a dimension of the samples, the batch is one sample, and its channels are instances.
    private static void BatchOfSample(ImportContext c, OnnxNode node)
    {
        Activation x = c.WithChannels(c.Input(node), 2);
        Node map = c.Stored(x), norm = c.Add(node, new InstanceNorm2d(node.Real("epsilon", 1e-5f),
            affine: true), map);
        WriteAffine(c, node, norm, norm.Shape.C);
        c.Set(node, x.With(norm));
        if (!c.IsRead(node, 1) && !c.IsRead(node, 2))
            return;
        Node mean = c.AddPart(node, "mean", new GlobalAvgPool2d(), map);
        if (c.IsRead(node, 1))
            AddRunning(c, node, 1, mean);
        if (c.IsRead(node, 2))
            AddRunning(c, node, 2, AddVariance(c, node, map, mean));
    }

    // A running statistic: momentum·old + (1 − momentum)·new.
    private static void AddRunning(ImportContext c, OnnxNode node, int output, Node statistic)
    {
        float momentum = node.Real("momentum", 0.9f);
        int channels = statistic.Shape.C;
        Node running = c.AddPart(node, output == 1 ? "runningMean" : "runningVariance",
            new Conv2d(channels, 1, groups: channels), statistic);
        c.Fill(running, ParameterRole.Weight, 1 - momentum);
        c.Write(running, ParameterRole.Bias, Array.ConvertAll(c.Constant(node, output + 2).ToReals(),
            value => momentum * value), isFixed: true);
        c.Define(node.Outputs[output], Activation.Of(running, 1, channels));
    }

    /// <summary>InstanceNormalization: an <see cref="InstanceNorm2d"/>.</summary>
    public static void Instance(ImportContext c, OnnxNode node)
    {
        Activation x = c.WithChannels(c.Input(node), 1);
        Normalized(c, node, x, new InstanceNorm2d(node.Real("epsilon", 1e-5f), IsAffine(node)));
    }

    /// <summary>GroupNormalization: a <see cref="GroupNorm"/>.</summary>
    public static void Group(ImportContext c, OnnxNode node)
    {
        Activation x = c.WithChannels(c.Input(node), 1);
        int groups = node.Whole("num_groups") is >= 1 and <= int.MaxValue and var given ? (int)given
            : throw new InvalidDataException($"{node.Place} has {node.Whole("num_groups")} groups.");
        int channels = c.Stored(x).Shape.C, repeats = 1;
        bool affine = node.Has(1);
        // The first version has a scale for each group.
        if (node.Version < FirstPerChannel && node.Domain.Length == 0)
            repeats = channels / groups;
        else if (affine && c.Constant(node, 1) is { Length: 1 } scale && c.Constant(node, 2) is { Length: 1 } shift)
        {
            // Torch writes 1 and 0 behind a normalisation without parameters.
            affine = scale.At(0) != 1 || shift.At(0) != 0;
            repeats = channels;
        }
        Normalized(c, node, x, new GroupNorm(groups, node.Real("epsilon", 1e-5f), affine), repeats);
    }

    /// <summary>LayerNormalization: a <see cref="LayerNorm"/> of the whole sample or of the last dimensions as
    /// channels. The statistics are computed by layers of their own, if they are read.</summary>
    public static void Layer(ImportContext c, OnnxNode node)
    {
        Activation x = c.Input(node);
        int axis = c.Dimension(x, node.Whole("axis", -1));
        long count = node.Whole("count", x.Rank - axis);
        if (count != 1 && axis + count != x.Rank)
            throw new UnsupportedNodeException($"it normalises {count} dimensions from {axis} on, of {x.Rank}");
        if (axis == 0)
            throw new UnsupportedNodeException("it normalises over the samples");
        if (!AreOf(c, node, 1, x, axis, (int)count) || !AreOf(c, node, 2, x, axis, (int)count))
            AddApart(c, node);
        else if (axis + count != x.Rank)
            Normalized(c, node, c.WithChannels(x, axis), NormOf(node, LayerNormAxes.Channels));
        else if (c.IsRead(node, 0))
            AddLayer(c, node, x, axis);
        if (c.IsRead(node, 1) || c.IsRead(node, 2))
            AddStatistics(c, node, c.Plain(x), axis);
    }

    // Whether a scale or a shift behind a composed normalisation has a value for each that is normalised together.
    private static bool AreOf(ImportContext c, OnnxNode node, int input, Activation x, int axis, int count)
    {
        if (!node.Has("count") || c.Optional(node, input) is not { } values)
            return true;
        int first = x.Rank - values.Sizes.Length;
        return values.Length == Views.Product(x.Sizes[axis..(axis + count)]) && first >= 0
            && values.Sizes.Index().All(each => each.Item == 1
                || (each.Index + first >= axis && each.Index + first < axis + count));
    }

    // Scale and shift by layers of their own.
    private static void AddApart(ImportContext c, OnnxNode node)
    {
        string normalised = $"{node.Outputs[0]}.normalised", scaled = $"{node.Outputs[0]}.scaled";
        Layer(c, node with { Name = normalised, Inputs = [node.Inputs[0]], Outputs = [normalised] });
        ArithmeticImports.Mul(c,
            node with { Name = scaled, Inputs = [normalised, node.Inputs[1]], Outputs = [scaled] });
        ArithmeticImports.Add(c, node with { Inputs = [scaled, node.Inputs[2]] });
    }

    private static void AddLayer(ImportContext c, OnnxNode node, Activation x, int axis)
    {
        if (axis == 1)
            Normalized(c, node, c.Plain(x), NormOf(node, LayerNormAxes.Sample));
        else if (axis == x.Rank - 1)
            Normalized(c, node, c.WithChannels(x, axis), NormOf(node, LayerNormAxes.Channels));
        else
        {
            x = c.Plain(x);
            Activation rows = Activation.Of(x.Node, x.Sizes[0], Views.Product(x.Sizes[1..axis]),
                Views.Product(x.Sizes[axis..]));
            Normalized(c, node, c.WithChannels(rows, 2), NormOf(node, LayerNormAxes.Channels));
            c.Set(node, Activation.Of(c.Plain(c.Find(node.Outputs[0])!).Node, x.Sizes));
        }
    }

    // The mean of the dimensions from the axis on, and the reciprocal of the root of their variance plus ε.
    private static void AddStatistics(ImportContext c, OnnxNode node, Activation x, int axis)
    {
        long[] sizes = [.. x.Sizes.Select((size, d) => d < axis ? size : 1)];
        Node rows = c.Stored(Activation.Of(x.Node, x.Sizes[0], Views.Product(x.Sizes[1..axis]),
            Views.Product(x.Sizes[axis..])));
        Node mean = c.AddPart(node, "mean", new GlobalAvgPool2d(), rows);
        if (c.IsRead(node, 1))
            c.Define(node.Outputs[1], Activation.Of(mean, sizes));
        if (!c.IsRead(node, 2))
            return;
        Node sum = ArithmeticImports.AddAffine(c, node, "sum", Activation.Of(AddVariance(c, node, rows, mean), sizes),
            1, node.Real("epsilon", 1e-5f));
        c.Define(node.Outputs[2], Activation.Of(c.AddPart(node, "scale", new Pow(-0.5f), sum), sizes));
    }

    private static Node AddVariance(ImportContext c, OnnxNode node, Node map, Node mean)
    {
        Node means = c.AddPart(node, "means", new Upsample(size: (map.Shape.H, map.Shape.W)), mean),
            centred = c.AddPart(node, "centred", new Subtract(), map, means),
            squares = c.AddPart(node, "squares", new Multiply(), centred, centred);
        return c.AddPart(node, "variance", new GlobalAvgPool2d(), squares);
    }

    /// <summary>MeanVarianceNormalization: (x − mean) / (deviation + 10⁻⁹), by the operators that define it.</summary>
    public static void MeanVariance(ImportContext c, OnnxNode node)
    {
        const float Epsilon = 1e-9f;
        long[] axes = node.Wholes("axes") ?? [0, 2, 3];
        // In this version, the axes of a mean are an attribute.
        const int Version = 13;
        string centred = Part("centred");
        c.Define(Part("epsilon"), OnnxTensor.Of([], [Epsilon]));
        Add("ReduceMean", "mean", node.Inputs[0]);
        Add("Sub", "centred", node.Inputs[0], Part("mean"));
        Add("Mul", "squares", centred, centred);
        Add("ReduceMean", "variance", Part("squares"));
        Add("Sqrt", "deviation", Part("variance"));
        Add("Add", "divisor", Part("deviation"), Part("epsilon"));
        ArithmeticImports.Div(c, node with { Inputs = [centred, Part("divisor")] });

        string Part(string name) => $"{node.Outputs[0]}.{name}";

        void Add(string type, string name, params string[] inputs)
        {
            OnnxNode part = node with
            {
                Operator = type,
                Version = Version,
                Name = Part(name),
                Inputs = inputs,
                Outputs = [Part(name)],
                Attributes = new Dictionary<string, AttributeProto>
                {
                    ["axes"] = OnnxAttribute.OfWholes("axes", axes),
                },
            };
            OperatorTable.Find(part)!(c, part);
        }
    }

    /// <summary>LayerNormalization between two transpositions: a <see cref="LayerNorm"/> of the channels.</summary>
    public static void LayerOfChannels(ImportContext c, OnnxNode node)
        => Normalized(c, node, c.WithChannels(c.Input(node), 1), NormOf(node, LayerNormAxes.Channels));

    /// <summary>LRN: a <see cref="LocalResponseNorm"/>.</summary>
    public static void LocalResponse(ImportContext c, OnnxNode node)
    {
        int size = (int)Math.Clamp(node.Whole("size"), 0, int.MaxValue);
        if (size % 2 == 0 && node.Domain.Length == 0)
            throw new UnsupportedNodeException($"its size is {size}; the operator is defined for odd sizes");
        Activation x = c.WithChannels(c.Input(node), 1);
        c.Set(node, x.With(c.Add(node, new LocalResponseNorm(size, node.Real("alpha", 1e-4f),
            node.Real("beta", 0.75f), node.Real("bias", 1)), c.Stored(x))));
    }

    private static bool IsAffine(OnnxNode node) => !node.Note.Contains(NotAffine, StringComparison.Ordinal);

    private static LayerNorm NormOf(OnnxNode node, LayerNormAxes axes)
        => new(axes, node.Real("epsilon", 1e-5f), node.Has(1) && IsAffine(node));

    private static void Normalized(ImportContext c, OnnxNode node, Activation x, Layer layer, int repeats = 1)
    {
        Node norm = c.Add(node, layer, c.Stored(x));
        if (norm.Parameters.Count > 0)
            WriteAffine(c, node, norm, norm.Parameters[0].Length, repeats);
        c.Set(node, x.With(norm));
    }

    private static void WriteAffine(ImportContext c, OnnxNode node, Node norm, int count, int repeats = 1)
    {
        c.Write(norm, ParameterRole.Scale, Values(1));
        c.Write(norm, ParameterRole.Bias, c.Optional(node, 2) is null ? new float[count] : Values(2));

        float[] Values(int input)
        {
            float[] values = c.Constant(node, input).ToReals();
            return repeats == 1 ? values
                : [.. values.SelectMany(value => Enumerable.Repeat(value, repeats))];
        }
    }
}
