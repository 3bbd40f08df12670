namespace ConvNet.Models;

/// <summary>MobileNetV2: inverted residuals with linear bottlenecks.</summary>
/// <remarks>Source: Sandler et al., CVPR 2018.</remarks>
public static class MobileNetV2
{
    /// <summary>Creates the network; 3,504,872 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = Blocks.ConvNormActivation(graph, graph.Input, "features.0", 32, 3, stride: 2, activation: new Relu6());
        int index = 1;
        foreach ((int expansion, int channels, int blocks, int stride) in ((int, int, int, int)[])[(1, 16, 1, 1),
            (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)])
        {
            for (int i = 0; i < blocks; i++)
                x = InvertedResidual(graph, x, $"features.{index++}", channels, i == 0 ? stride : 1, expansion);
        }
        x = Blocks.ConvNormActivation(graph, x, $"features.{index}", 1280, 1, activation: new Relu6());
        graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("classifier.0", new Dropout(0.2f)),
            ("classifier.1", new Linear(classes)));
        return graph;
    }

    /// <summary>Adds an inverted residual: a 1×1 convolution to more channels, a 3×3 convolution of each channel by
    /// itself and a 1×1 convolution without an activation, to which x is added if the shape is the same.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="stride">The stride of the 3×3 convolution. Output sizes are rounded down.</param>
    /// <param name="expansion">The factor of the first convolution; with 1, there is none.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node InvertedResidual(Graph graph, Node x, string name, int channels, int stride = 1,
        int expansion = 6)
    {
        ArgumentNullException.ThrowIfNull(x);
        int hidden = x.Shape.C * expansion, index = 0;
        Node branch = x;
        if (expansion > 1)
            branch = Blocks.ConvNormActivation(graph, x, $"{name}.conv.{index++}", hidden, 1, activation: new Relu6());
        branch = Blocks.ConvNormActivation(graph, branch, $"{name}.conv.{index++}", hidden, 3, stride, hidden,
            new Relu6());
        branch = graph.Append(branch, $"{name}.conv", ($"{index}", Blocks.Convolution(channels, 1)),
            ($"{index + 1}", new BatchNorm2d()));
        return branch.Shape == x.Shape ? graph.Add($"{name}.add", new Add(), x, branch) : branch;
    }
}
