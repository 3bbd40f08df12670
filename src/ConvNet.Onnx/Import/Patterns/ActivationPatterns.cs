namespace ConvNet.Onnx;

/// <summary>Activations composed of operators of other versions.</summary>
internal static class ActivationPatterns
{
    /// <summary>Silu, Gelu, Mish, HardSwish and HardSigmoid as products.</summary>
    public static OnnxNode? Product(OnnxProgram program, OnnxNode last)
    {
        // A short cut for products that are none of these.
        if (last.Inputs.Count != 2)
            return null;
        (double constant, List<string> factors) = program.Factors(last);
        if (factors is [var only])
            return constant.IsNear(1.0 / 6) && HardSigmoidTimes6(program, only) is { } inner
                ? Activation(last, "HardSigmoid", inner) : null;
        if (factors is not [var a, var b])
            return null;
        return Of(program, last, constant, a, b) ?? Of(program, last, constant, b, a);
    }

    /// <summary>Where(β·x &gt; threshold, x, Softplus(β·x)/β).</summary>
    public static OnnxNode? Softplus(OnnxProgram program, OnnxNode last)
    {
        if (program.Producer(last.Input(0), "Greater") is not { } above
            || program.Producer(last.Input(2), "Div") is not { } quotient
            || program.Producer(quotient.Input(0), "Softplus") is not { } softplus
            || softplus.Input(0) != above.Input(0)
            || program.Producer(above.Input(0), "Mul") is not { } scaled || scaled.Input(0) != last.Input(1)
            || program.Scalar(scaled.Input(1)) is not { } beta || program.Scalar(quotient.Input(1)) != beta
            || program.Scalar(above.Input(1)) is not { } threshold)
            return null;
        return last.Composed("Softplus", [last.Input(1)], "", OnnxAttribute.Of("beta", (float)beta),
            OnnxAttribute.Of("threshold", (float)threshold));
    }

    /// <summary>Where(x &gt; threshold, x, value).</summary>
    public static OnnxNode? Threshold(OnnxProgram program, OnnxNode last)
        => program.Producer(last.Input(0), "Greater") is { } above && above.Input(0) == last.Input(1)
            && program.Scalar(above.Input(1)) is { } threshold && program.Scalar(last.Input(2)) is { } value
            ? last.Composed("Threshold", [last.Input(1)], "", OnnxAttribute.Of("threshold", (float)threshold),
                OnnxAttribute.Of("value", (float)value)) : null;

    private static OnnxNode? Of(OnnxProgram program, OnnxNode last, double constant, string x, string gate)
    {
        if (constant == 1 && program.Producer(gate, "Sigmoid")?.Input(0) == x)
            return last.Composed("Silu", [x]);
        if (constant == 1 && program.Producer(gate, "Tanh") is { } tanh
            && program.Producer(tanh.Input(0), "Softplus")?.Input(0) == x)
            return last.Composed("Mish", [x]);
        if (constant == 1 && program.Producer(gate, "HardSigmoid") is { } hard && hard.Input(0) == x
            && hard.Real("alpha", 0.2f) == 1f / 6 && hard.Real("beta", 0.5f) == 0.5f)
            return Activation(last, "HardSwish", x);
        if (constant.IsNear(1.0 / 6) && HardSigmoidTimes6(program, gate) == x)
            return Activation(last, "HardSwish", x);
        if (!constant.IsNear(0.5) || program.Plus(gate, 1) is not { } sign)
            return null;
        if (program.Producer(sign, "Erf") is { } erf)
            return IsTimes(program, erf.Input(0), x, Math.Sqrt(0.5)) ? last.Composed("Gelu", [x]) : null;
        return program.Producer(sign, "Tanh") is { } approximate && IsCubic(program, approximate.Input(0), x)
            ? last.Composed("Gelu", [x], "", OnnxAttribute.Of("approximate", "tanh")) : null;
    }

    // min(max(x + 3, 0), 6)
    private static string? HardSigmoidTimes6(OnnxProgram program, string value)
    {
        if (program.Producer(value, "Clip") is not { } clip)
            return null;
        double? min = clip.Has("min") ? clip.Real("min") : clip.Has(1) ? program.Scalar(clip.Input(1)) : null,
            max = clip.Has("max") ? clip.Real("max") : clip.Has(2) ? program.Scalar(clip.Input(2)) : null;
        return (min, max) == (0, 6) ? program.Plus(clip.Input(0), 3) : null;
    }

    private static bool IsTimes(OnnxProgram program, string value, string x, double factor)
        => (program.Producer(value, "Mul") ?? program.Producer(value, "Div")) is { } product
            && program.Factors(product) is (var constant, [var only]) && only == x && constant.IsNear(factor);

    // √(2/π)·(x + 0.044715·x³), with or without x outside the brackets.
    private static bool IsCubic(OnnxProgram program, string value, string x)
    {
        const double Cubic = 0.044715;
        if (program.Producer(value, "Mul") is not { } product)
            return false;
        (double root, List<string> factors) = program.Factors(product);
        if (!root.IsNear(Math.Sqrt(2 / Math.PI)))
            return false;
        if (factors is [var a, var b])
            return IsPower(program.Plus(a == x ? b : a, 1), 2) && (a == x || b == x);
        return factors is [var only] && program.Producer(only, "Add") is { } sum
            && ((sum.Input(0) == x && IsPower(sum.Input(1), 3)) || (sum.Input(1) == x && IsPower(sum.Input(0), 3)));

        bool IsPower(string? power, int exponent)
        {
            if (power is null || program.Producer(power, "Mul") is not { } scaled)
                return false;
            (double constant, List<string> parts) = program.Factors(scaled);
            return constant.IsNear(Cubic) && ((parts.Count == exponent && parts.All(part => part == x))
                || (parts is [var single] && program.Producer(single, "Pow") is { } pow && pow.Input(0) == x
                    && program.Scalar(pow.Input(1)) == exponent));
        }
    }

    private static OnnxNode Activation(OnnxNode last, string type, string x) => last with
    {
        Operator = type,
        Inputs = [x],
        Attributes = new[] { OnnxAttribute.Of("alpha", 1f / 6), OnnxAttribute.Of("beta", 0.5f) }
            .ToDictionary(attribute => attribute.Name),
    };
}
