namespace ConvNet.Onnx;

/// <summary>The import of normalisations.</summary>
internal static class NormalizationImports
{
    /// <summary>What the export notes at a normalisation without parameters, and at one whose statistics are averages
    /// over all batches.</summary>
    public const string NotAffine = "affine=false", Cumulative = "momentum=cumulative";

    private const int FirstPerChannel = 21, FirstWithoutSpatial = 9;

    /// <summary>BatchNormalization: a <see cref="BatchNorm2d"/>.</summary>
    public static void Batch(ImportContext c, OnnxNode node)
    {
        if (node.Whole("training_mode") != 0 || Enumerable.Range(1, 4).Any(i => c.IsRead(node, i)))
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
        // The first version has a scale for each group.
        int perGroup = node.Version < FirstPerChannel && node.Domain.Length == 0 ? c.Stored(x).Shape.C / groups : 1;
        Normalized(c, node, x, new GroupNorm(groups, node.Real("epsilon", 1e-5f), node.Has(1)), perGroup);
    }

    /// <summary>LayerNormalization of a whole sample, or of the channels of each pixel: a
    /// <see cref="LayerNorm"/>.</summary>
    public static void Layer(ImportContext c, OnnxNode node)
    {
        if (c.IsRead(node, 1) || c.IsRead(node, 2))
            throw new UnsupportedNodeException("its further outputs, the statistics, are used");
        Activation x = c.Input(node);
        int axis = x.Dimension(node.Whole("axis", -1));
        long count = node.Whole("count", x.Rank - axis);
        if (axis + count != x.Rank)
            throw new UnsupportedNodeException($"it normalises {count} dimensions from {axis} on, of {x.Rank}");
        if (axis == 1)
        {
            x = c.Plain(x);
            Normalized(c, node, x, NormOf(node, LayerNormAxes.Sample));
        }
        else if (axis == x.Rank - 1)
            Normalized(c, node, c.WithChannels(x, axis), NormOf(node, LayerNormAxes.Channels));
        else
            throw new UnsupportedNodeException($"it normalises dimensions {axis} to {x.Rank - 1}; a layer normalises "
                + "the channels of each pixel, or whole samples");
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
