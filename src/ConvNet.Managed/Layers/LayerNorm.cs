namespace ConvNet;

/// <summary>The values of a sample that <see cref="LayerNorm"/> normalises together.</summary>
public enum LayerNormAxes
{
    /// <summary>All values of the sample, over C, H and W.</summary>
    Sample,

    /// <summary>The channels of each pixel, over C.</summary>
    Channels,
}

/// <summary>Layer normalisation of each sample, or of the channels of each pixel: y = γ·(x − μ) / √(σ² + ε) +
/// β.</summary>
/// <remarks>
/// x, y: N×C×H×W. Over the sample, μ and the biased σ² are computed from its C·H·W values, and γ and β are C×H×W, as in
/// PyTorch's <c>LayerNorm([C, H, W])</c>; those of a vector are C. Over channels, they are computed from the C values
/// of a pixel, and γ and β are C, as in torchvision's <c>LayerNorm2d</c>, which ConvNeXt uses with ε = 10⁻⁶. The
/// backward formulas are those of <see cref="SampleNorm"/>. Source: Ba, Kiros and Hinton, arXiv 1607.06450.
/// </remarks>
public sealed record LayerNorm : SampleNorm
{
    private static readonly AttributeDeclaration<LayerNormAxes> s_over = AttributeDeclaration.Choice<LayerNorm,
        LayerNormAxes>("over", layer => layer.Over,
            [("sample", LayerNormAxes.Sample), ("channels", LayerNormAxes.Channels)], LayerNormAxes.Sample);

    private static readonly AttributeDeclaration<float> s_epsilon = AttributeDeclaration.Number<LayerNorm>("epsilon",
        layer => layer.Epsilon, NumberInterval.AboveZero, UsualEpsilon);

    private static readonly AttributeDeclaration<bool> s_affine = AttributeDeclaration.Flag<LayerNorm>("affine",
        layer => layer.Affine, true, simplest: true);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("layernorm", "layer normalisation",
        [s_over, s_epsilon, s_affine],
        values => new LayerNorm(values.Get(s_over), values.Get(s_epsilon), values.Get(s_affine)))
    {
        Examples =
        [
            new("layernorm", new LayerNorm(), 3, new Shape(5, 3, 4)) { Rounds = true },
            new("layernorm of vectors", new LayerNorm(affine: false), 2, Shape.Vector(33)) { Rounds = true },
            new("layernorm over channels", new LayerNorm(LayerNormAxes.Channels, 1e-6f), 2, new Shape(17, 3, 5))
            {
                Rounds = true,
            },
        ],
        Random = [Random],
        LongSums = [LargeMap],
        Fitting = (draw, _, x) => x.C >= BatchNorm2d.FewestValues ? new LayerNorm(LayerNormAxes.Channels)
            : x.Length >= BatchNorm2d.FewestValues ? new LayerNorm(affine: draw.OneIn(2)) : null,
    };

    /// <summary>Creates a layer normalisation.</summary>
    /// <param name="over">The values that are normalised together.</param>
    /// <param name="epsilon">ε, added to the variance; positive.</param>
    /// <param name="affine">Whether the layer has the parameters γ and β.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public LayerNorm(LayerNormAxes over = LayerNormAxes.Sample, float epsilon = UsualEpsilon, bool affine = true)
        : base(s_epsilon, epsilon, affine)
        => Over = s_over.Check(Kind, over);

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The values that are normalised together.</summary>
    public LayerNormAxes Over { get; }

    /// <inheritdoc/>
    internal override bool ScalesEveryValue => Over == LayerNormAxes.Sample;

    /// <inheritdoc/>
    internal override NormSets SetsOf(Shape shape)
        => Over == LayerNormAxes.Sample ? NormSets.OfChannels(shape, 1) : NormSets.OfPixels(shape);

    private static LayerExample Random(RandomDraw draw) => new("layernorm",
        new LayerNorm(draw.Of(LayerNormAxes.Sample, LayerNormAxes.Channels), draw.Of(1e-5f, 1e-3f), !draw.OneIn(4)),
        draw.Batch(), draw.OneIn(5) ? Shape.Vector(draw.Channels()) : draw.Shape());

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int channels, Extent map) = draw.Spread(draw.ManyTerms());
        return new("layernorm", new LayerNorm(), 1, new Shape(channels, map.H, map.W));
    }
}
