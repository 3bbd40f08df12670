namespace ConvNet.Data;

/// <summary>Changes brightness, contrast, saturation and hue of an image at random, in random order.</summary>
/// <remarks>As torchvision's <c>ColorJitter</c>. A strength b means a factor from max(0, 1 − b) to 1 + b. Saturation
/// and hue do not change grey images.</remarks>
public sealed record ColorJitter : Transform
{
    private static readonly AttributeDeclaration<double> s_brightness
        = AttributeDeclaration.Number<ColorJitter>("brightness", jitter => jitter.Brightness, NumberInterval.FromZero,
            0);

    private static readonly AttributeDeclaration<double> s_contrast
        = AttributeDeclaration.Number<ColorJitter>("contrast", jitter => jitter.Contrast, NumberInterval.FromZero, 0);

    private static readonly AttributeDeclaration<double> s_saturation
        = AttributeDeclaration.Number<ColorJitter>("saturation", jitter => jitter.Saturation, NumberInterval.FromZero,
            0);

    private static readonly AttributeDeclaration<double> s_hue
        = AttributeDeclaration.Number<ColorJitter>("hue", jitter => jitter.Hue,
            new NumberInterval(0, 0.5, HasLeast: true, HasMost: true), 0);

    private static readonly AttributeDeclaration<float> s_maxValue
        = TransformAttributes.MaxValue<ColorJitter>(jitter => jitter.MaxValue);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("colorjitter",
        "changes brightness, contrast, saturation and hue at random",
        [s_brightness, s_contrast, s_saturation, s_hue, s_maxValue],
        values => new ColorJitter(values.Get(s_brightness), values.Get(s_contrast), values.Get(s_saturation),
            values.Get(s_hue), values.Get(s_maxValue)));

    /// <summary>Creates a random change of colours.</summary>
    /// <param name="brightness">The strength of the change of brightness, at least 0.</param>
    /// <param name="contrast">The strength of the change of contrast, at least 0.</param>
    /// <param name="saturation">The strength of the change of saturation, at least 0.</param>
    /// <param name="hue">The largest turn of the hue in both directions, as a fraction of a full turn, from 0 to
    /// 0.5.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public ColorJitter(double brightness = 0, double contrast = 0, double saturation = 0, double hue = 0,
        float maxValue = TransformAttributes.UsualMaxValue)
    {
        string kind = Declared.Kind;
        Brightness = s_brightness.Check(kind, brightness);
        Contrast = s_contrast.Check(kind, contrast);
        Saturation = s_saturation.Check(kind, saturation);
        Hue = s_hue.Check(kind, hue);
        MaxValue = s_maxValue.Check(kind, maxValue);
    }

    /// <summary>The strength of the change of brightness.</summary>
    public double Brightness { get; }

    /// <summary>The strength of the change of contrast.</summary>
    public double Contrast { get; }

    /// <summary>The strength of the change of saturation.</summary>
    public double Saturation { get; }

    /// <summary>The largest turn of the hue, as a fraction of a full turn.</summary>
    public double Hue { get; }

    /// <summary>The largest pixel value.</summary>
    public float MaxValue { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input) => OfGreyOrColour(input);

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        float brightness = Factor(Brightness, random), contrast = Factor(Contrast, random),
            saturation = Factor(Saturation, random), hue = (float)random.Uniform(-Hue, Hue);
        Span<int> order = [0, 1, 2, 3];
        random.Shuffle(order);
        x.CopyTo(y);
        foreach (int change in order)
        {
            if (change == 0)
                ImageColors.Brightness(y, brightness, MaxValue);
            else if (change == 1)
                ImageColors.Contrast(shape, y, contrast, MaxValue);
            else if (change == 2)
                ImageColors.Saturation(shape, y, saturation, MaxValue);
            else
                ImageColors.Hue(shape, y, hue);
        }
    }

    private static float Factor(double strength, RandomSequence random)
        => (float)random.Uniform(Math.Max(0, 1 - strength), 1 + strength);
}
