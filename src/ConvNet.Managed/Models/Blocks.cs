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

    /// <summary>Returns a convolution without a bias whose padding keeps the size of a map at stride 1.</summary>
    internal static Conv2d Convolution(int channels, int kernelSize, int stride = 1, int groups = 1)
        => new(channels, kernelSize, stride, (kernelSize - 1) / 2, groups: groups, bias: false,
            rounding: RoundingOf(stride));

    /// <summary>Rounds the output sizes of a stride down, as torch does. At stride 1 every size is whole.</summary>
    internal static Rounding RoundingOf(int stride) => stride > 1 ? Rounding.Floor : Rounding.Exact;
}
