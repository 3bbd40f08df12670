namespace ConvNet.Data;

/// <summary>Erases a rectangle of random area, aspect ratio and position with probability p.</summary>
/// <remarks>As torchvision's <c>RandomErasing</c>. If none of ten rectangles fits into the image, nothing is erased.
/// Source: Zhong et al., "Random erasing data augmentation", AAAI 2020.</remarks>
public sealed record RandomErasing : Transform
{
    private const double UsualProbability = 0.5;

    private static readonly ValueRange s_usualScale = (0.02, 0.33), s_usualRatio = (0.3, 3.3);

    private static readonly AttributeDeclaration<double> s_probability
        = TransformAttributes.Probability<RandomErasing>(erasing => erasing.Probability, UsualProbability);

    private static readonly AttributeDeclaration<ValueRange> s_scale
        = AttributeDeclaration.Bounds<RandomErasing>("scale", erasing => erasing.Scale,
            TransformAttributes.PositiveShare, s_usualScale);

    private static readonly AttributeDeclaration<ValueRange> s_ratio
        = AttributeDeclaration.Bounds<RandomErasing>("ratio", erasing => erasing.Ratio, NumberInterval.AboveZero,
            s_usualRatio);

    private static readonly AttributeDeclaration<float> s_value
        = TransformAttributes.Fill<RandomErasing>("value", erasing => erasing.Value);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomerasing", "erases a random rectangle",
        [s_probability, s_scale, s_ratio, s_value],
        values => new RandomErasing(values.Get(s_probability), values.Get(s_scale), values.Get(s_ratio),
            values.Get(s_value)));

    /// <summary>Creates a random erasure.</summary>
    /// <param name="probability">p, the probability that a rectangle is erased, in [0, 1].</param>
    /// <param name="scale">The bounds of its area, as a fraction of the image, in (0, 1]; by default 0.02 to
    /// 0.33.</param>
    /// <param name="ratio">The bounds of its height divided by its width; by default 0.3 to 3.3.</param>
    /// <param name="value">The value of erased pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public RandomErasing(double probability = UsualProbability, ValueRange? scale = null, ValueRange? ratio = null,
        float value = 0)
    {
        string kind = Declared.Kind;
        Probability = s_probability.Check(kind, probability);
        Scale = s_scale.Check(kind, scale ?? s_usualScale);
        Ratio = s_ratio.Check(kind, ratio ?? s_usualRatio);
        Value = s_value.Check(kind, value);
    }

    /// <summary>p, the probability that a rectangle is erased.</summary>
    public double Probability { get; }

    /// <summary>The bounds of the area of the rectangle, as a fraction of the image.</summary>
    public ValueRange Scale { get; }

    /// <summary>The bounds of the height of the rectangle divided by its width.</summary>
    public ValueRange Ratio { get; }

    /// <summary>The value of erased pixels.</summary>
    public float Value { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        x.CopyTo(y);
        if (!random.Chance(Probability))
            return;
        for (int attempt = 0; attempt < RandomRegion.Attempts; attempt++)
        {
            (int height, int width) = RandomRegion.Draw(random, shape, Scale, Ratio);
            if (height >= shape.H || width >= shape.W)
                continue;
            int top = random.Between(0, shape.H - height), left = random.Between(0, shape.W - width);
            Erasure.Apply(shape, y, top, left, top + height, left + width, Value);
            return;
        }
    }
}
