namespace ConvNet.Data;

/// <summary>Crops a region of a given size at a uniformly random position from an image padded with zeros.</summary>
/// <remarks>
/// Before a <see cref="Normalization"/>, which is the usual order, zero means black; after it, zero means the mean.
/// </remarks>
public sealed record RandomCrop : Transform
{
    private static readonly AttributeDeclaration<Extent>
        s_size = AttributeDeclaration.Size<RandomCrop>("size", crop => crop.Size, 1, int.MaxValue),
        s_padding = AttributeDeclaration.Size<RandomCrop>("padding", crop => crop.Padding, 0, MostPadding,
            new Extent(0, 0));

    // The position of a crop must fit in 32 bits.
    private const int MostPadding = 1 << 20;

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("crop", "crops images at a random position",
        [s_size, s_padding], values => new RandomCrop(values.Get(s_size), values.Get(s_padding)));

    /// <summary>Creates a random crop.</summary>
    /// <param name="size">The rows and columns of the output.</param>
    /// <param name="padding">The rows added above and below the input, and the columns added left and right.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, or a padding below 0 or above 2^20.</exception>
    public RandomCrop(Extent size, Extent padding = default)
    {
        (Size, Padding) = (s_size.Check("crop", size), s_padding.Check("crop", padding));
    }

    /// <summary>The rows and columns of the output.</summary>
    public Extent Size { get; }

    /// <summary>The rows added above and below the input, and the columns added left and right.</summary>
    public Extent Padding { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input)
        => Size.H <= input.H + 2L * Padding.H && Size.W <= input.W + 2L * Padding.W
        ? new Shape(input.C, Size.H, Size.W)
        : throw new ArgumentException($"A crop of {Size} is larger than images of {input} with a padding of {Padding}. "
            + "Use a smaller crop or a larger padding.", nameof(input));

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        int top = random.Between(0, shape.H + 2 * Padding.H - Size.H) - Padding.H,
            left = random.Between(0, shape.W + 2 * Padding.W - Size.W) - Padding.W;
        // The columns of the output that lie inside the input.
        int from = Math.Clamp(-left, 0, Size.W), to = Math.Clamp(shape.W - left, from, Size.W);
        y.Clear();
        for (int c = 0; c < shape.C; c++)
        {
            for (int h = Math.Max(0, -top); h < Math.Min(Size.H, shape.H - top); h++)
            {
                x.Slice((c * shape.H + top + h) * shape.W + left + from, to - from)
                    .CopyTo(y[((c * Size.H + h) * Size.W + from)..]);
            }
        }
    }
}
