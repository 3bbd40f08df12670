namespace ConvNet;

/// <summary>Channel dropout: in training, each map of a sample becomes 0 with probability p and x / (1 − p) otherwise;
/// in inference, y = x.</summary>
/// <remarks>
/// The mask is that of a <see cref="RandomDrop"/>, keyed by the index N·C of the map in the whole batch. Backward: dy
/// through the same mask. Source: Tompson et al., CVPR 2015.
/// </remarks>
public sealed record Dropout2d : RandomDrop
{
    private static readonly AttributeDeclaration<float> s_probability = Declare<Dropout2d>();

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("dropout2d", "zeroes random maps in training",
        [s_probability], values => new Dropout2d(values.Get(s_probability)))
    {
        Examples =
        [
            new("dropout2d", new Dropout2d(), 3, new Shape(17, 3, 5)),
            new("dropout2d of vectors", new Dropout2d(0.25f), 4, Shape.Vector(19)),
        ],
        Random = [draw => new("dropout2d", new Dropout2d(draw.Of(0f, 0.1f, 0.25f, 0.5f)), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => new Dropout2d(draw.Of(0.25f, 0.5f)),
    };

    /// <summary>Creates a channel dropout layer.</summary>
    /// <param name="probability">p, the probability of dropping a map, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1).</exception>
    public Dropout2d(float probability = Usual)
        : base(s_probability.Check("dropout2d", probability))
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    internal override int GroupLength(Shape shape) => shape.Area;
}
