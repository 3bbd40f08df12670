namespace ConvNet.Onnx;

/// <summary>Layer normalisation composed of means and a root, as torch writes it for operators before version 17: first
/// the normalised values, then their scale and shift.</summary>
internal static class LayerNormPatterns
{
    private const string Name = "LayerNormalization";

    /// <summary>(x − mean)/√(mean of squares + ε).</summary>
    public static OnnxNode? Composed(OnnxProgram program, OnnxNode last)
    {
        string centred = last.Input(0);
        if (program.Producer(centred, "Sub") is not { } difference
            || program.Producer(difference.Input(1), "ReduceMean") is not { } mean
            || mean.Input(0) != difference.Input(0) || AxesOf(program, mean) is not { } axes
            || program.Producer(last.Input(1), "Sqrt") is not { } root
            || program.Producer(root.Input(0), "Add") is not { } sum
            || program.Scalar(sum.Input(1)) is not { } epsilon
            || program.Producer(sum.Input(0), "ReduceMean") is not { } variance
            || AxesOf(program, variance) is not { } others || !others.SequenceEqual(axes)
            || !IsSquare(program, variance.Input(0), centred))
            return null;
        return last with
        {
            Operator = Name,
            Inputs = [difference.Input(0)],
            Attributes = new[] { OnnxAttribute.Of("axis", (int)axes[0]), OnnxAttribute.Of("count", axes.Length),
                OnnxAttribute.Of("epsilon", (float)epsilon) }.ToDictionary(attribute => attribute.Name),
        };
    }

    /// <summary>A normalisation without parameters, times a constant, plus a constant.</summary>
    public static OnnxNode? Affine(OnnxProgram program, OnnxNode last)
    {
        if (program.WithConstant(last) is not (var product, var shift)
            || program.Producer(product, "Mul") is not { } scaled
            || program.WithConstant(scaled) is not (var normalised, var scale)
            || program.Producer(normalised, Name) is not { Inputs.Count: 1 } normal)
            return null;
        return normal with
        {
            Name = last.Name,
            Inputs = [normal.Input(0), scale, shift],
            Outputs = last.Outputs,
        };
    }

    // Successive dimensions; the import compares their number with that of the tensor.
    private static long[]? AxesOf(OnnxProgram program, OnnxNode mean)
    {
        long[]? axes = mean.Wholes("axes") ?? program.Constant(mean, 1)?.ToWholes();
        return axes is { Length: > 0 } && mean.Whole("keepdims", 1) == 1
            && axes.Zip(axes.Skip(1)).All(pair => pair.Second == pair.First + 1) ? axes : null;
    }

    private static bool IsSquare(OnnxProgram program, string value, string x)
        => program.Producer(value, "Pow") is { } power ? power.Input(0) == x && program.Scalar(power.Input(1)) == 2
            : program.Producer(value, "Mul") is { } product && product.Inputs.All(input => input == x);
}
