namespace ConvNet.Models;

/// <summary>MobileNet: depthwise separable convolutions.</summary>
/// <remarks>Source: Howard et al., arXiv:1704.04861.</remarks>
public static class MobileNetV1
{
    /// <summary>Creates the network; 4,231,976 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = Blocks.ConvNormActivation(graph, graph.Input, "features.0", 32, 3, stride: 2, activation: new Relu());
        ReadOnlySpan<(int Channels, int Stride)> blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
            (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)];
        for (int i = 0; i < blocks.Length; i++)
            x = SeparableConvolution(graph, x, $"features.{i + 1}", blocks[i].Channels, blocks[i].Stride);
        graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("classifier", new Linear(classes)));
        return graph;
    }

    /// <summary>Adds a depthwise separable convolution: a 3×3 convolution of each channel by itself, and a 1×1
    /// convolution, each with batch normalisation and ReLU.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="stride">The stride of the 3×3 convolution. Output sizes are rounded down.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node SeparableConvolution(Graph graph, Node x, string name, int channels, int stride = 1)
    {
        ArgumentNullException.ThrowIfNull(x);
        x = Blocks.ConvNormActivation(graph, x, $"{name}.0", x.Shape.C, 3, stride, groups: x.Shape.C, new Relu());
        return Blocks.ConvNormActivation(graph, x, $"{name}.1", channels, 1, activation: new Relu());
    }
}
