namespace ConvNet;

/// <summary>Group normalisation of groups of consecutive channels of each sample: y = γ·(x − μ) / √(σ² + ε) +
/// β.</summary>
/// <remarks>
/// x, y: N×C×H×W; γ, β: C. μ and the biased σ² are computed from the C/groups·H·W values of a group. The backward
/// formulas are those of <see cref="SampleNorm"/>. Source: Wu and He, ECCV 2018.
/// </remarks>
public sealed record GroupNorm : SampleNorm
{
    private static readonly AttributeDeclaration<int> s_groups = AttributeDeclaration.Integer<GroupNorm>("groups",
        layer => layer.Groups, role: AttributeRole.Groups);

    private static readonly AttributeDeclaration<float> s_epsilon = AttributeDeclaration.Number<GroupNorm>("epsilon",
        layer => layer.Epsilon, NumberInterval.AboveZero, UsualEpsilon);

    private static readonly AttributeDeclaration<bool> s_affine = AttributeDeclaration.Flag<GroupNorm>("affine",
        layer => layer.Affine, true, simplest: true);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("groupnorm", "normalisation of groups of channels",
        [s_groups, s_epsilon, s_affine],
        values => new GroupNorm(values.Get(s_groups), values.Get(s_epsilon), values.Get(s_affine)))
    {
        Examples =
        [
            new("groupnorm", new GroupNorm(2), 2, new Shape(6, 3, 4)) { Rounds = true },
            new("groupnorm across blocks", new GroupNorm(3, affine: false), 2, new Shape(33, 2, 3)) { Rounds = true },
        ],
        Random = [Random],
        LongSums = [LargeMap],
        Fitting = (draw, _, x) => draw.Of(1, 2, 3) is var groups && x.C % groups == 0
            && x.Length / groups >= BatchNorm2d.FewestValues ? new GroupNorm(groups) : null,
    };

    /// <summary>Creates a group normalisation.</summary>
    /// <param name="groups">The number of groups of channels; it divides the number of channels.</param>
    /// <param name="epsilon">ε, added to the variance; positive.</param>
    /// <param name="affine">Whether the layer has the parameters γ and β.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public GroupNorm(int groups, float epsilon = UsualEpsilon, bool affine = true)
        : base(s_epsilon, epsilon, affine)
        => Groups = s_groups.Check(Kind, groups);

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The number of groups of channels.</summary>
    public int Groups { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        if (x.C % Groups == 0)
            return x;
        int below = Enumerable.Range(1, Math.Min(Groups, x.C)).Last(groups => x.C % groups == 0);
        int above = Enumerable.Range(below + 1, x.C - below).FirstOrDefault(groups => x.C % groups == 0);
        throw new ArgumentException($"{Groups} groups do not divide the {x.C} channels of the {x} input. "
            + (above == 0 ? $"{below} groups fit." : $"{below} or {above} groups fit."));
    }

    /// <inheritdoc/>
    internal override NormSets SetsOf(Shape shape) => NormSets.OfChannels(shape, Groups);

    private static LayerExample Random(RandomDraw draw)
    {
        int groups = draw.Of(1, 2, 3, 5, 8, 16, 17);
        var shape = new Shape(groups * draw.Of(1, 2, 3, 5, 11), draw.Between(1, 9), draw.Between(1, 9));
        return new("groupnorm", new GroupNorm(groups, draw.Of(1e-5f, 1e-3f), !draw.OneIn(4)), draw.Batch(), shape);
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int channels, Extent map) = draw.Spread(draw.ManyTerms());
        return new("groupnorm", new GroupNorm(2), 1, new Shape(2 * channels, map.H, map.W));
    }
}
