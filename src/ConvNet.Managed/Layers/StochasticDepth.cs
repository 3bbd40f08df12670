namespace ConvNet;

/// <summary>What <see cref="StochasticDepth"/> drops at a time. The names are those of torchvision.</summary>
public enum StochasticDepthMode
{
    /// <summary>Each sample on its own.</summary>
    Row,

    /// <summary>The whole batch or none of it.</summary>
    Batch,
}

/// <summary>Stochastic depth: in training, a residual branch becomes 0 with probability p and x / (1 − p) otherwise,
/// for each sample or for the whole batch; in inference, y = x.</summary>
/// <remarks>
/// The mask is that of a <see cref="RandomDrop"/>, keyed by the index of the sample in the whole batch, or by 0.
/// Backward: dy through the same mask. Source: Huang et al., ECCV 2016.
/// </remarks>
public sealed record StochasticDepth : RandomDrop
{
    private const StochasticDepthMode UsualMode = StochasticDepthMode.Row;

    private static readonly AttributeDeclaration<float> s_probability = Declare<StochasticDepth>();

    private static readonly AttributeDeclaration<StochasticDepthMode> s_mode
        = AttributeDeclaration.Choice<StochasticDepth, StochasticDepthMode>("mode", layer => layer.Mode,
            [("row", StochasticDepthMode.Row), ("batch", StochasticDepthMode.Batch)], UsualMode);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("stochasticdepth", "zeroes random samples in training",
        [s_probability, s_mode], values => new StochasticDepth(values.Get(s_probability), values.Get(s_mode)))
    {
        Examples =
        [
            new("stochastic depth", new StochasticDepth(0.25f), 7, new Shape(17, 2, 3)),
            new("stochastic depth of a batch", new StochasticDepth(0.25f, StochasticDepthMode.Batch), 3,
                new Shape(3, 5, 3)),
        ],
        Random = [draw => new("stochastic depth", Drawn(draw), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => Drawn(draw),
    };

    /// <summary>Creates a stochastic depth layer.</summary>
    /// <param name="probability">p, the probability of dropping a sample or the batch, in [0, 1).</param>
    /// <param name="mode">What is dropped at a time.</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1), or the mode is not defined in the
    /// enumeration.</exception>
    public StochasticDepth(float probability = Usual, StochasticDepthMode mode = UsualMode)
        : base(s_probability.Check("stochasticdepth", probability))
    {
        Mode = s_mode.Check(Kind, mode);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>What is dropped at a time.</summary>
    public StochasticDepthMode Mode { get; }

    /// <inheritdoc/>
    internal override int GroupLength(Shape shape) => Mode == StochasticDepthMode.Row ? shape.Length : 0;

    private static StochasticDepth Drawn(RandomDraw draw)
        => new(draw.Of(0f, 0.25f, 0.5f), draw.Of(StochasticDepthMode.Row, StochasticDepthMode.Batch));
}
