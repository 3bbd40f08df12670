using ConvNet.Numerics;

namespace ConvNet.Models;

/// <summary>The network of airbench94, which reaches 94% on CIFAR-10 in ten epochs.</summary>
/// <remarks>
/// A fixed 2×2 convolution whitens the patches of the image, so that their components are uncorrelated and of equal
/// size. Three groups of two convolutions follow, each with batch normalisation without a scale, and GELU. The scores
/// are divided by 9. Source: Keller Jordan, arXiv:2404.00498.
/// </remarks>
public static class Airbench
{
    private const string Whitening = "0";
    private const int Patch = 2;

    /// <summary>Creates the network; 1,972,792 parameters, frozen ones included.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "", (Whitening, new Conv2d(2 * input.C * Patch * Patch, Patch)),
            ("1", new Gelu()));
        x = Group(graph, Group(graph, Group(graph, x, "2", 64), "3", 256), "4", 256);
        graph.Append(x, "", ("5", new MaxPool2d(3, rounding: Rounding.Floor)), ("6", new Flatten()),
            ("7", new Linear(classes, bias: false)),
            // The mean of a score and of the eight zeros around it is the score divided by 9.
            ("8", new AvgPool2d(3, stride: 1, padding: 1)));
        return graph;
    }

    /// <summary>Adds a group: a 3×3 convolution, 2×2 max pooling and a second 3×3 convolution, with batch normalisation
    /// and GELU after the pooling and at the end.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the group.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <returns>The last node of the group.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node Group(Graph graph, Node x, string name, int channels)
    {
        return graph.Append(x, name,
            ("conv1", Blocks.Convolution(channels, 3)), ("pool", new MaxPool2d(2, rounding: Rounding.Floor)),
            ("norm1", Norm()), ("activ1", new Gelu()),
            ("conv2", Blocks.Convolution(channels, 3)), ("norm2", Norm()), ("activ2", new Gelu()));

        static BatchNorm2d Norm() => new(momentum: 0.4f, epsilon: 1e-12f);
    }

    /// <summary>The parameter groups of the training: the whitening filters and the scales of the batch normalisations
    /// are frozen, and the biases of the batch normalisations learn 64 times as fast.</summary>
    /// <param name="weightDecay">The weight decay of the other parameters. That of the biases is a 64th, so that a step
    /// shrinks both by the same factor.</param>
    public static IReadOnlyList<ParameterGroup> Groups(float weightDecay = 0)
    {
        const float Factor = 64;
        return
        [
            new ParameterGroup($"{Whitening}.weight", "*.norm?.weight") { Frozen = true },
            new ParameterGroup("*.norm?.bias") { LearningRateFactor = Factor, WeightDecay = weightDecay / Factor },
        ];
    }

    /// <summary>Writes the initial values that the network starts from, after
    /// <see cref="ExecutableExtensions.Initialize"/>: the whitening filters, computed from images, and in every other
    /// convolution an identity in the first filters, one for each input channel.</summary>
    /// <param name="net">The network that <see cref="Create"/> returned, compiled.</param>
    /// <param name="images">Normalised training images; 5,000 suffice.</param>
    /// <exception cref="ArgumentNullException"><paramref name="net"/> is null.</exception>
    /// <exception cref="ArgumentException">There is no image, or their length does not fit the network.</exception>
    public static void Initialize(IExecutable net, ReadOnlySpan<float> images)
    {
        ArgumentNullException.ThrowIfNull(net);
        Graph graph = net.Graph;
        net.Write(graph[Whitening].Parameters[0], WhiteningFilters(images, graph.Input.Shape));
        foreach (Node node in graph.LayerNodes.Where(node => node.Name != Whitening
            && node.Parameters is [{ Dimensions.Count: 4 }, ..]))
        {
            Parameter weight = node.Parameters[0];
            float[] values = new float[weight.Length];
            net.Read(weight, values);
            SetIdentity(values, weight.Dimensions);
            net.Write(weight, values);
        }
    }

    /// <summary>Computes filters that whiten the 2×2 patches of images: the eigenvectors of the patches' second
    /// moments, each divided by the square root of its eigenvalue plus ε, and after them their negatives.</summary>
    /// <param name="images">The images, one after the other.</param>
    /// <param name="shape">The shape of one image.</param>
    /// <param name="epsilon">ε, which limits the factor of directions in which patches hardly vary.</param>
    /// <returns>The filters, 8C×C×2×2, by falling eigenvalue.</returns>
    /// <exception cref="ArgumentException">There is no image, or their length is no multiple of that of one
    /// image.</exception>
    public static float[] WhiteningFilters(ReadOnlySpan<float> images, Shape shape, double epsilon = 5e-4)
    {
        if (images.Length == 0 || images.Length % shape.Length != 0)
            throw new ArgumentException($"{images.Length:N0} values are not a number of {shape} images, at least one.",
                nameof(images));
        int size = shape.C * Patch * Patch;
        (double[] eigenvalues, double[,] eigenvectors) = SymmetricMatrix.Eigen(SecondMoments(images, shape, size));
        float[] filters = new float[2 * size * size];
        for (int filter = 0; filter < size; filter++)
        {
            double scale = 1 / Math.Sqrt(eigenvalues[filter] + epsilon);
            for (int i = 0; i < size; i++)
            {
                float value = (float)(eigenvectors[i, filter] * scale);
                filters[filter * size + i] = value;
                filters[(size + filter) * size + i] = -value;
            }
        }
        return filters;
    }

    // The mean of p·pᵀ over all patches p.
    private static double[,] SecondMoments(ReadOnlySpan<float> images, Shape shape, int size)
    {
        double[,] moments = new double[size, size];
        double[] patch = new double[size];
        long patches = 0;
        for (int image = 0; image < images.Length; image += shape.Length)
        {
            for (int h = 0; h + Patch <= shape.H; h++)
            {
                for (int w = 0; w + Patch <= shape.W; w++, patches++)
                {
                    for (int i = 0; i < size; i++)
                        patch[i] = images[image + (i / (Patch * Patch) * shape.H + h + i / Patch % Patch) * shape.W
                            + w + i % Patch];
                    for (int i = 0; i < size; i++)
                    {
                        for (int j = 0; j <= i; j++)
                            moments[i, j] += patch[i] * patch[j];
                    }
                }
            }
        }
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j <= i; j++)
                moments[i, j] = moments[j, i] = moments[i, j] / patches;
        }
        return moments;
    }

    // Filter i of the first C passes channel i through: torch's dirac_.
    private static void SetIdentity(Span<float> weight, IReadOnlyList<int> dimensions)
    {
        int depth = dimensions[1], area = dimensions[2] * dimensions[3], filters = Math.Min(dimensions[0], depth);
        weight[..(filters * depth * area)].Clear();
        for (int i = 0; i < filters; i++)
            weight[(i * depth + i) * area + area / 2] = 1;
    }
}
