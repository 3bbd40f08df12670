namespace ConvNet.Models;

/// <summary>GoogLeNet with batch normalisation.</summary>
/// <remarks>Source: Szegedy et al., CVPR 2015. As in torchvision, the third branch of an Inception module is a 3×3
/// convolution instead of a 5×5 one.</remarks>
public static class GoogLeNet
{
    /// <summary>Creates the network; 6,624,904 parameters for 1,000 classes, and 13,004,888 with auxiliary
    /// classifiers.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="auxiliary">Whether there are two more outputs, <c>aux1.fc2</c> and <c>aux2.fc2</c>, classifiers of
    /// features in the middle of the network. The paper adds their losses with weights of 0.3 each.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes, bool auxiliary = false)
    {
        var graph = new Graph(input);
        Node x = Conv(graph, graph.Input, "conv1", 64, 7, stride: 2);
        x = graph.Add("maxpool1", Pool(3), x);
        x = Conv(graph, Conv(graph, x, "conv2", 64, 1), "conv3", 192, 3);
        x = graph.Add("maxpool2", Pool(3), x);
        x = Inception(graph, x, "inception3a", 64, (96, 128), (16, 32), 32);
        x = Inception(graph, x, "inception3b", 128, (128, 192), (32, 96), 64);
        x = graph.Add("maxpool3", Pool(3), x);
        x = Inception(graph, x, "inception4a", 192, (96, 208), (16, 48), 64);
        Node? aux1 = auxiliary ? Auxiliary(graph, x, "aux1", classes) : null;
        x = Inception(graph, x, "inception4b", 160, (112, 224), (24, 64), 64);
        x = Inception(graph, x, "inception4c", 128, (128, 256), (24, 64), 64);
        x = Inception(graph, x, "inception4d", 112, (144, 288), (32, 64), 64);
        Node? aux2 = auxiliary ? Auxiliary(graph, x, "aux2", classes) : null;
        x = Inception(graph, x, "inception4e", 256, (160, 320), (32, 128), 128);
        x = graph.Add("maxpool4", Pool(2), x);
        x = Inception(graph, x, "inception5a", 256, (160, 320), (32, 128), 128);
        x = Inception(graph, x, "inception5b", 384, (192, 384), (48, 128), 128);
        x = graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("dropout", new Dropout(0.2f)),
            ("fc", new Linear(classes)));
        if (aux1 is not null && aux2 is not null)
            graph.SetOutputs(x, aux1, aux2);
        return graph;

        static MaxPool2d Pool(int kernel) => new(kernel, stride: 2, rounding: Rounding.Ceiling);
    }

    /// <summary>Adds an Inception module: a 1×1 convolution, two pairs of a 1×1 and a 3×3 convolution, and a max
    /// pooling with a 1×1 convolution, side by side, whose outputs are concatenated.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the module.</param>
    /// <param name="first">The number of channels of the 1×1 convolution.</param>
    /// <param name="second">The numbers of channels of the first pair.</param>
    /// <param name="third">The numbers of channels of the second pair.</param>
    /// <param name="pooled">The number of channels after the pooling.</param>
    /// <returns>The concatenation.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Inception(Graph graph, Node x, string name, int first, (int Reduced, int Channels) second,
        (int Reduced, int Channels) third, int pooled)
    {
        ArgumentNullException.ThrowIfNull(graph);
        Node pool = graph.Add($"{name}.branch4.0", new MaxPool2d(3, stride: 1, padding: 1), x);
        return graph.Add($"{name}.concat", new Concat(),
            Conv(graph, x, $"{name}.branch1", first, 1),
            Pair($"{name}.branch2", second),
            Pair($"{name}.branch3", third),
            Conv(graph, pool, $"{name}.branch4.1", pooled, 1));

        Node Pair(string branch, (int Reduced, int Channels) sizes) => Conv(graph,
            Conv(graph, x, $"{branch}.0", sizes.Reduced, 1), $"{branch}.1", sizes.Channels, 3);
    }

    private static Node Auxiliary(Graph graph, Node x, string name, int classes)
    {
        x = graph.Add($"{name}.avgpool", new AdaptiveAvgPool2d(4), x);
        return graph.Append(Conv(graph, x, $"{name}.conv", 128, 1), name, ("flatten", new Flatten()),
            ("fc1", new Linear(1024)), ("relu", new Relu()), ("dropout", new Dropout(0.7f)),
            ("fc2", new Linear(classes)));
    }

    private static Node Conv(Graph graph, Node x, string name, int channels, int kernelSize, int stride = 1)
        => graph.Append(x, name, ("conv", Blocks.Convolution(channels, kernelSize, stride)),
            ("bn", new BatchNorm2d(epsilon: 0.001f)), ("relu", new Relu()));
}
