using Onnx;

namespace ConvNet.Onnx;

/// <summary>The ONNX nodes of adaptive pooling, for which ONNX has no operator. Windows of the same size are those of
/// an ordinary pooling layer.</summary>
internal static class AdaptiveNodes
{
    /// <summary>Adds the nodes of adaptive average pooling: products with matrices of weights, from both
    /// sides.</summary>
    public static void AddMeans(OnnxGraph onnx, Node node, AdaptiveAvgPool2d pool)
    {
        (Shape x, Extent output) = (node.Inputs[0].Shape, pool.Output);
        if (pool.Divides(x))
        {
            onnx.AddResult(node, "AveragePool", onnx.Map(node.Inputs[0]), pool.Kind, Windows(x, output));
            return;
        }
        float[] rows = Means(x.H, output.H), columns = Means(x.W, output.W);
        string means = onnx.AddPart(node, "means", "MatMul", [onnx.Constant(node, "rows", rows, output.H, x.H),
            .. onnx.Map(node.Inputs[0])]);
        onnx.Add(node, "MatMul", [means,
            onnx.Constant(node, "columns", Transposed(columns, x.W, output.W), x.W, output.W)]);
    }

    /// <summary>Adds the nodes of adaptive max pooling: the maximum of each slice of rows, and then of
    /// columns.</summary>
    public static void AddMaxima(OnnxGraph onnx, Node node, AdaptiveMaxPool2d pool)
    {
        const int Rows = 2, Columns = 3;
        (Shape x, Extent output) = (node.Inputs[0].Shape, pool.Output);
        if (pool.Divides(x))
        {
            onnx.AddResult(node, "MaxPool", onnx.Map(node.Inputs[0]), pool.Kind, Windows(x, output));
            return;
        }
        string[] rows = Maxima(onnx, node, onnx.Map(node.Inputs[0])[0], Rows, x.H, output.H);
        string maxima = onnx.AddPart(node, "rows", "Concat", rows, [OnnxAttribute.Of("axis", Rows)]);
        onnx.Add(node, "Concat", Maxima(onnx, node, maxima, Columns, x.W, output.W),
            OnnxAttribute.Of("axis", Columns));
    }

    private static string[] Maxima(OnnxGraph onnx, Node node, string x, int axis, int inputs, int outputs)
    {
        string axes = onnx.Constant(node, "axis", [axis]);
        var names = new string[outputs];
        for (int o = 0; o < outputs; o++)
        {
            (int start, int end) = AdaptivePool2d.Bin(o, inputs, outputs);
            string slice = onnx.AddPart(node, "slice", "Slice", [x, onnx.Constant(node, "start", [start]),
                onnx.Constant(node, "end", [end]), axes]);
            // The axes became an input with version 18.
            names[o] = onnx.OperatorSet >= 18
                ? onnx.AddPart(node, "maximum", "ReduceMax", [slice, axes], [OnnxAttribute.Of("keepdims", 1)])
                : onnx.AddPart(node, "maximum", "ReduceMax", [slice], [OnnxAttribute.Of("axes", [axis]),
                    OnnxAttribute.Of("keepdims", 1)]);
        }
        return names;
    }

    /// <summary>Returns the weights of the inputs (columns) in the means (rows).</summary>
    public static float[] Means(int inputs, int outputs)
    {
        var weights = new float[outputs * inputs];
        for (int o = 0; o < outputs; o++)
        {
            (int start, int end) = AdaptivePool2d.Bin(o, inputs, outputs);
            weights.AsSpan(o * inputs + start, end - start).Fill(1f / (end - start));
        }
        return weights;
    }

    /// <summary>Returns the weights of the means (columns) by inputs (rows).</summary>
    public static float[] Transposed(float[] means, int inputs, int outputs)
        => FoldedMoves.Swapped(OnnxTensor.Of([outputs, inputs], means));

    private static AttributeProto[] Windows(Shape x, Extent output) =>
    [
        OnnxAttribute.Of("kernel_shape", x.H / output.H, x.W / output.W),
        OnnxAttribute.Of("strides", x.H / output.H, x.W / output.W),
    ];
}
