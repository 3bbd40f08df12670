namespace ConvNet.Onnx;

/// <summary>A value that depends on the inputs: the output of a node, seen as an ONNX tensor.</summary>
/// <remarks>
/// The values of the node, in their order, are a tensor of the sizes <see cref="Stored"/>; the ONNX tensor has its
/// dimensions in another <see cref="Order"/>. Reordered dimensions become a layer only where one is needed, so that
/// models whose channels are last become layers of maps.
/// </remarks>
/// <param name="Node">The node.</param>
/// <param name="Stored">The sizes of the dimensions as the node stores them; the first is the number of
/// samples.</param>
/// <param name="Order">The stored dimension that each dimension of the ONNX tensor is.</param>
/// <param name="Name">The name that a layer that restores the order gets.</param>
internal sealed record Activation(Node Node, long[] Stored, int[] Order, string Name)
{
    /// <summary>Creates a value whose dimensions are in the order in which they are stored.</summary>
    public static Activation Of(Node node, params long[] sizes)
        => new(node, sizes, [.. Enumerable.Range(0, sizes.Length)], node.Name);

    /// <summary>Creates a value of maps, N×C×H×W, or N×C×H if another one is of that form.</summary>
    /// <param name="node">The node.</param>
    /// <param name="shape">The shape of the maps.</param>
    /// <param name="like">The other value.</param>
    public static Activation OfMap(Node node, Shape shape, Activation like)
        => Of(node, [.. new[] { like.Sizes[0], shape.C, shape.H, shape.W }.Take(like.Rank)]);

    /// <summary>The sizes of the ONNX tensor.</summary>
    public long[] Sizes => [.. Order.Select(dimension => Stored[dimension])];

    /// <summary>The number of dimensions.</summary>
    public int Rank => Order.Length;

    /// <summary>Whether the dimensions are in the order in which they are stored.</summary>
    public bool IsPlain => Order.Index().All(each => each.Item == each.Index);

    /// <summary>The same view of another node with values of the same sizes.</summary>
    public Activation With(Node node) => this with { Node = node, Name = node.Name };

    /// <summary>The same view of another node with values of other sizes.</summary>
    public Activation With(Node node, long[] stored) => new(node, stored, Order, node.Name);

    /// <summary>The value with its dimensions in another order.</summary>
    public Activation Transposed(int[] order, string name)
    {
        Activation moved = this with { Order = [.. order.Select(dimension => Order[dimension])], Name = name };
        // More dimensions than those of a map are a shuffle, even of a single pixel.
        return Rank <= 4 ? moved.Simplified() : moved;
    }

    /// <summary>The value with another view of the dimensions; if only dimensions of size 1 move, they do
    /// not.</summary>
    public Activation Simplified()
    {
        // The samples stay where they are, even if there is only one.
        int[] moved = [.. Order.Where((dimension, i) => i > 0 && Stored[dimension] != 1)];
        return Order[0] == 0 && moved.Zip(moved.Skip(1)).All(pair => pair.First < pair.Second)
            ? this with { Stored = Sizes, Order = [.. Enumerable.Range(0, Rank)] } : this;
    }
}
