using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>Converts between executables and <see cref="Tensor{T}"/>, as an alternative to arrays with separate
/// shapes.</summary>
public static class TensorExtensions
{
    /// <summary>Reads a parameter or a buffer as a tensor with its dimensions (O, I, H, W for a convolution).</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="parameter"/> is
    /// null.</exception>
    public static Tensor<float> ReadTensor(this IExecutable executable, Parameter parameter)
    {
        return Tensor.Create(executable.ValuesOf(parameter), Lengths(parameter));
    }

    /// <summary>Reads the gradient of a parameter as a tensor with the parameter's dimensions.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="parameter"/> is
    /// null.</exception>
    public static Tensor<float> ReadGradientTensor(this IExecutable executable, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(parameter);
        var values = new float[parameter.Length];
        executable.ReadGradient(parameter, values);
        return Tensor.Create(values, Lengths(parameter));
    }

    /// <summary>Writes a parameter or a buffer from a tensor with the same dimensions.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/>, <paramref name="parameter"/> or
    /// <paramref name="values"/> is null.</exception>
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

    /// <summary>Computes the output of a batch in inference mode as an N×C×H×W tensor.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="input">An N×C×H×W tensor with the C, H and W of the graph's input.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="input"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The dimensions of the input differ from those of the graph's input, or it
    /// has more samples than a batch.</exception>
    public static Tensor<float> Infer(this IExecutable executable, Tensor<float> input)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(input);
        Shape x = executable.Graph.Input.Shape, y = executable.Graph.Output.Shape;
        if (input.Rank != 4 || !input.Lengths[1..].SequenceEqual([x.C, x.H, x.W]))
            throw new ArgumentException($"A tensor of {string.Join("×", input.Lengths.ToArray())} is not a batch of "
                + $"the input. Pass N×{x}.", nameof(input));
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
