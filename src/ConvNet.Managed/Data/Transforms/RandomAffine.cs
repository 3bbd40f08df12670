namespace ConvNet.Data;

/// <summary>Rotates, translates, scales and shears an image about its middle, at random.</summary>
/// <remarks>As torchvision's <c>RandomAffine</c>, except that values between pixels are bilinear by default. The result
/// has the size of the image. Translations are rounded to whole pixels.</remarks>
public sealed record RandomAffine : Transform
{
    private static readonly ValueRange s_noScale = (1, 1);

    private static readonly AttributeDeclaration<ValueRange> s_degrees
        = AttributeDeclaration.Bounds<RandomAffine>("degrees", affine => affine.Degrees, TransformAttributes.Angle,
            (0, 0));

    private static readonly AttributeDeclaration<double> s_translateX
        = AttributeDeclaration.Number<RandomAffine>("translateX", affine => affine.TranslateX,
            TransformAttributes.Share, 0);

    private static readonly AttributeDeclaration<double> s_translateY
        = AttributeDeclaration.Number<RandomAffine>("translateY", affine => affine.TranslateY,
            TransformAttributes.Share, 0);

    private static readonly AttributeDeclaration<ValueRange> s_scale
        = AttributeDeclaration.Bounds<RandomAffine>("scale", affine => affine.Scale, NumberInterval.AboveZero,
            s_noScale);

    private static readonly AttributeDeclaration<ValueRange> s_shearX
        = AttributeDeclaration.Bounds<RandomAffine>("shearX", affine => affine.ShearX, TransformAttributes.ShearAngle,
            (0, 0));

    private static readonly AttributeDeclaration<ValueRange> s_shearY
        = AttributeDeclaration.Bounds<RandomAffine>("shearY", affine => affine.ShearY, TransformAttributes.ShearAngle,
            (0, 0));

    private static readonly AttributeDeclaration<Interpolation> s_interpolation
        = AttributeDeclaration.Choice<RandomAffine, Interpolation>("interpolation", affine => affine.Interpolation,
            [("bilinear", Interpolation.Bilinear), ("nearest", Interpolation.Nearest)], Interpolation.Bilinear);

    private static readonly AttributeDeclaration<float> s_fill
        = TransformAttributes.Fill<RandomAffine>("fill", affine => affine.Fill);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomaffine",
        "rotates, translates, scales and shears images at random",
        [s_degrees, s_translateX, s_translateY, s_scale, s_shearX, s_shearY, s_interpolation, s_fill],
        values => new RandomAffine(values.Get(s_degrees), values.Get(s_translateX), values.Get(s_translateY),
            values.Get(s_scale), values.Get(s_shearX), values.Get(s_shearY), values.Get(s_interpolation),
            values.Get(s_fill)));

    /// <summary>Creates a random affine transform.</summary>
    /// <param name="degrees">The bounds of the angle of rotation in degrees, clockwise; a single number d means −d to
    /// d.</param>
    /// <param name="translateX">The largest translation to the left and the right, as a fraction of the width.</param>
    /// <param name="translateY">The largest translation up and down, as a fraction of the height.</param>
    /// <param name="scale">The bounds of the factor of size; by default 1.</param>
    /// <param name="shearX">The bounds of the angle of the shear along rows, in degrees.</param>
    /// <param name="shearY">The bounds of the angle of the shear along columns, in degrees.</param>
    /// <param name="interpolation">How values between pixels are computed.</param>
    /// <param name="fill">The value of pixels that show nothing of the image.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range, or bounds are in the wrong
    /// order.</exception>
    public RandomAffine(ValueRange degrees = default, double translateX = 0, double translateY = 0,
        ValueRange? scale = null, ValueRange shearX = default, ValueRange shearY = default,
        Interpolation interpolation = Interpolation.Bilinear, float fill = 0)
    {
        string kind = Declared.Kind;
        Degrees = s_degrees.Check(kind, degrees);
        TranslateX = s_translateX.Check(kind, translateX);
        TranslateY = s_translateY.Check(kind, translateY);
        Scale = s_scale.Check(kind, scale ?? s_noScale);
        ShearX = s_shearX.Check(kind, shearX);
        ShearY = s_shearY.Check(kind, shearY);
        Interpolation = s_interpolation.Check(kind, interpolation);
        Fill = s_fill.Check(kind, fill);
    }

    /// <summary>The bounds of the angle of rotation in degrees, clockwise.</summary>
    public ValueRange Degrees { get; }

    /// <summary>The largest translation to the left and the right, as a fraction of the width.</summary>
    public double TranslateX { get; }

    /// <summary>The largest translation up and down, as a fraction of the height.</summary>
    public double TranslateY { get; }

    /// <summary>The bounds of the factor of size.</summary>
    public ValueRange Scale { get; }

    /// <summary>The bounds of the angle of the shear along rows, in degrees.</summary>
    public ValueRange ShearX { get; }

    /// <summary>The bounds of the angle of the shear along columns, in degrees.</summary>
    public ValueRange ShearY { get; }

    /// <summary>How values between pixels are computed.</summary>
    public Interpolation Interpolation { get; }

    /// <summary>The value of pixels that show nothing of the image.</summary>
    public float Fill { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        double degrees = Degrees.Draw(random),
            right = Math.Round(random.Uniform(-TranslateX, TranslateX) * shape.W),
            down = Math.Round(random.Uniform(-TranslateY, TranslateY) * shape.H),
            scale = Scale.Draw(random), shearX = ShearX.Draw(random), shearY = ShearY.Draw(random);
        AffineMap.Of(shape, degrees, right, down, scale, shearX, shearY).Apply(shape, x, y, Interpolation, Fill);
    }
}
