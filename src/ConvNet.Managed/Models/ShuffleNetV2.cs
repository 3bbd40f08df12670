namespace ConvNet.Models;

/// <summary>ShuffleNetV2.</summary>
/// <remarks>Source: Ma et al., ECCV 2018.</remarks>
public static class ShuffleNetV2
{
    /// <summary>Creates the network of width 1.0; 2,278,604 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = Blocks.ConvNormActivation(graph, graph.Input, "conv1", 24, 3, stride: 2, activation: new Relu());
        x = graph.Add("maxpool", new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor), x);
        foreach ((string stage, int channels, int blocks) in ((string, int, int)[])[("stage2", 116, 4),
            ("stage3", 232, 8), ("stage4", 464, 4)])
        {
            x = Downsampling(graph, x, $"{stage}.0", channels);
            for (int i = 1; i < blocks; i++)
                x = Unit(graph, x, $"{stage}.{i}");
        }
        x = Blocks.ConvNormActivation(graph, x, "conv5", 1024, 1, activation: new Relu());
        graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("fc", new Linear(classes)));
        return graph;
    }

    /// <summary>Adds a unit that passes half of the channels on and convolves the other half, and then mixes the
    /// halves.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read, with an even number of channels.</param>
    /// <param name="name">The name of the unit.</param>
    /// <returns>The last node of the unit, of the shape of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Unit(Graph graph, Node x, string name)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(x);
        int half = x.Shape.C / 2;
        Node left = graph.Add($"{name}.left", new Slice(SliceAxis.Channels, 0, half), x),
            right = graph.Add($"{name}.right", new Slice(SliceAxis.Channels, half, x.Shape.C - half), x);
        return Mix(graph, name, left, Branch(graph, right, $"{name}.branch2", half, stride: 1));
    }

    /// <summary>Adds a unit that halves the rows and columns: two branches of convolutions, whose channels are
    /// mixed.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the unit.</param>
    /// <param name="channels">The number of output channels; even.</param>
    /// <returns>The last node of the unit.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Downsampling(Graph graph, Node x, string name, int channels)
    {
        ArgumentNullException.ThrowIfNull(x);
        Node left = graph.Append(x, $"{name}.branch1", ("0", Blocks.Convolution(x.Shape.C, 3, 2, x.Shape.C)),
            ("1", new BatchNorm2d()), ("2", Blocks.Convolution(channels / 2, 1)), ("3", new BatchNorm2d()),
            ("4", new Relu()));
        return Mix(graph, name, left, Branch(graph, x, $"{name}.branch2", channels / 2, stride: 2));
    }

    private static Node Branch(Graph graph, Node x, string name, int channels, int stride) => graph.Append(x, name,
        ("0", Blocks.Convolution(channels, 1)), ("1", new BatchNorm2d()), ("2", new Relu()),
        ("3", Blocks.Convolution(channels, 3, stride, channels)), ("4", new BatchNorm2d()),
        ("5", Blocks.Convolution(channels, 1)), ("6", new BatchNorm2d()), ("7", new Relu()));

    private static Node Mix(Graph graph, string name, Node left, Node right) => graph.Add($"{name}.shuffle",
        new ChannelShuffle(2), graph.Add($"{name}.concat", new Concat(), left, right));
}
