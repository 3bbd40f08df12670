namespace ConvNet.Models;

/// <summary>Residual networks.</summary>
/// <remarks>Source: He et al., CVPR 2016. The stride of a bottleneck is that of its 3×3 convolution, as in
/// torchvision.</remarks>
public static class ResNet
{
    /// <summary>Creates a network for large images: a 7×7 convolution, and four stages of 64, 128, 256 and 512
    /// channels, four times as many at the output of a bottleneck.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="blocks">The number of blocks in each stage: 2, 2, 2, 2 in ResNet-18; 3, 4, 6, 3 in ResNet-34 and
    /// ResNet-50; 3, 4, 23, 3 in ResNet-101.</param>
    /// <param name="bottlenecks">Whether the blocks are bottlenecks rather than basic blocks.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes, ReadOnlySpan<int> blocks, bool bottlenecks = false)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "", ("conv1", Blocks.Convolution(64, 7, stride: 2)),
            ("bn1", new BatchNorm2d()), ("relu", new Relu()),
            ("maxpool", new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor)));
        return Stages(graph, x, blocks, width: 64, bottlenecks ? Bottleneck : BasicBlock, classes);
    }

    /// <summary>Creates a network of 6n + 2 layers for 32×32 images: three stages of n basic blocks with 16, 32 and 64
    /// channels.</summary>
    /// <remarks>Shortcuts to more channels are 1×1 convolutions (option B of the paper).</remarks>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="blocks">n, the number of blocks in each stage: 3 in ResNet-20, 5 in ResNet-32 and 9 in
    /// ResNet-56.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph ForCifar(Shape input, int classes, int blocks)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "", ("conv1", Blocks.Convolution(16, 3)), ("bn1", new BatchNorm2d()),
            ("relu", new Relu()));
        return Stages(graph, x, [blocks, blocks, blocks], width: 16, BasicBlock, classes);
    }

    /// <summary>Adds a basic block: y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), with two 3×3
    /// convolutions.</summary>
    /// <remarks>The shortcut is x itself or, if its shape differs, a 1×1 convolution with a batch normalisation,
    /// <c>name.downsample</c>.</remarks>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="width">The number of output channels.</param>
    /// <param name="stride">The stride of the first convolution. Output sizes are rounded down.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node BasicBlock(Graph graph, Node x, string name, int width, int stride = 1)
    {
        Node branch = graph.Append(x, name,
            ("conv1", Blocks.Convolution(width, 3, stride)), ("bn1", new BatchNorm2d()), ("relu1", new Relu()),
            ("conv2", Blocks.Convolution(width, 3)), ("bn2", new BatchNorm2d()));
        return Residual(graph, x, branch, name, stride, "relu2");
    }

    /// <summary>Adds a bottleneck: a 1×1 convolution, a 3×3 convolution and a 1×1 convolution to four times the width,
    /// each with batch normalisation, around which x is added.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="width">The number of channels of the 3×3 convolution; the output has four times as many.</param>
    /// <param name="stride">The stride of the 3×3 convolution. Output sizes are rounded down.</param>
    /// <inheritdoc cref="BasicBlock"/>
    public static Node Bottleneck(Graph graph, Node x, string name, int width, int stride = 1)
    {
        Node branch = graph.Append(x, name,
            ("conv1", Blocks.Convolution(width, 1)), ("bn1", new BatchNorm2d()), ("relu1", new Relu()),
            ("conv2", Blocks.Convolution(width, 3, stride)), ("bn2", new BatchNorm2d()), ("relu2", new Relu()),
            ("conv3", Blocks.Convolution(4 * width, 1)), ("bn3", new BatchNorm2d()));
        return Residual(graph, x, branch, name, stride, "relu3");
    }

    private static Node Residual(Graph graph, Node x, Node branch, string name, int stride, string relu)
    {
        int channels = branch.Shape.C;
        Node shortcut = stride == 1 && x.Shape.C == channels ? x : graph.Append(x, $"{name}.downsample",
            ("0", Blocks.Convolution(channels, 1, stride)), ("1", new BatchNorm2d()));
        return graph.Append(graph.Add($"{name}.add", new Add(), branch, shortcut), name, (relu, new Relu()));
    }

    private static Graph Stages(Graph graph, Node x, ReadOnlySpan<int> blocks, int width,
        Func<Graph, Node, string, int, int, Node> block, int classes)
    {
        for (int stage = 0; stage < blocks.Length; stage++)
        {
            for (int i = 0; i < blocks[stage]; i++)
                x = block(graph, x, $"layer{stage + 1}.{i}", width << stage, stage > 0 && i == 0 ? 2 : 1);
        }
        graph.Append(x, "", ("avgpool", new GlobalAvgPool2d()), ("fc", new Linear(classes)));
        return graph;
    }
}
