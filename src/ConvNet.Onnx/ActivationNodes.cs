namespace ConvNet.Onnx;

/// <summary>The ONNX nodes of activations that became operators in a newer version than the oldest one written
/// here.</summary>
internal static class ActivationNodes
{
    private const int FirstWithMish = 18, FirstWithGelu = 20;

    /// <summary>Adds y = x·Φ(x).</summary>
    public static void AddGelu(OnnxGraph onnx, Node node, GeluApproximation approximation)
    {
        string x = node.Inputs[0].Name;
        bool tanh = approximation == GeluApproximation.Tanh;
        if (onnx.OperatorSet >= FirstWithGelu)
        {
            onnx.Add(node, "Gelu", [x], OnnxAttribute.Of("approximate", tanh ? "tanh" : "none"));
            return;
        }
        string sign = tanh ? onnx.AddPart(node, "tanh", "Tanh", Cubic(onnx, node, x))
            : onnx.AddPart(node, "erf", "Erf", Scaled(onnx, node, x, "root", Math.Sqrt(0.5)));
        string sum = onnx.AddPart(node, "sum", "Add", sign, onnx.Constant(node, "one", 1));
        onnx.AddResult(node, "Mul", [Scaled(onnx, node, x, "half", 0.5), sum]);
    }

    /// <summary>Adds y = x·tanh(ln(1 + e^x)).</summary>
    public static void AddMish(OnnxGraph onnx, Node node)
    {
        string x = node.Inputs[0].Name;
        if (onnx.OperatorSet >= FirstWithMish)
            onnx.Add(node, "Mish", [x]);
        else
            onnx.Add(node, "Mul", [x, onnx.AddPart(node, "tanh", "Tanh",
                onnx.AddPart(node, "softplus", "Softplus", x))]);
    }

    /// <summary>Adds y = x^p.</summary>
    public static void AddPow(OnnxGraph onnx, Node node, float exponent)
    {
        string[] x = OnnxGraph.Value(node.Inputs[0]);
        if (exponent == 0.5f)
            onnx.Add(node, "Sqrt", x);
        else if (exponent == -1)
            onnx.Add(node, "Reciprocal", x);
        else
            onnx.Add(node, "Pow", [.. x, onnx.Constant(node, "exponent", exponent)]);
    }

    /// <summary>Adds y = x where x &gt; t, else v.</summary>
    public static void AddThreshold(OnnxGraph onnx, Node node, float limit, float value)
    {
        string x = node.Inputs[0].Name;
        if (value == 0)
        {
            onnx.Add(node, "ThresholdedRelu", [x], OnnxAttribute.Of("alpha", limit));
            return;
        }
        string above = onnx.AddPart(node, "above", "Greater", x, onnx.Constant(node, "threshold", limit));
        onnx.AddResult(node, "Where", [above, x, onnx.Constant(node, "value", value)], formOf: 1);
    }

    // √(2/π)·(x + 0.044715·x³)
    private static string Cubic(OnnxGraph onnx, Node node, string x)
    {
        string square = onnx.AddPart(node, "square", "Mul", x, x);
        string factor = onnx.AddPart(node, "factor", "Add", Scaled(onnx, node, square, "cubic", 0.044715),
            onnx.Constant(node, "one", 1));
        string z = onnx.AddPart(node, "z", "Mul", x, factor);
        return Scaled(onnx, node, z, "root", Math.Sqrt(2 / Math.PI));
    }

    private static string Scaled(OnnxGraph onnx, Node node, string x, string name, double factor)
        => onnx.AddPart(node, $"{name}.product", "Mul", x, onnx.Constant(node, name, (float)factor));
}
