namespace ConvNet.Models;

/// <summary>Densely connected networks.</summary>
/// <remarks>Source: Huang et al., CVPR 2017.</remarks>
public static class DenseNet
{
    /// <summary>Creates a network with bottlenecks and compression (DenseNet-BC).</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="blocks">The number of layers in each dense block: 6, 12, 24, 16 in DenseNet-121.</param>
    /// <param name="growth">The number of channels that each layer adds.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes, ReadOnlySpan<int> blocks, int growth = 32)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "features", ("conv0", Blocks.Convolution(2 * growth, 7, stride: 2)),
            ("norm0", new BatchNorm2d()), ("relu0", new Relu()),
            ("pool0", new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor)));
        for (int block = 0; block < blocks.Length; block++)
        {
            if (block > 0)
                x = Transition(graph, x, $"features.transition{block}");
            for (int layer = 0; layer < blocks[block]; layer++)
                x = DenseLayer(graph, x, $"features.denseblock{block + 1}.denselayer{layer + 1}", growth);
        }
        graph.Append(x, "", ("features.norm5", new BatchNorm2d()), ("relu", new Relu()),
            ("avgpool", new GlobalAvgPool2d()), ("classifier", new Linear(classes)));
        return graph;
    }

    /// <summary>Adds a dense layer: a 1×1 convolution to 4·growth channels and a 3×3 convolution, each after batch
    /// normalisation and ReLU, whose output is appended to the channels of x.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the layer.</param>
    /// <param name="growth">The number of channels to add.</param>
    /// <returns>The concatenation.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node DenseLayer(Graph graph, Node x, string name, int growth)
    {
        Node added = graph.Append(x, name,
            ("norm1", new BatchNorm2d()), ("relu1", new Relu()), ("conv1", Blocks.Convolution(4 * growth, 1)),
            ("norm2", new BatchNorm2d()), ("relu2", new Relu()), ("conv2", Blocks.Convolution(growth, 3)));
        return graph.Add($"{name}.concat", new Concat(), x, added);
    }

    /// <summary>Adds a transition between dense blocks: a 1×1 convolution to half the channels after batch
    /// normalisation and ReLU, and 2×2 average pooling.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the transition.</param>
    /// <returns>The last node of the transition.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Transition(Graph graph, Node x, string name)
    {
        ArgumentNullException.ThrowIfNull(x);
        return graph.Append(x, name, ("norm", new BatchNorm2d()), ("relu", new Relu()),
            ("conv", Blocks.Convolution(x.Shape.C / 2, 1)), ("pool", new AvgPool2d(2, rounding: Rounding.Floor)));
    }
}
