namespace ConvNet.Models;

/// <summary>MobileNetV3: inverted residuals with squeeze-and-excitation and hard-swish.</summary>
/// <remarks>Source: Howard et al., ICCV 2019.</remarks>
public static class MobileNetV3
{
    /// <summary>Creates the small network; 2,542,856 parameters for 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Small(Shape input, int classes) => Create(input, classes, features: 1024,
        (16, 16, 3, 2, true, false), (72, 24, 3, 2, false, false), (88, 24, 3, 1, false, false),
        (96, 40, 5, 2, true, true), (240, 40, 5, 1, true, true), (240, 40, 5, 1, true, true),
        (120, 48, 5, 1, true, true), (144, 48, 5, 1, true, true), (288, 96, 5, 2, true, true),
        (576, 96, 5, 1, true, true), (576, 96, 5, 1, true, true));

    /// <summary>Creates the large network; 5,483,032 parameters for 1,000 classes.</summary>
    /// <inheritdoc cref="Small"/>
    public static Graph Large(Shape input, int classes) => Create(input, classes, features: 1280,
        (16, 16, 3, 1, false, false), (64, 24, 3, 2, false, false), (72, 24, 3, 1, false, false),
        (72, 40, 5, 2, true, false), (120, 40, 5, 1, true, false), (120, 40, 5, 1, true, false),
        (240, 80, 3, 2, false, true), (200, 80, 3, 1, false, true), (184, 80, 3, 1, false, true),
        (184, 80, 3, 1, false, true), (480, 112, 3, 1, true, true), (672, 112, 3, 1, true, true),
        (672, 160, 5, 2, true, true), (960, 160, 5, 1, true, true), (960, 160, 5, 1, true, true));

    /// <summary>Adds an inverted residual: a 1×1 convolution to more channels, a convolution of each channel by itself,
    /// squeeze-and-excitation, and a 1×1 convolution without an activation, to which x is added if the shape is the
    /// same.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="expanded">The number of channels between the 1×1 convolutions. If x has as many, there is no first
    /// one.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="kernelSize">The rows and columns of the convolution of each channel.</param>
    /// <param name="stride">Its stride. Output sizes are rounded down.</param>
    /// <param name="squeezes">Whether there is a squeeze-and-excitation block.</param>
    /// <param name="hardSwish">Whether the activation is hard-swish instead of ReLU.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node InvertedResidual(Graph graph, Node x, string name, int expanded, int channels, int kernelSize,
        int stride, bool squeezes, bool hardSwish)
    {
        ArgumentNullException.ThrowIfNull(x);
        Layer activation = hardSwish ? new HardSwish() : new Relu();
        Node branch = x;
        int index = 0;
        if (expanded != x.Shape.C)
            branch = Blocks.ConvNormActivation(graph, branch, Next(), expanded, 1, activation: activation,
                norm: Norm());
        branch = Blocks.ConvNormActivation(graph, branch, Next(), expanded, kernelSize, stride, expanded, activation,
            Norm());
        if (squeezes)
            branch = Blocks.SqueezeExcitation(graph, branch, Next(), Blocks.MultipleOf8(expanded / 4), new Relu(),
                new HardSigmoid());
        branch = Blocks.ConvNormActivation(graph, branch, Next(), channels, 1, norm: Norm());
        return branch.Shape == x.Shape ? graph.Add($"{name}.add", new Add(), x, branch) : branch;

        string Next() => $"{name}.block.{index++}";
    }

    private static Graph Create(Shape input, int classes, int features,
        params ReadOnlySpan<(int Expanded, int Channels, int Kernel, int Stride, bool Squeezes, bool HardSwish)> blocks)
    {
        var graph = new Graph(input);
        Node x = Blocks.ConvNormActivation(graph, graph.Input, "features.0", 16, 3, stride: 2,
            activation: new HardSwish(), norm: Norm());
        int index = 1;
        foreach ((int expanded, int channels, int kernel, int stride, bool squeezes, bool hardSwish) in blocks)
            x = InvertedResidual(graph, x, $"features.{index++}", expanded, channels, kernel, stride, squeezes,
                hardSwish);
        x = Blocks.ConvNormActivation(graph, x, $"features.{index}", 6 * x.Shape.C, 1, activation: new HardSwish(),
            norm: Norm());
        graph.Append(graph.Add("avgpool", new GlobalAvgPool2d(), x), "classifier", ("0", new Linear(features)),
            ("1", new HardSwish()), ("2", new Dropout(0.2f)), ("3", new Linear(classes)));
        return graph;
    }

    private static BatchNorm2d Norm() => new(momentum: 0.01f, epsilon: 0.001f);
}
