namespace ConvNet.Models;

/// <summary>EfficientNet-B0.</summary>
/// <remarks>Source: Tan and Le, ICML 2019.</remarks>
public static class EfficientNet
{
    private const float LastProbability = 0.2f;

    /// <summary>Creates EfficientNet-B0; 5,288,548 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph B0(Shape input, int classes)
    {
        (int Expansion, int Kernel, int Stride, int Channels, int Blocks)[] stages = [(1, 3, 1, 16, 1),
            (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
            (6, 3, 1, 320, 1)];
        int all = stages.Sum(stage => stage.Blocks), index = 0;
        var graph = new Graph(input);
        Node x = Blocks.ConvNormActivation(graph, graph.Input, "features.0", 32, 3, stride: 2, activation: new Silu());
        for (int stage = 0; stage < stages.Length; stage++)
        {
            (int expansion, int kernel, int stride, int channels, int blocks) = stages[stage];
            for (int i = 0; i < blocks; i++)
                x = MBConv(graph, x, $"features.{stage + 1}.{i}", channels, kernel, i == 0 ? stride : 1, expansion,
                    LastProbability * index++ / all);
        }
        x = Blocks.ConvNormActivation(graph, x, $"features.{stages.Length + 1}", 1280, 1, activation: new Silu());
        graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("classifier.0", new Dropout(0.2f)),
            ("classifier.1", new Linear(classes)));
        return graph;
    }

    /// <summary>Adds a mobile inverted bottleneck: a 1×1 convolution to more channels, a convolution of each channel by
    /// itself, squeeze-and-excitation to a quarter of the channels of x, and a 1×1 convolution without an activation.
    /// If the shape is the same, x is added, and training omits the branch of a sample at random.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="kernelSize">The rows and columns of the convolution of each channel.</param>
    /// <param name="stride">Its stride. Output sizes are rounded down.</param>
    /// <param name="expansion">The factor of the first convolution; with 1, there is none.</param>
    /// <param name="omitted">The probability that the branch is omitted.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node MBConv(Graph graph, Node x, string name, int channels, int kernelSize, int stride = 1,
        int expansion = 6, float omitted = 0)
    {
        ArgumentNullException.ThrowIfNull(x);
        int expanded = x.Shape.C * expansion, index = 0;
        Node branch = x;
        if (expansion > 1)
            branch = Blocks.ConvNormActivation(graph, branch, Next(), expanded, 1, activation: new Silu());
        branch = Blocks.ConvNormActivation(graph, branch, Next(), expanded, kernelSize, stride, expanded, new Silu());
        branch = Blocks.SqueezeExcitation(graph, branch, Next(), Math.Max(1, x.Shape.C / 4), new Silu(), new Sigmoid());
        branch = Blocks.ConvNormActivation(graph, branch, Next(), channels, 1);
        if (branch.Shape != x.Shape)
            return branch;
        if (omitted > 0)
            branch = graph.Add($"{name}.stochastic_depth", new StochasticDepth(omitted), branch);
        return graph.Add($"{name}.add", new Add(), branch, x);

        string Next() => $"{name}.block.{index++}";
    }
}
