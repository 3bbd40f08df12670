namespace ConvNet.Data;

/// <summary>Cuts a part of a given size out of an image with borders of zeros, every place being as likely.</summary>
/// <remarks>
/// Zeros are black where this stands before a <see cref="Normalization"/>, as it usually does, and the mean behind it.
/// </remarks>
public sealed record RandomCrop : Transform
{
    private static readonly AttributeDeclaration<Extent>
        s_size = AttributeDeclaration.Size<RandomCrop>("size", crop => crop.Size, 1, int.MaxValue),
        s_padding = AttributeDeclaration.Size<RandomCrop>("padding", crop => crop.Padding, 0, MostPadding,
            new Extent(0, 0));

    // The position of a crop is a number of 32 bits.
    private const int MostPadding = 1 << 20;

    /// <summary>The transform as files know it.</summary>
    public static Declaration<Transform> Declared { get; } = new("crop", "cuts a part out at random",
        [s_size, s_padding], values => new RandomCrop(values.Get(s_size), values.Get(s_padding)));

    /// <summary>Describes the crop.</summary>
    /// <param name="size">Rows and columns of the output.</param>
    /// <param name="padding">Rows above and below, columns left and right, that are added to the input.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, or a padding below 0 or above 2^20.</exception>
    public RandomCrop(Extent size, Extent padding = default)
    {
        (Size, Padding) = (s_size.Check("crop", size), s_padding.Check("crop", padding));
    }

    /// <summary>Rows and columns of the output.</summary>
    public Extent Size { get; }

    /// <summary>Rows above and below, columns left and right, that are added to the input.</summary>
    public Extent Padding { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input)
        => Size.H <= input.H + 2L * Padding.H && Size.W <= input.W + 2L * Padding.W
        ? new Shape(input.C, Size.H, Size.W)
        : throw new ArgumentException($"A crop of {Size} is larger than images of {input} with a padding of {Padding}; "
            + "make it smaller, or the padding larger.", nameof(input));

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        int top = random.Between(0, shape.H + 2 * Padding.H - Size.H) - Padding.H,
            left = random.Between(0, shape.W + 2 * Padding.W - Size.W) - Padding.W;
        // Columns of the output that lie inside the input.
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
