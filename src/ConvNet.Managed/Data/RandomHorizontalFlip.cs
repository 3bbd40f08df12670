namespace ConvNet.Data;

/// <summary>Flips an image horizontally with probability p.</summary>
public sealed record RandomHorizontalFlip : Transform
{
    private const double Usual = 0.5;

    private static readonly AttributeDeclaration<double> s_probability
        = AttributeDeclaration.Number<RandomHorizontalFlip>("probability", flip => flip.Probability,
            new NumberInterval(0, 1, HasLeast: true, HasMost: true), Usual);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("horizontalflip",
        "mirrors images left to right at random", [s_probability],
        values => new RandomHorizontalFlip(values.Get(s_probability)))
    {
        FormerKind = "horizontalFlip",
    };

    /// <summary>Creates a random horizontal flip.</summary>
    /// <param name="probability">p, the probability of a flip, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1].</exception>
    public RandomHorizontalFlip(double probability = Usual)
    {
        Probability = s_probability.Check("horizontalflip", probability);
    }

    /// <summary>p, the probability of a flip.</summary>
    public double Probability { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        x.CopyTo(y);
        if (!random.Chance(Probability))
            return;
        for (int row = 0; row < y.Length; row += shape.W)
            y.Slice(row, shape.W).Reverse();
    }
}
