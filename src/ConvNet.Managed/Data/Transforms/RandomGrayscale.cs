namespace ConvNet.Data;

/// <summary>Makes a colour image grey with probability p; the three channels become equal.</summary>
public sealed record RandomGrayscale : Transform
{
    private const double Usual = 0.1;

    private static readonly AttributeDeclaration<double> s_probability
        = TransformAttributes.Probability<RandomGrayscale>(grey => grey.Probability, Usual);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomgrayscale", "makes images grey at random",
        [s_probability], values => new RandomGrayscale(values.Get(s_probability)));

    /// <summary>Creates a random conversion to grey.</summary>
    /// <param name="probability">p, the probability of the conversion, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1].</exception>
    public RandomGrayscale(double probability = Usual)
    {
        Probability = s_probability.Check(Declared.Kind, probability);
    }

    /// <summary>p, the probability of the conversion.</summary>
    public double Probability { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input) => OfGreyOrColour(input);

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        x.CopyTo(y);
        if (random.Chance(Probability))
            ImageColors.Greyscale(shape, y);
    }
}
