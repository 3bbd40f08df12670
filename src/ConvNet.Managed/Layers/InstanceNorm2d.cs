namespace ConvNet;

/// <summary>Instance normalisation of each channel of each sample: y = γ·(x − μ) / √(σ² + ε) + β.</summary>
/// <remarks>
/// x, y: N×C×H×W; γ, β: C, if the layer is affine. μ and the biased σ² are computed from the H·W values of a channel,
/// in training and in inference, as in PyTorch without <c>track_running_stats</c>. The backward formulas are those of
/// <see cref="SampleNorm"/>. Source: Ulyanov, Vedaldi and Lempitsky, arXiv 1607.08022.
/// </remarks>
public sealed record InstanceNorm2d : SampleNorm
{
    private static readonly AttributeDeclaration<float> s_epsilon = AttributeDeclaration.Number<InstanceNorm2d>(
        "epsilon", layer => layer.Epsilon, NumberInterval.AboveZero, UsualEpsilon);

    private static readonly AttributeDeclaration<bool> s_affine = AttributeDeclaration.Flag<InstanceNorm2d>("affine",
        layer => layer.Affine, false);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("instancenorm", "normalisation of every channel",
        [s_epsilon, s_affine], values => new InstanceNorm2d(values.Get(s_epsilon), values.Get(s_affine)))
    {
        Examples =
        [
            new("instancenorm", new InstanceNorm2d(), 2, new Shape(3, 5, 4)) { Rounds = true },
            new("instancenorm with scale", new InstanceNorm2d(1e-3f, affine: true), 2, new Shape(17, 3, 3))
            {
                Rounds = true,
            },
        ],
        Random = [Random],
        LongSums = [LargeMap],
        Fitting = (draw, _, x) => x.Area < BatchNorm2d.FewestValues ? null : new InstanceNorm2d(affine: draw.OneIn(2)),
    };

    /// <summary>Creates an instance normalisation.</summary>
    /// <param name="epsilon">ε, added to the variance; positive.</param>
    /// <param name="affine">Whether the layer has the parameters γ and β.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public InstanceNorm2d(float epsilon = UsualEpsilon, bool affine = false)
        : base(s_epsilon, epsilon, affine)
    {
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    internal override NormSets SetsOf(Shape shape) => NormSets.OfChannels(shape, shape.C);

    private static LayerExample Random(RandomDraw draw) => new("instancenorm",
        new InstanceNorm2d(draw.Of(1e-5f, 1e-3f), draw.OneIn(2)), draw.Batch(), draw.Shape());

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int n, Extent map) = draw.Spread(draw.ManyTerms());
        return new("instancenorm", new InstanceNorm2d(affine: true), n, new Shape(1, map.H, map.W));
    }
}
