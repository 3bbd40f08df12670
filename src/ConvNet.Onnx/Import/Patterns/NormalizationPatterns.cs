namespace ConvNet.Onnx;

/// <summary>Normalisations composed of several nodes.</summary>
internal static class NormalizationPatterns
{
    /// <summary>Group normalisation: instance normalisation of groups as channels, then a scale and a shift of the
    /// channels, or none.</summary>
    public static OnnxNode? Group(OnnxProgram program, OnnxNode last)
    {
        if (last.Operator == "Identity")
            return Of(last.Input(0), []);
        for (int i = 0; i < 2; i++)
        {
            if (program.Constants.ContainsKey(last.Input(i))
                && program.Producer(last.Input(1 - i), "Mul") is { } scaled)
            {
                int constant = program.Constants.ContainsKey(scaled.Input(0)) ? 0 : 1;
                if (program.Constants.ContainsKey(scaled.Input(constant)))
                    return Of(scaled.Input(1 - constant), [scaled.Input(constant), last.Input(i)]);
            }
        }
        return null;

        OnnxNode? Of(string map, string[] parameters)
        {
            if (program.Producer(map, "Reshape") is not { } back
                || program.Producer(back.Input(0), "InstanceNormalization") is not { } norm
                || program.Producer(norm.Input(0), "Reshape") is not { } groups
                || program.Constant(groups, 1)?.ToWholes() is not [_, var count, -1]
                || program.Constant(norm, 1) is not { } ones || program.Constant(norm, 2) is not { } zeros
                || ones.Length != count || ones.ToReals().Any(value => value != 1)
                || zeros.ToReals().Any(value => value != 0))
                return null;
            return last.Composed("GroupNormalization", [groups.Input(0), .. parameters], "",
                OnnxAttribute.Of("num_groups", (int)count), OnnxAttribute.Of("epsilon", norm.Real("epsilon", 1e-5f)));
        }
    }

    /// <summary>Layer normalisation of the channels: between two transpositions.</summary>
    public static OnnxNode? LayerOfChannels(OnnxProgram program, OnnxNode last)
    {
        if (last.Wholes("perm") is not [0, 3, 1, 2]
            || program.Producer(last.Input(0), "LayerNormalization") is not { } norm
            || norm.Whole("axis", -1) is not (-1 or 3)
            || program.Producer(norm.Input(0), "Transpose") is not { } first
            || first.Wholes("perm") is not [0, 2, 3, 1])
            return null;
        return last.Composed("LayerNormalization", [first.Input(0), .. norm.Inputs.Skip(1)], norm.Note,
            OnnxAttribute.Of("epsilon", norm.Real("epsilon", 1e-5f)));
    }

    /// <summary>Local response normalisation of an even size.</summary>
    public static OnnxNode? LocalResponse(OnnxProgram program, OnnxNode last)
    {
        string x = last.Input(0);
        if (program.Producer(last.Input(1), "Pow") is not { } power
            || program.Scalar(power.Input(1)) is not { } beta
            || program.Producer(power.Input(0), "Add") is not { } sum
            || program.Scalar(sum.Input(1)) is not { } bias
            || program.Producer(sum.Input(0), "Mul") is not { } scaled
            || program.Scalar(scaled.Input(1)) is not { } alpha
            || program.Producer(scaled.Input(0), "Reshape") is not { } map
            || program.Producer(map.Input(0), "AveragePool") is not { } means
            || means.Wholes("kernel_shape") is not [var size, 1] || size % 2 != 0
            || means.Wholes("pads") is not [var before, 0, var behind, 0]
            || (before, behind) != (size / 2, (size - 1) / 2)
            || program.Producer(means.Input(0), "Reshape") is not { } rows
            || program.Constant(rows, 1)?.ToWholes() is not [0, 1, _, -1]
            || program.Producer(rows.Input(0), "Mul") is not { } square || square.Inputs.Any(input => input != x))
            return null;
        return last.Composed("LRN", [x], "", OnnxAttribute.Of("size", (int)size),
            OnnxAttribute.Of("alpha", (float)alpha), OnnxAttribute.Of("beta", (float)beta),
            OnnxAttribute.Of("bias", (float)bias));
    }
}
