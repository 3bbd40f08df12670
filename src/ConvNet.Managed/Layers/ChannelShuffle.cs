namespace ConvNet;

/// <summary>Interleaves the channels of several groups: y[n,j·g+i,h,w] = x[n,i·(C/g)+j,h,w] with g groups.</summary>
/// <remarks>x, y: N×C×H×W. Backward: the inverse, a shuffle with C/g groups. Both passes only copy values. The
/// semantics are those of torch. Source: Zhang et al., "ShuffleNet", CVPR 2018.</remarks>
public sealed record ChannelShuffle : Rearrangement
{
    private static readonly AttributeDeclaration<int> s_groups
        = AttributeDeclaration.Integer<ChannelShuffle>("groups", layer => layer.Groups);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("channelshuffle", "interleaves groups of channels",
        [s_groups], values => new ChannelShuffle(values.Get(s_groups)))
    {
        Examples =
        [
            new("channel shuffle", new ChannelShuffle(2), 2, new Shape(34, 3, 2)),
            new("channel shuffle of blocks", new ChannelShuffle(2), 1, new Shape(64, 2, 3)),
            new("channel shuffle in 3 groups", new ChannelShuffle(3), 2, new Shape(15, 4, 3)),
        ],
        Random = [Random],
        Fitting = (_, _, x) => new ChannelShuffle(x.C % 2 == 0 ? 2 : x.C),
    };

    /// <summary>Describes a channel shuffle.</summary>
    /// <param name="groups">g, the number of groups.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of groups is less than 1.</exception>
    public ChannelShuffle(int groups)
    {
        Groups = s_groups.Check(Kind, groups);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>g, the number of groups.</summary>
    public int Groups { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return x.C % Groups == 0
            ? x
            : throw ArgumentErrors.WithAdvice($"{x.C} channels are not divisible by {Groups} groups.",
                "Use a divisor of the channels.");
    }

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{Groups} groups of {inputs[0].C / Groups} channels";

    internal override Reordering Dimensions(Shape x) => new([Groups, x.C / Groups, x.H, x.W], 1, 0, 2, 3);

    private static LayerExample Random(RandomDraw draw)
    {
        int groups = draw.Between(1, 5);
        return new("channelshuffle", new ChannelShuffle(groups), draw.Batch(),
            new Shape(groups * draw.Of(1, 2, 3, 8, 17), draw.Between(1, 6), draw.Between(1, 6)));
    }
}
