using System.Globalization;

namespace ConvNet.Models;

/// <summary>VGG networks: 3×3 convolutions and max pooling.</summary>
/// <remarks>Source: Simonyan and Zisserman, ICLR 2015. With batch normalisation as in torchvision.</remarks>
public static class Vgg
{
    private const int Map = 7;

    /// <summary>Creates a network with dropout and adaptive pooling to 7×7 maps.</summary>
    /// <param name="input">The shape of the images; at least 32×32.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="convolutions">The number of convolutions before each max pooling: five stages of 64, 128, 256, 512
    /// and 512 channels.</param>
    /// <param name="batchNorm">Whether a batch normalisation follows each convolution.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input, or the stages are not five.</exception>
    public static Graph Create(Shape input, int classes, ReadOnlySpan<int> convolutions, bool batchNorm = false)
    {
        var graph = new Graph(input);
        Node x = Features(graph, convolutions, batchNorm, Rounding.Floor);
        if ((x.Shape.H, x.Shape.W) != (Map, Map))
            x = graph.Add("avgpool", new AdaptiveAvgPool2d(Map), x);
        graph.Append(graph.Add("flatten", new Flatten(), x), "classifier",
            ("0", new Linear(4096)), ("1", new Relu()), ("2", new Dropout()),
            ("3", new Linear(4096)), ("4", new Relu()), ("5", new Dropout()), ("6", new Linear(classes)));
        return graph;
    }

    /// <summary>Creates VGG-11 without dropout and adaptive pooling: 132,863,336 parameters for 224×224 images and
    /// 1,000 classes.</summary>
    /// <remarks>Rows and columns must be multiples of 32.</remarks>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Plain11(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = Features(graph, [1, 1, 2, 2, 2], batchNorm: false, Rounding.Exact);
        graph.Append(graph.Add("flatten", new Flatten(), x), "classifier",
            ("0", new Linear(4096)), ("1", new Relu()), ("3", new Linear(4096)), ("4", new Relu()),
            ("6", new Linear(classes)));
        return graph;
    }

    private static Node Features(Graph graph, ReadOnlySpan<int> convolutions, bool batchNorm, Rounding rounding)
    {
        int[] channels = [64, 128, 256, 512, 512];
        if (convolutions.Length != channels.Length)
            throw new ArgumentException($"A VGG has {channels.Length} stages, not {convolutions.Length}. Pass a number "
                + "of convolutions for each, such as 1, 1, 2, 2, 2.", nameof(convolutions));
        Node x = graph.Input;
        int index = 0;
        for (int stage = 0; stage < channels.Length; stage++)
        {
            for (int i = 0; i < convolutions[stage]; i++)
            {
                Next(new Conv2d(channels[stage], 3, padding: 1));
                if (batchNorm)
                    Next(new BatchNorm2d());
                Next(new Relu());
            }
            Next(new MaxPool2d(2, rounding: rounding));
        }
        return x;

        void Next(Layer layer)
            => x = graph.Append(x, "features", ((index++).ToString(CultureInfo.InvariantCulture), layer));
    }
}
