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
        executable.Write(parameter, Dense(values));
    }

    /// <summary>The scores of a batch in inference mode, as N×C×H×W.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="images">N×C×H×W with C, H, W of the graph's input.</param>
    /// <exception cref="ArgumentException">The images have other dimensions than the graph's input, or are more than a
    /// batch.</exception>
    public static Tensor<float> Infer(this IExecutable executable, Tensor<float> images)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(images);
        Shape input = executable.Graph.Input.Shape, output = executable.Graph.Output.Shape;
        if (images.Rank != 4 || !images.Lengths[1..].SequenceEqual([input.C, input.H, input.W]))
            throw new ArgumentException($"A tensor of {string.Join("×", images.Lengths.ToArray())} is no batch of "
                + $"images; the graph takes N×{input}.", nameof(images));
        var scores = new float[images.Lengths[0] * output.Length];
        executable.Infer(Dense(images), scores);
        return Tensor.Create(scores, [images.Lengths[0], output.C, output.H, output.W]);
    }

    private static nint[] Lengths(Parameter parameter) => [.. parameter.Dimensions.Select(size => (nint)size)];

    private static float[] Dense(Tensor<float> tensor)
    {
        var values = new float[tensor.FlattenedLength];
        tensor.FlattenTo(values);
        return values;
    }
}
