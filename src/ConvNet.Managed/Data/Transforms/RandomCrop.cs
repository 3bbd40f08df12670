namespace ConvNet.Data;

/// <summary>Crops a region of a given size at a uniformly random position from a padded image.</summary>
/// <remarks>
/// Before a <see cref="Normalization"/>, which is the usual order, padding with zeros is black; after it, zero means
/// the mean.
/// </remarks>
public sealed record RandomCrop : Transform
{
    // The position of a crop must fit in 32 bits.
    private const int MostPadding = 1 << 20;

    private static readonly AttributeDeclaration<Extent> s_size
        = TransformAttributes.Size<RandomCrop>(crop => crop.Size);

    private static readonly AttributeDeclaration<Extent> s_padding
        = AttributeDeclaration.Size<RandomCrop>("padding", crop => crop.Padding, 0, MostPadding, new Extent(0, 0));

    private static readonly AttributeDeclaration<PadMode> s_mode
        = AttributeDeclaration.Choice<RandomCrop, PadMode>("paddingMode", crop => crop.PaddingMode,
            [("zeros", PadMode.Zeros), ("reflect", PadMode.Reflect), ("replicate", PadMode.Replicate)], PadMode.Zeros);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomcrop", "crops images at a random position",
        [s_size, s_padding, s_mode],
        values => new RandomCrop(values.Get(s_size), values.Get(s_padding), values.Get(s_mode)))
    {
        FormerKinds = ["crop"],
    };

    /// <summary>Creates a random crop.</summary>
    /// <param name="size">The rows and columns of the output.</param>
    /// <param name="padding">The rows added above and below the input, and the columns added left and right.</param>
    /// <param name="paddingMode">The values that are added.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, a padding below 0 or above 2^20, or the mode is
    /// undefined.</exception>
    public RandomCrop(Extent size, Extent padding = default, PadMode paddingMode = PadMode.Zeros)
    {
        string kind = Declared.Kind;
        (Size, Padding, PaddingMode)
            = (s_size.Check(kind, size), s_padding.Check(kind, padding), s_mode.Check(kind, paddingMode));
    }

    /// <summary>The rows and columns of the output.</summary>
    public Extent Size { get; }

    /// <summary>The rows added above and below the input, and the columns added left and right.</summary>
    public Extent Padding { get; }

    /// <summary>The values that are added.</summary>
    public PadMode PaddingMode { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input)
    {
        if (Size.H > input.H + 2L * Padding.H || Size.W > input.W + 2L * Padding.W)
            throw new ArgumentException($"A crop of {Size} is larger than images of {input} with a padding of "
                + $"{Padding}. Use a smaller crop or a larger padding.", nameof(input));
        if (PaddingMode == PadMode.Reflect && (Padding.H >= input.H || Padding.W >= input.W))
            throw new ArgumentException($"Images of {input} cannot be reflected by a padding of {Padding}: it must be "
                + "less than their size. Use a smaller padding, or replicate.", nameof(input));
        return new Shape(input.C, Size.H, Size.W);
    }

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
            for (int h = 0; h < Size.H; h++)
            {
                int row = PositionOf(top + h, shape.H);
                if (row < 0)
                    continue;
                ReadOnlySpan<float> source = x.Slice((c * shape.H + row) * shape.W, shape.W);
                Span<float> target = y.Slice((c * Size.H + h) * Size.W, Size.W);
                if (to > from)
                    source.Slice(left + from, to - from).CopyTo(target[from..]);
                if (PaddingMode == PadMode.Zeros)
                    continue;
                for (int w = 0; w < from; w++)
                    target[w] = source[PositionOf(left + w, shape.W)];
                for (int w = to; w < Size.W; w++)
                    target[w] = source[PositionOf(left + w, shape.W)];
            }
        }
    }

    // The row or column of the image that a row or column of the padded image shows; −1 if it is zero.
    private int PositionOf(int position, int size) => position >= 0 && position < size ? position : PaddingMode switch
    {
        PadMode.Reflect => position < 0 ? -position : 2 * (size - 1) - position,
        PadMode.Replicate => Math.Clamp(position, 0, size - 1),
        _ => -1,
    };
}
