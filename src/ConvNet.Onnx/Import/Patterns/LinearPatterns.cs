namespace ConvNet.Onnx;

/// <summary>Linear layers composed of a product and a sum.</summary>
internal static class LinearPatterns
{
    /// <summary>MatMul and Add of a bias: a MatMul with three inputs.</summary>
    public static OnnxNode? Bias(OnnxProgram program, OnnxNode last)
    {
        for (int i = 0; i < 2; i++)
        {
            if (program.Producer(last.Input(1 - i), "MatMul") is { Inputs.Count: 2 } product
                && program.Uses(product.Outputs[0]) == 1 && !program.IsOutput(product.Outputs[0])
                && program.Constant(product, 1) is { Sizes.Length: 2 } weights
                && program.Constant(last, i) is { Sizes.Length: > 0 } bias && bias.Length == weights.Sizes[1]
                && bias.Sizes[^1] == bias.Length)
                return product with
                {
                    Name = last.Name,
                    Outputs = last.Outputs,
                    Inputs = [.. product.Inputs, last.Input(i)],
                };
        }
        return null;
    }
}
