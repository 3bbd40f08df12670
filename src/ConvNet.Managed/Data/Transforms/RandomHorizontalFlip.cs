namespace ConvNet.Data;

/// <summary>Flips an image horizontally with probability p.</summary>
public sealed record RandomHorizontalFlip : Transform
{
    private const double Usual = 0.5;

    private static readonly AttributeDeclaration<double> s_probability
        = TransformAttributes.Probability<RandomHorizontalFlip>(flip => flip.Probability, Usual);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomhorizontalflip",
        "mirrors images left to right at random", [s_probability],
        values => new RandomHorizontalFlip(values.Get(s_probability)))
    {
        FormerKinds = ["horizontalflip", "horizontalFlip"],
    };

    /// <summary>Creates a random horizontal flip.</summary>
    /// <param name="probability">p, the probability of a flip, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1].</exception>
    public RandomHorizontalFlip(double probability = Usual)
    {
        Probability = s_probability.Check(Declared.Kind, probability);
    }

    /// <summary>p, the probability of a flip.</summary>
    public double Probability { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        if (random.Chance(Probability))
            Mirror.Columns(shape, x, y);
        else
            x.CopyTo(y);
    }
}
