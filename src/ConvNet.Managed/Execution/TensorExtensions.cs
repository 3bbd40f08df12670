using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>Owning tensors at the edge of the API, for callers who would rather hold a tensor than an array and its
/// shape.</summary>
public static class TensorExtensions
{
    /// <summary>The values of a parameter or a buffer, in its dimensions (O, I, H, W of a convolution).</summary>
    public static Tensor<float> ReadTensor(this IExecutable executable, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(parameter);
        var values = new float[parameter.Length];
        executable.Read(parameter, values);
        return Tensor.Create(values, Lengths(parameter));
    }

    /// <summary>The gradient of a parameter, in its dimensions.</summary>
    public static Tensor<float> ReadGradientTensor(this IExecutable executable, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(parameter);
        var values = new float[parameter.Length];
        executable.ReadGradient(parameter, values);
        return Tensor.Create(values, Lengths(parameter));
    }

    /// <summary>Writes a parameter or a buffer from a tensor of its dimensions.</summary>
    /// <exception cref="ArgumentException">The tensor has other dimensions.</exception>
    public static void Write(this IExecutable executable, Parameter parameter, Tensor<float> values)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(values);
        if (!values.Lengths.SequenceEqual(Lengths(parameter)))
            throw new ArgumentException($"A tensor of {string.Join("×", values.Lengths.ToArray())} does not fit "
                + $"{parameter}.", nameof(values));
        executable.Write(parameter, Contiguous(values));
    }

    /// <summary>The output of a batch in inference mode, as N×C×H×W.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="input">N×C×H×W with C, H, W of the graph's input.</param>
    /// <exception cref="ArgumentException">The input has other dimensions than the graph's input, or is more than a
    /// batch.</exception>
    public static Tensor<float> Infer(this IExecutable executable, Tensor<float> input)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(input);
        Shape x = executable.Graph.Input.Shape, y = executable.Graph.Output.Shape;
        if (input.Rank != 4 || !input.Lengths[1..].SequenceEqual([x.C, x.H, x.W]))
            throw new ArgumentException($"A tensor of {string.Join("×", input.Lengths.ToArray())} is no batch of "
                + $"the input; the graph takes N×{x}.", nameof(input));
        var output = new float[input.Lengths[0] * y.Length];
        executable.Infer(Contiguous(input), output);
        return Tensor.Create(output, [input.Lengths[0], y.C, y.H, y.W]);
    }

    private static nint[] Lengths(Parameter parameter) => [.. parameter.Dimensions.Select(size => (nint)size)];

    private static float[] Contiguous(Tensor<float> tensor)
    {
        var values = new float[tensor.FlattenedLength];
        tensor.FlattenTo(values);
        return values;
    }
}
