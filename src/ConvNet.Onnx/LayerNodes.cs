using Onnx;

namespace ConvNet.Onnx;

/// <summary>The ONNX nodes of every layer, in one table.</summary>
internal static class LayerNodes
{
    /// <summary>Adds the nodes of a layer.</summary>
    /// <param name="onnx">The graph to add them to.</param>
    /// <param name="node">The node of the layer.</param>
    /// <exception cref="NotSupportedException">The layer has no ONNX nodes.</exception>
    public static void AddTo(OnnxGraph onnx, Node node)
    {
        switch (node.Layer)
        {
            case Add:
                onnx.Add(node, "Sum", onnx.Alike(node.Inputs));
                break;
            case AdaptiveAvgPool2d pool:
                AdaptiveNodes.AddMeans(onnx, node, pool);
                break;
            case AdaptiveMaxPool2d pool:
                AdaptiveNodes.AddMaxima(onnx, node, pool);
                break;
            case AvgPool2d { DivisorOverride: > 0 } pool:
                AddSums(onnx, node, pool);
                break;
            case AvgPool2d pool:
                onnx.Add(node, "AveragePool", onnx.Map(node.Inputs[0]), [.. Pooling(pool.Window),
                    OnnxAttribute.Of("count_include_pad", pool.CountIncludePad ? 1 : 0)]);
                break;
            case BatchNorm2d norm:
                AddBatchNorm(onnx, node, norm);
                break;
            case Celu celu:
                onnx.Add(node, "Celu", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("alpha", celu.Alpha));
                break;
            case Clip clip:
                AddClip(onnx, node, clip.Min, clip.Max);
                onnx.Note(clip.Kind);
                break;
            case ChannelShuffle shuffle:
                AddReordered(onnx, node, shuffle);
                break;
            case Concat:
                onnx.Add(node, "Concat", onnx.Alike(node.Inputs), OnnxAttribute.Of("axis", 1));
                break;
            case Conv2d conv:
                onnx.Add(node, "Conv", onnx.Map(node.Inputs[0]), [.. Taps(conv.Window),
                    OnnxAttribute.Of("group", conv.Groups)]);
                break;
            case ConvTranspose2d conv:
                onnx.Add(node, "ConvTranspose", onnx.Map(node.Inputs[0]), [.. Taps(conv.Window),
                    OnnxAttribute.Of("group", conv.Groups),
                    OnnxAttribute.Of("output_padding", conv.OutputPadding.H, conv.OutputPadding.W)]);
                break;
            case RandomDrop drop:
                DropoutNodes.Add(onnx, node, drop);
                break;
            case Erf:
                onnx.Add(node, "Erf", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Exp:
                onnx.Add(node, "Exp", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Log:
                onnx.Add(node, "Log", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Pow pow:
                ActivationNodes.AddPow(onnx, node, pow.Exponent);
                onnx.Note(pow.Kind);
                break;
            case Threshold threshold:
                ActivationNodes.AddThreshold(onnx, node, threshold.Limit, threshold.Constant);
                onnx.Note(threshold.Kind);
                break;
            case Elu elu:
                onnx.Add(node, "Elu", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("alpha", elu.Alpha));
                break;
            case Flatten:
                onnx.Add(node, "Flatten", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("axis", 1));
                break;
            case Gelu gelu:
                ActivationNodes.AddGelu(onnx, node, gelu.Approximate);
                break;
            case GlobalAvgPool2d:
                onnx.Add(node, "GlobalAveragePool", onnx.Map(node.Inputs[0]));
                break;
            case GroupNorm norm:
                AddGroupNorm(onnx, node, norm);
                break;
            case HardSigmoid:
                onnx.Add(node, "HardSigmoid", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("alpha", 1f / 6),
                    OnnxAttribute.Of("beta", 0.5f));
                break;
            case HardSwish:
                onnx.Add(node, "HardSwish", OnnxGraph.Value(node.Inputs[0]));
                break;
            case InstanceNorm2d norm:
                onnx.AddResult(node, "InstanceNormalization", [.. onnx.Map(node.Inputs[0]),
                    .. ScaleAndShift(onnx, node, node.Shape.C)], NoteOf(node),
                    OnnxAttribute.Of("epsilon", norm.Epsilon));
                break;
            case LayerNorm norm:
                AddLayerNorm(onnx, node, norm);
                break;
            case LayerScale:
                onnx.Add(node, "Mul", onnx.Map(node.Inputs[0]));
                break;
            case GlobalMaxPool2d:
                onnx.Add(node, "GlobalMaxPool", onnx.Map(node.Inputs[0]));
                break;
            case LeakyRelu leaky:
                onnx.Add(node, "LeakyRelu", OnnxGraph.Value(node.Inputs[0]),
                    OnnxAttribute.Of("alpha", leaky.NegativeSlope));
                break;
            case Linear:
                onnx.Add(node, "Gemm", onnx.Vector(node.Inputs[0]), OnnxAttribute.Of("transB", 1));
                break;
            case LocalResponseNorm norm:
                AddLocalResponseNorm(onnx, node, norm);
                break;
            case LogSoftmax:
                onnx.Add(node, "LogSoftmax", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("axis", 1));
                break;
            case MaxPool2d pool:
                AddMaxima(onnx, node, pool.Window);
                break;
            case Pad2d pad:
                onnx.Add(node, "Pad", [.. onnx.Map(node.Inputs[0]), onnx.Constant(node, "pads", [0L, 0,
                    pad.Padding.Top, pad.Padding.Left, 0, 0, pad.Padding.Bottom, pad.Padding.Right])],
                    OnnxAttribute.Of("mode", pad.Mode switch
                    {
                        PadMode.Reflect => "reflect",
                        PadMode.Replicate => "edge",
                        _ => "constant",
                    }));
                break;
            case Permute permute:
                onnx.Add(node, "Transpose", onnx.Map(node.Inputs[0]), OnnxAttribute.Of("perm",
                    [0, .. permute.Dimensions(node.Inputs[0].Shape).Order.Select(dimension => dimension + 1)]));
                onnx.Note(permute.Kind);
                break;
            case PixelShuffle shuffle:
                onnx.Add(node, "DepthToSpace", onnx.Map(node.Inputs[0]), OnnxAttribute.Of("mode", "CRD"),
                    OnnxAttribute.Of("blocksize", shuffle.Factor));
                break;
            // SpaceToDepth has another order of channels.
            case PixelUnshuffle unshuffle:
                AddReordered(onnx, node, unshuffle);
                break;
            case Mish:
                ActivationNodes.AddMish(onnx, node);
                break;
            case Multiply:
                onnx.Add(node, "Mul", onnx.Alike(node.Inputs));
                break;
            case Prelu:
                onnx.AddResult(node, "PRelu", [.. onnx.Map(node.Inputs[0]), onnx.Reshaped(node, "slopes",
                    node.Parameters[0].Name, -1, 1, 1)]);
                break;
            case Relu:
                onnx.Add(node, "Relu", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Relu6:
                AddClip(onnx, node, 0, 6);
                break;
            case Selu:
                onnx.Add(node, "Selu", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Sigmoid:
                onnx.Add(node, "Sigmoid", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Silu:
                string x = node.Inputs[0].Name;
                onnx.Add(node, "Mul", [x, onnx.AddPart(node, "gate", "Sigmoid", x)]);
                break;
            case Softplus softplus:
                AddSoftplus(onnx, node, softplus);
                break;
            case Subtract:
                onnx.Add(node, "Sub", onnx.Alike(node.Inputs));
                break;
            case Tanh:
                onnx.Add(node, "Tanh", OnnxGraph.Value(node.Inputs[0]));
                break;
            case Softmax:
                onnx.Add(node, "Softmax", OnnxGraph.Value(node.Inputs[0]), OnnxAttribute.Of("axis", 1));
                break;
            case Reshape reshape:
                onnx.Add(node, "Reshape", [.. onnx.Map(node.Inputs[0]), onnx.Constant(node, "shape",
                    [0L, reshape.Shape.C, reshape.Shape.H, reshape.Shape.W])]);
                break;
            case Slice slice:
                onnx.Add(node, "Slice", [.. onnx.Map(node.Inputs[0]), onnx.Constant(node, "starts", [slice.Start]),
                    onnx.Constant(node, "ends", [(long)slice.Start + slice.Length]),
                    onnx.Constant(node, "axes", [(long)slice.Axis + 1])]);
                break;
            case Upsample upsample:
                AddResize(onnx, node, upsample);
                break;
            default:
                throw new NotSupportedException($"{node.Name} is a {node.Layer!.GetType().Name}, which has no ONNX "
                    + "nodes. Replace it by built-in layers.");
        }
    }

    private static void AddClip(OnnxGraph onnx, Node node, float min, float max)
        => onnx.Add(node, "Clip", [.. OnnxGraph.Value(node.Inputs[0]), onnx.Constant(node, "min", min),
            onnx.Constant(node, "max", max)]);

    // The operator has neither β nor a threshold.
    private static void AddSoftplus(OnnxGraph onnx, Node node, Softplus layer)
    {
        string x = node.Inputs[0].Name, beta = onnx.Constant(node, "beta", layer.Beta),
            scaled = onnx.AddPart(node, "scaled", "Mul", x, beta),
            y = onnx.AddPart(node, "log", "Div", onnx.AddPart(node, "softplus", "Softplus", scaled), beta);
        string above = onnx.AddPart(node, "above", "Greater", scaled,
            onnx.Constant(node, "threshold", layer.Threshold));
        onnx.AddResult(node, "Where", [above, x, y], formOf: 1);
    }

    private static void AddBatchNorm(OnnxGraph onnx, Node node, BatchNorm2d norm)
    {
        if (onnx.FoldInto(node, norm.Epsilon))
            return;
        string Statistic(ParameterRole role) => node.Parameters.Single(parameter => parameter.Role == role).Name;
        onnx.AddResult(node, "BatchNormalization", [.. OnnxGraph.Value(node.Inputs[0]),
            .. ScaleAndShift(onnx, node, node.Shape.C), Statistic(ParameterRole.RunningMean),
            Statistic(ParameterRole.RunningVariance)], NoteOf(node), [OnnxAttribute.Of("epsilon", norm.Epsilon),
            .. norm.Momentum is { } momentum ? [OnnxAttribute.Of("momentum", 1 - momentum)] : (AttributeProto[])[]]);
    }

    // A sample is normalised over all axes but the first; the channels of a pixel must be the last axis.
    private static void AddLayerNorm(OnnxGraph onnx, Node node, LayerNorm norm)
    {
        AttributeProto epsilon = OnnxAttribute.Of("epsilon", norm.Epsilon);
        if (node.Shape.IsVector)
        {
            onnx.AddMatrix(node, "LayerNormalization", [.. onnx.Vector(node.Inputs[0]),
                .. ScaleAndShift(onnx, node, node.Shape.C)], OnnxAttribute.Of("axis", 1), epsilon);
            onnx.Note(NoteOf(node));
            return;
        }
        if (norm.Over == LayerNormAxes.Sample)
        {
            onnx.AddResult(node, "LayerNormalization", [.. onnx.Map(node.Inputs[0]),
                .. ScaleAndShift(onnx, node, node.Shape.C, node.Shape.H, node.Shape.W)], NoteOf(node),
                OnnxAttribute.Of("axis", 1), epsilon);
            return;
        }
        string pixels = onnx.AddPart(node, "pixels", "Transpose", onnx.Map(node.Inputs[0]),
            [OnnxAttribute.Of("perm", 0, 2, 3, 1)]);
        string normal = onnx.AddPart(node, "normal", "LayerNormalization",
            [pixels, .. ScaleAndShift(onnx, node, node.Shape.C)], [OnnxAttribute.Of("axis", -1), epsilon]);
        onnx.Note(NoteOf(node));
        onnx.AddResult(node, "Transpose", [normal], attributes: OnnxAttribute.Of("perm", 0, 3, 1, 2));
    }

    // The operator GroupNormalization of this version has a scale for each group instead of each channel.
    private static void AddGroupNorm(OnnxGraph onnx, Node node, GroupNorm norm)
    {
        string x = onnx.Map(node.Inputs[0])[0], groups = onnx.Reshaped(node, "groups", x, 0, norm.Groups, -1);
        string normal = onnx.AddPart(node, "normal", "InstanceNormalization",
            [groups, onnx.Constant(node, "ones", 1, norm.Groups), onnx.Constant(node, "zeros", 0, norm.Groups)],
            [OnnxAttribute.Of("epsilon", norm.Epsilon)]);
        string map = onnx.Reshaped(node, "map", normal, 0, node.Shape.C, node.Shape.H, node.Shape.W);
        string Parameter(int i) => onnx.Reshaped(node, "parameter", node.Parameters[i].Name, -1, 1, 1);
        if (norm.Affine)
            onnx.AddResult(node, "Add", [onnx.AddPart(node, "scaled", "Mul", map, Parameter(0)), Parameter(1)]);
        else
            onnx.AddResult(node, "Identity", [map]);
    }

    // The operator has a definition for odd sizes only. Otherwise, the squares are averaged over a map whose rows are
    // the channels.
    private static void AddLocalResponseNorm(OnnxGraph onnx, Node node, LocalResponseNorm norm)
    {
        string x = onnx.Map(node.Inputs[0])[0];
        if (norm.Size % 2 == 1)
        {
            onnx.AddResult(node, "LRN", [x], attributes: [OnnxAttribute.Of("size", norm.Size),
                OnnxAttribute.Of("alpha", norm.Alpha), OnnxAttribute.Of("beta", norm.Beta),
                OnnxAttribute.Of("bias", norm.K)]);
            return;
        }
        string rows = onnx.Reshaped(node, "rows", onnx.AddPart(node, "squares", "Mul", x, x), 0, 1, node.Shape.C, -1);
        string means = onnx.AddPart(node, "means", "AveragePool", [rows], [OnnxAttribute.Of("kernel_shape", norm.Size,
            1), OnnxAttribute.Of("pads", norm.Size / 2, 0, (norm.Size - 1) / 2, 0),
            OnnxAttribute.Of("count_include_pad", 1)]);
        string map = onnx.Reshaped(node, "map", means, 0, node.Shape.C, node.Shape.H, node.Shape.W);
        string scaled = onnx.AddPart(node, "scaled", "Mul", map, onnx.Constant(node, "alpha", norm.Alpha));
        string sum = onnx.AddPart(node, "sum", "Add", scaled, onnx.Constant(node, "k", norm.K));
        onnx.AddResult(node, "Div", [x,
            onnx.AddPart(node, "power", "Pow", sum, onnx.Constant(node, "beta", norm.Beta))]);
    }

    private static string NoteOf(Node norm) => string.Join(' ', (string[])[
        .. norm.Parameters.Any(parameter => parameter.Trainable) ? (string[])[] : [NormalizationImports.NotAffine],
        .. norm.Layer is BatchNorm2d { Momentum: null } ? (string[])[NormalizationImports.Cumulative] : []]);

    // The parameters of a normalisation, or ones and zeros if it has none.
    private static string[] ScaleAndShift(OnnxGraph onnx, Node node, params int[] sizes)
        => node.Parameters.Any(parameter => parameter.Trainable)
            ? [node.Parameters[0].Name, node.Parameters[1].Name]
            : [onnx.Constant(node, "ones", 1, sizes), onnx.Constant(node, "zeros", 0, sizes)];

    // ONNX Runtime pads by less than the kernel. What a dilated window needs more is padded before.
    private static void AddMaxima(OnnxGraph onnx, Node node, Window window)
    {
        string[] x = onnx.Map(node.Inputs[0]);
        if (window.Dilation != 1)
        {
            long[] ends = Ends(node, window);
            x = [onnx.AddPart(node, "padded", "Pad", [.. x,
                onnx.Constant(node, "pads", [0L, 0, window.Padding.Top, window.Padding.Left, 0, 0, .. ends]),
                onnx.Constant(node, "least", float.NegativeInfinity)])];
            window = window with { Padding = 0, Rounding = Rounding.Floor };
        }
        onnx.Add(node, "MaxPool", x, [.. Pooling(window),
            OnnxAttribute.Of("dilations", window.Dilation.H, window.Dilation.W)]);
    }

    // The padding below and on the right up to the end of the last window.
    private static long[] Ends(Node node, Window window)
    {
        (Shape x, Shape y, Padding padding) = (node.Inputs[0].Shape, node.Shape, window.Padding);
        return [Math.Max(padding.Bottom, (y.H - 1L) * window.Stride.H + window.Reach.H - padding.Top - x.H),
            Math.Max(padding.Right, (y.W - 1L) * window.Stride.W + window.Reach.W - padding.Left - x.W)];
    }

    // The sum over a window is a convolution of every channel by itself.
    private static void AddSums(OnnxGraph onnx, Node node, AvgPool2d pool)
    {
        (Window window, Shape x) = (pool.Window, node.Inputs[0].Shape);
        long[] ends = Ends(node, window);
        Padding padding = (window.Padding.Top, window.Padding.Left, (int)ends[0], (int)ends[1]);
        var weights = new float[x.C * window.Kernel.Area];
        Array.Fill(weights, 1f / pool.DivisorOverride);
        onnx.Add(node, "Conv", [.. onnx.Map(node.Inputs[0]),
            onnx.Constant(node, "weights", weights, x.C, 1, window.Kernel.H, window.Kernel.W)],
            [.. Taps(window with { Padding = padding }), OnnxAttribute.Of("group", x.C)]);
    }

    // Two dimensions more, their reordering, and back.
    private static void AddReordered(OnnxGraph onnx, Node node, Rearrangement layer)
    {
        (int[] sizes, int[] order) = layer.Dimensions(node.Inputs[0].Shape);
        string split = onnx.Reshaped(node, "split", onnx.Map(node.Inputs[0])[0], [0, .. sizes]);
        string moved = onnx.AddPart(node, "moved", "Transpose", [split],
            [OnnxAttribute.Of("perm", [0, .. order.Select(dimension => dimension + 1)])]);
        onnx.Add(node, "Reshape", [moved,
            onnx.Constant(node, "shape", [0L, node.Shape.C, node.Shape.H, node.Shape.W])]);
    }

    // Before version 18, the operator takes the scales or sizes of all axes.
    private static void AddResize(OnnxGraph onnx, Node node, Upsample layer)
    {
        const string None = "";
        bool bilinear = layer.Mode == UpsampleMode.Bilinear, hasAxes = onnx.OperatorSet >= 18;
        string x = onnx.Map(node.Inputs[0])[0];
        string[] size = layer.Size != default ? [None, Sizes()] : hasAxes
            ? [onnx.Constant(node, "scales", [layer.Scale.H, layer.Scale.W], 2)]
            : [onnx.Constant(node, "scales", [1, 1, layer.Scale.H, layer.Scale.W], 4)];
        onnx.Add(node, "Resize", [x, None, .. size], [.. hasAxes ? [OnnxAttribute.Of("axes", 2, 3)]
            : (AttributeProto[])[],
            OnnxAttribute.Of("mode", bilinear ? "linear" : "nearest"), OnnxAttribute.Of("nearest_mode", "floor"),
            OnnxAttribute.Of("coordinate_transformation_mode",
                !bilinear ? "asymmetric" : layer.AlignCorners ? "align_corners" : "half_pixel")]);
        // ONNX does not say that the size of the output is whole.
        if (layer.AlignCorners)
            onnx.Note(layer.Kind);

        // The number of samples is known when the model runs.
        string Sizes()
        {
            string map = onnx.Constant(node, "sizes", [layer.Size.H, layer.Size.W]);
            if (hasAxes)
                return map;
            string own = onnx.AddPart(node, "own", "Shape", [x], [OnnxAttribute.Of("end", 2)]);
            return onnx.AddPart(node, "all", "Concat", [own, map], [OnnxAttribute.Of("axis", 0)]);
        }
    }

    private static AttributeProto[] Taps(Window window) => [.. WindowOf(window),
        OnnxAttribute.Of("dilations", window.Dilation.H, window.Dilation.W)];

    private static AttributeProto[] Pooling(Window window) => [.. WindowOf(window),
        OnnxAttribute.Of("ceil_mode", window.Rounding == Rounding.Ceiling ? 1 : 0)];

    private static AttributeProto[] WindowOf(Window window) =>
    [
        OnnxAttribute.Of("kernel_shape", window.Kernel.H, window.Kernel.W),
        OnnxAttribute.Of("strides", window.Stride.H, window.Stride.W),
        OnnxAttribute.Of("pads", window.Padding.Top, window.Padding.Left, window.Padding.Bottom, window.Padding.Right),
    ];
}
