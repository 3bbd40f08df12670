namespace ConvNet.Models;

/// <summary>SqueezeNet 1.1.</summary>
/// <remarks>Source: Iandola et al., arXiv:1602.07360, and the authors' release 1.1.</remarks>
public static class SqueezeNet
{
    /// <summary>Creates the network; 1,235,496 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "features",
            ("0", new Conv2d(64, 3, stride: 2, rounding: Rounding.Floor)), ("1", new Relu()), ("2", Pool()));
        x = Fire(graph, Fire(graph, x, "features.3", 16, 64), "features.4", 16, 64);
        x = graph.Add("features.5", Pool(), x);
        x = Fire(graph, Fire(graph, x, "features.6", 32, 128), "features.7", 32, 128);
        x = graph.Add("features.8", Pool(), x);
        x = Fire(graph, Fire(graph, x, "features.9", 48, 192), "features.10", 48, 192);
        x = Fire(graph, Fire(graph, x, "features.11", 64, 256), "features.12", 64, 256);
        graph.Append(x, "classifier", ("0", new Dropout()), ("1", new Conv2d(classes, 1)), ("2", new Relu()),
            ("3", new GlobalAvgPool2d()));
        return graph;

        static MaxPool2d Pool() => new(3, stride: 2, rounding: Rounding.Ceiling);
    }

    /// <summary>Adds a fire module: a 1×1 convolution to few channels, and on top of it a 1×1 and a 3×3 convolution,
    /// whose outputs are concatenated.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the module.</param>
    /// <param name="squeezed">The number of channels of the first convolution.</param>
    /// <param name="expanded">The number of channels of each of the other two.</param>
    /// <returns>The concatenation, of twice as many channels.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Fire(Graph graph, Node x, string name, int squeezed, int expanded)
    {
        x = graph.Append(x, name, ("squeeze", new Conv2d(squeezed, 1)), ("squeeze_activation", new Relu()));
        return graph.Add($"{name}.concat", new Concat(),
            graph.Append(x, name, ("expand1x1", new Conv2d(expanded, 1)), ("expand1x1_activation", new Relu())),
            graph.Append(x, name, ("expand3x3", new Conv2d(expanded, 3, padding: 1)),
                ("expand3x3_activation", new Relu())));
    }
}
