namespace ConvNet;

/// <summary>Dropout: in training, each value becomes 0 with probability p and x / (1 − p) otherwise; in inference,
/// y = x.</summary>
/// <remarks>
/// The mask is that of a <see cref="RandomDrop"/>, keyed by the NCHW index of the value in the whole batch. Backward:
/// dy through the same mask. Source: Srivastava et al., JMLR 2014.
/// </remarks>
public sealed record Dropout : RandomDrop
{
    private static readonly AttributeDeclaration<float> s_probability = Declare<Dropout>();

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("dropout", "zeroes random values in training",
        [s_probability], values => new Dropout(values.Get(s_probability)))
    {
        Examples = [new("dropout", new Dropout(), 3, new Shape(3, 5, 3))],
        Random = [draw => new("dropout", new Dropout(draw.Of(0f, 0.1f, 0.25f, 0.5f)), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => new Dropout(draw.Of(0.25f, 0.5f)),
    };

    /// <summary>Creates a dropout layer.</summary>
    /// <param name="probability">p, the probability of dropping a value, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1).</exception>
    public Dropout(float probability = Usual)
        : base(s_probability.Check("dropout", probability))
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    internal override int GroupLength(Shape shape) => 1;
}
