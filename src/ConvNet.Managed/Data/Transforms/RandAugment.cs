using System.Buffers;

namespace ConvNet.Data;

/// <summary>Applies some of fourteen changes of geometry and colour, chosen at random, at one magnitude.</summary>
/// <remarks>
/// As torchvision's <c>RandAugment</c>, with values between pixels interpolated. The changes are identity, shear and
/// translation along rows and along columns, rotation, brightness, saturation, contrast, sharpness, posterize,
/// solarize, autocontrast and equalize. The highest magnitude is a shear by 0.3, a translation by 150/331 of the image,
/// a rotation by 30°, factors of 0.1 or 1.9, 4 bits, or all levels inverted.
/// Source: Cubuk, Zoph, Shlens and Le, "RandAugment", NeurIPS 2020.
/// </remarks>
public sealed record RandAugment : Transform
{
    private const int UsualOperations = 2, UsualMagnitude = 9, UsualBins = 31, Changes = 14, MostBits = 8;

    private static readonly AttributeDeclaration<int> s_numOps
        = AttributeDeclaration.Integer<RandAugment>("numOps", augment => augment.NumOps, UsualOperations);

    private static readonly AttributeDeclaration<int> s_magnitude
        = AttributeDeclaration.Integer<RandAugment>("magnitude", augment => augment.Magnitude, UsualMagnitude,
            least: 0);

    private static readonly AttributeDeclaration<int> s_bins
        = AttributeDeclaration.Integer<RandAugment>("numMagnitudeBins", augment => augment.NumMagnitudeBins, UsualBins,
            least: 2);

    private static readonly AttributeDeclaration<float> s_fill
        = TransformAttributes.Fill<RandAugment>("fill", augment => augment.Fill);

    private static readonly AttributeDeclaration<float> s_maxValue
        = TransformAttributes.MaxValue<RandAugment>(augment => augment.MaxValue);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randaugment",
        "applies random changes of geometry and colour", [s_numOps, s_magnitude, s_bins, s_fill, s_maxValue],
        values => new RandAugment(values.Get(s_numOps), values.Get(s_magnitude), values.Get(s_bins),
            values.Get(s_fill), values.Get(s_maxValue)));

    /// <summary>Creates a random augmentation.</summary>
    /// <param name="numOps">The number of changes of each image.</param>
    /// <param name="magnitude">The magnitude of the changes, from 0 to <paramref name="numMagnitudeBins"/> − 1.</param>
    /// <param name="numMagnitudeBins">The number of magnitudes, at least 2.</param>
    /// <param name="fill">The value of pixels that show nothing of the image.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public RandAugment(int numOps = UsualOperations, int magnitude = UsualMagnitude, int numMagnitudeBins = UsualBins,
        float fill = 0, float maxValue = TransformAttributes.UsualMaxValue)
    {
        string kind = Declared.Kind;
        NumOps = s_numOps.Check(kind, numOps);
        NumMagnitudeBins = s_bins.Check(kind, numMagnitudeBins);
        Magnitude = s_magnitude.Check(kind, magnitude) < numMagnitudeBins ? magnitude
            : throw new ArgumentOutOfRangeException(nameof(magnitude), $"{kind}: magnitude {magnitude} is not below "
                + $"numMagnitudeBins {numMagnitudeBins}. Use at most {numMagnitudeBins - 1}, or more bins.");
        Fill = s_fill.Check(kind, fill);
        MaxValue = s_maxValue.Check(kind, maxValue);
    }

    /// <summary>The number of changes of each image.</summary>
    public int NumOps { get; }

    /// <summary>The magnitude of the changes.</summary>
    public int Magnitude { get; }

    /// <summary>The number of magnitudes.</summary>
    public int NumMagnitudeBins { get; }

    /// <summary>The value of pixels that show nothing of the image.</summary>
    public float Fill { get; }

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
        x.CopyTo(y);
        float[] rented = ArrayPool<float>.Shared.Rent(y.Length);
        Span<float> before = rented.AsSpan(0, y.Length);
        for (int i = 0; i < NumOps; i++)
        {
            int change = random.Below(Changes);
            double strength = (double)Magnitude / (NumMagnitudeBins - 1),
                signed = random.OneIn(2) ? strength : -strength;
            if (MapOf(change, shape, signed) is { } map)
            {
                y.CopyTo(before);
                map.Apply(shape, before, y, Interpolation.Bilinear, Fill);
            }
            else
            {
                Recolour(change, shape, y, strength, signed);
            }
        }
        ArrayPool<float>.Shared.Return(rented);
    }

    // The first five changes move pixels.
    private static AffineMap? MapOf(int change, Shape shape, double signed)
    {
        const double Shear = 0.3, Translation = 150.0 / 331, Rotation = 30;
        // Shears keep the first row or column of pixels; positions count from the centre of the first pixel.
        return change switch
        {
            0 => new AffineMap(1, signed * Shear, signed * Shear / 2, 0, 1, 0),
            1 => new AffineMap(1, 0, 0, signed * Shear, 1, signed * Shear / 2),
            2 => new AffineMap(1, 0, -Math.Truncate(signed * Translation * shape.W), 0, 1, 0),
            3 => new AffineMap(1, 0, 0, 0, 1, -Math.Truncate(signed * Translation * shape.H)),
            4 => AffineMap.Of(shape, signed * Rotation),
            _ => null,
        };
    }

    private void Recolour(int change, Shape shape, Span<float> image, double strength, double signed)
    {
        float factor = (float)(1 + 0.9 * signed);
        switch (change)
        {
            case 5:
                ImageColors.Brightness(image, factor, MaxValue);
                break;
            case 6:
                ImageColors.Saturation(shape, image, factor, MaxValue);
                break;
            case 7:
                ImageColors.Contrast(shape, image, factor, MaxValue);
                break;
            case 8:
                ImageLevels.Sharpness(shape, image, factor, MaxValue);
                break;
            case 9:
                ImageLevels.Posterize(image, MostBits - (int)Math.Round(4 * strength), MaxValue);
                break;
            case 10:
                ImageLevels.Solarize(image, (float)(1 - strength) * MaxValue, MaxValue);
                break;
            case 11:
                ImageLevels.AutoContrast(shape, image, MaxValue);
                break;
            case 12:
                ImageLevels.Equalize(shape, image, MaxValue);
                break;
            default:
                break;
        }
    }
}
