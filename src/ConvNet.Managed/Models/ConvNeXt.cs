namespace ConvNet.Models;

/// <summary>ConvNeXt-Tiny.</summary>
/// <remarks>Source: Liu et al., CVPR 2022. The linear layers of each pixel are 1×1 convolutions.</remarks>
public static class ConvNeXt
{
    private const float Epsilon = 1e-6f, LastProbability = 0.1f;

    /// <summary>Creates ConvNeXt-Tiny; 28,589,128 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Tiny(Shape input, int classes)
    {
        (int Channels, int Blocks)[] stages = [(96, 3), (192, 3), (384, 9), (768, 3)];
        int last = stages.Sum(stage => stage.Blocks) - 1, index = 0;
        var graph = new Graph(input);
        Node x = graph.Input;
        for (int stage = 0; stage < stages.Length; stage++)
        {
            (int channels, int blocks) = stages[stage];
            x = stage == 0
                ? graph.Append(x, "features.0", ("0", Patches(channels, 4)), ("1", Norm()))
                : graph.Append(x, $"features.{2 * stage}", ("0", Norm()), ("1", Patches(channels, 2)));
            for (int i = 0; i < blocks; i++)
                x = Block(graph, x, $"features.{2 * stage + 1}.{i}", LastProbability * index++ / last);
        }
        graph.Append(graph.Add("avgpool", new GlobalAvgPool2d(), x), "classifier", ("0", Norm()),
            ("2", new Linear(classes)));
        return graph;

        static Conv2d Patches(int channels, int size) => new(channels, size, stride: size, rounding: Rounding.Floor);
    }

    /// <summary>Adds a block: a 7×7 convolution of each channel by itself, layer normalisation of each pixel, a 1×1
    /// convolution to four times the channels, GELU and a 1×1 convolution back. The result is scaled per channel and
    /// added to x; training omits it for a sample at random.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="omitted">The probability that the branch is omitted.</param>
    /// <returns>The last node of the block, of the shape of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Block(Graph graph, Node x, string name, float omitted = 0)
    {
        ArgumentNullException.ThrowIfNull(x);
        int channels = x.Shape.C;
        // Numbers 1 and 6 are permutations in torchvision.
        Node branch = graph.Append(x, $"{name}.block",
            ("0", new Conv2d(channels, 7, padding: 3, groups: channels)), ("2", Norm()),
            ("3", new Conv2d(4 * channels, 1)), ("4", new Gelu()), ("5", new Conv2d(channels, 1)));
        branch = graph.Add(name, new LayerScale(), branch);
        if (omitted > 0)
            branch = graph.Add($"{name}.stochastic_depth", new StochasticDepth(omitted), branch);
        return graph.Add($"{name}.add", new Add(), branch, x);
    }

    private static LayerNorm Norm() => new(LayerNormAxes.Channels, Epsilon);
}
