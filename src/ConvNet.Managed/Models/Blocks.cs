namespace ConvNet.Models;

/// <summary>Blocks that several families of networks share.</summary>
/// <remarks>
/// A block is a function that adds its layers to a graph, reading a node, and returns its last node. The names of its
/// nodes start with the given name and go on as in torchvision, so that parameters have torchvision's names.
/// </remarks>
public static class Blocks
{
    /// <summary>Adds a convolution without a bias, a batch normalisation and an activation: <c>name.0</c>,
    /// <c>name.1</c> and <c>name.2</c>.</summary>
    /// <remarks>The padding, (F − 1) / 2, keeps the size of a map at stride 1.</remarks>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="kernelSize">F, the rows and columns of a filter; odd.</param>
    /// <param name="stride">The stride. Output sizes are rounded down.</param>
    /// <param name="groups">The number of channel groups.</param>
    /// <param name="activation">The activation; null for none.</param>
    /// <param name="norm">The normalisation; by default batch normalisation with its usual settings.</param>
    /// <returns>The last node of the block.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node ConvNormActivation(Graph graph, Node x, string name, int channels, int kernelSize,
        int stride = 1, int groups = 1, Layer? activation = null, BatchNorm2d? norm = null)
    {
        x = graph.Append(x, name, ("0", Convolution(channels, kernelSize, stride, groups)),
            ("1", norm ?? new BatchNorm2d()));
        return activation is null ? x : graph.Append(x, name, ("2", activation));
    }

    /// <summary>Adds a squeeze-and-excitation block, which scales each channel by a factor that depends on the means of
    /// all channels: y = x · gate(fc2(activation(fc1(mean of x)))).</summary>
    /// <remarks><c>name.fc1</c> and <c>name.fc2</c> are 1×1 convolutions. Source: Hu et al., CVPR 2018.</remarks>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The node to read.</param>
    /// <param name="name">The name of the block.</param>
    /// <param name="squeezed">The number of channels between the two convolutions.</param>
    /// <param name="activation">The activation between the two convolutions.</param>
    /// <param name="gate">The activation after the second convolution.</param>
    /// <returns>The last node of the block, of the shape of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A layer does not accept its input, or a name is already in use.</exception>
    public static Node SqueezeExcitation(Graph graph, Node x, string name, int squeezed, Layer activation, Layer gate)
    {
        ArgumentNullException.ThrowIfNull(x);
        Node factors = graph.Append(x, name, ("avgpool", new GlobalAvgPool2d()), ("fc1", new Conv2d(squeezed, 1)),
            ("activation", activation), ("fc2", new Conv2d(x.Shape.C, 1)), ("scale_activation", gate));
        return graph.Add($"{name}.mul", new Multiply(), x, factors);
    }

    /// <summary>Returns the multiple of 8 nearest to a scaled number of channels, and at least 90% of it.</summary>
    internal static int MultipleOf8(double channels)
    {
        int nearest = Math.Max(8, (int)(channels + 4) / 8 * 8);
        return nearest < 0.9 * channels ? nearest + 8 : nearest;
    }

    /// <summary>Returns a convolution without a bias whose padding keeps the size of a map at stride 1.</summary>
    internal static Conv2d Convolution(int channels, int kernelSize, int stride = 1, int groups = 1)
        => new(channels, kernelSize, stride, (kernelSize - 1) / 2, groups: groups, bias: false,
            rounding: RoundingOf(stride));

    /// <summary>Rounds the output sizes of a stride down, as torch does. At stride 1 every size is whole.</summary>
    internal static Rounding RoundingOf(int stride) => stride > 1 ? Rounding.Floor : Rounding.Exact;
}
