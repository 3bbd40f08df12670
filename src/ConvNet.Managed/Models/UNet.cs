namespace ConvNet.Models;

/// <summary>The U-Net, which assigns a class to every pixel.</summary>
/// <remarks>
/// Source: Ronneberger et al., MICCAI 2015. Convolutions are padded, so that the scores have the size of the image and
/// the features of the contracting path need no cropping.
/// </remarks>
public static class UNet
{
    /// <summary>Creates the network: <paramref name="levels"/> times two 3×3 convolutions and 2×2 max pooling, two
    /// convolutions at the bottom, and the way back with transposed convolutions, which concatenates the features of
    /// each level.</summary>
    /// <remarks>With one channel, two classes and the usual width and levels it has 31,030,658 parameters. Rows and
    /// columns must be multiples of 2 to the power of <paramref name="levels"/>.</remarks>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="width">The number of channels of the first level; each level below has twice as many.</param>
    /// <param name="levels">The number of levels above the bottom.</param>
    /// <param name="dropout">The probability of the dropout at the end of the contracting path; 0 for none.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes, int width = 64, int levels = 4, float dropout = 0.5f)
    {
        var graph = new Graph(input);
        Node x = graph.Input;
        var features = new Stack<Node>();
        for (int level = 1; level <= levels; level++)
        {
            x = DoubleConvolution(graph, x, $"encoder{level}", width << (level - 1));
            if (level == levels && dropout > 0)
                x = graph.Add($"encoder{level}.dropout", new Dropout(dropout), x);
            features.Push(x);
            x = graph.Add($"pool{level}", new MaxPool2d(2), x);
        }
        x = DoubleConvolution(graph, x, "bottleneck", width << levels);
        if (dropout > 0)
            x = graph.Add("bottleneck.dropout", new Dropout(dropout), x);
        for (int level = levels; level >= 1; level--)
            x = Up(graph, x, features.Pop(), level);
        graph.Add("conv", new Conv2d(classes, 1), x);
        return graph;
    }

    /// <summary>Adds two 3×3 convolutions with ReLU.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node DoubleConvolution(Graph graph, Node x, string name, int channels) => graph.Append(x, name,
        ("conv1", new Conv2d(channels, 3, padding: 1)), ("relu1", new Relu()),
        ("conv2", new Conv2d(channels, 3, padding: 1)), ("relu2", new Relu()));

    /// <summary>Adds a level of the expanding path: a 2×2 transposed convolution of stride 2, <c>upconv</c>, the
    /// features of the contracting path, and two convolutions, <c>decoder</c>.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="features">The features of the contracting path, with twice the rows and columns.</param>
    /// <param name="level">The number of the level, which is part of the names.</param>
    /// <returns>The last node, with the channels of <paramref name="features"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Up(Graph graph, Node x, Node features, int level)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(features);
        int channels = features.Shape.C;
        x = graph.Add($"upconv{level}", new ConvTranspose2d(channels, 2, stride: 2), x);
        x = graph.Add($"decoder{level}.concat", new Concat(), x, features);
        return DoubleConvolution(graph, x, $"decoder{level}", channels);
    }
}
