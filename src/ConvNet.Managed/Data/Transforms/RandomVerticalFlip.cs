namespace ConvNet.Data;

/// <summary>Flips an image vertically with probability p.</summary>
public sealed record RandomVerticalFlip : Transform
{
    private const double Usual = 0.5;

    private static readonly AttributeDeclaration<double> s_probability
        = TransformAttributes.Probability<RandomVerticalFlip>(flip => flip.Probability, Usual);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomverticalflip",
        "mirrors images top to bottom at random", [s_probability],
        values => new RandomVerticalFlip(values.Get(s_probability)));

    /// <summary>Creates a random vertical flip.</summary>
    /// <param name="probability">p, the probability of a flip, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1].</exception>
    public RandomVerticalFlip(double probability = Usual)
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
            Mirror.Rows(shape, x, y);
        else
            x.CopyTo(y);
    }
}
