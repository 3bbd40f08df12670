using System.Buffers;

namespace ConvNet.Data;

/// <summary>Crops a region of random area and aspect ratio at a random position, and resizes it.</summary>
/// <remarks>
/// As torchvision's, with its antialiasing: the area and the logarithm of the aspect ratio (width to height) are drawn
/// uniformly. If none of ten regions fits into the image, the middle of the image is taken, as large as the aspect
/// ratio permits. Each pixel of the result is a mean of the pixels that it covers; enlarging is bilinear.
/// Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015.
/// </remarks>
public sealed record RandomResizedCrop : Transform
{
    private static readonly ValueRange s_usualScale = (0.08, 1), s_usualRatio = (3.0 / 4, 4.0 / 3);

    private static readonly AttributeDeclaration<Extent> s_size
        = TransformAttributes.Size<RandomResizedCrop>(crop => crop.Size);

    private static readonly AttributeDeclaration<ValueRange> s_scale
        = AttributeDeclaration.Bounds<RandomResizedCrop>("scale", crop => crop.Scale,
            TransformAttributes.PositiveShare, s_usualScale);

    private static readonly AttributeDeclaration<ValueRange> s_ratio
        = AttributeDeclaration.Bounds<RandomResizedCrop>("ratio", crop => crop.Ratio, NumberInterval.AboveZero,
            s_usualRatio);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("randomresizedcrop",
        "crops a random region and resizes it", [s_size, s_scale, s_ratio],
        values => new RandomResizedCrop(values.Get(s_size), values.Get(s_scale), values.Get(s_ratio)));

    /// <summary>Creates a random resized crop.</summary>
    /// <param name="size">The rows and columns of the output.</param>
    /// <param name="scale">The bounds of the area of the region, as a fraction of the image, in (0, 1]; by default
    /// 0.08 to 1.</param>
    /// <param name="ratio">The bounds of its width divided by its height; by default 3/4 to 4/3.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, or a bound is out of range.</exception>
    public RandomResizedCrop(Extent size, ValueRange? scale = null, ValueRange? ratio = null)
    {
        string kind = Declared.Kind;
        Size = s_size.Check(kind, size);
        Scale = s_scale.Check(kind, scale ?? s_usualScale);
        Ratio = s_ratio.Check(kind, ratio ?? s_usualRatio);
    }

    /// <summary>The rows and columns of the output.</summary>
    public Extent Size { get; }

    /// <summary>The bounds of the area of the region, as a fraction of the image.</summary>
    public ValueRange Scale { get; }

    /// <summary>The bounds of the width of the region divided by its height.</summary>
    public ValueRange Ratio { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input) => new(input.C, Size.H, Size.W);

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        (int top, int left, int height, int width) = Region(shape, random);
        ResampleWeights rows = ResampleWeights.Of(height, Size.H, 0, (double)height / Size.H),
            columns = ResampleWeights.Of(width, Size.W, 0, (double)width / Size.W);
        float[] narrow = ArrayPool<float>.Shared.Rent(height * Size.W);
        for (int c = 0; c < shape.C; c++)
        {
            for (int h = 0; h < height; h++)
                columns.Along(x.Slice((c * shape.H + top + h) * shape.W + left, width),
                    narrow.AsSpan(h * Size.W, Size.W));
            for (int h = 0; h < Size.H; h++)
                rows.Across(h, narrow, 0, y.Slice((c * Size.H + h) * Size.W, Size.W));
        }
        ArrayPool<float>.Shared.Return(narrow);
    }

    private (int Top, int Left, int Height, int Width) Region(Shape shape, RandomSequence random)
    {
        for (int attempt = 0; attempt < RandomRegion.Attempts; attempt++)
        {
            (int width, int height) = RandomRegion.Draw(random, shape, Scale, Ratio);
            if (width > 0 && height > 0 && width <= shape.W && height <= shape.H)
                return (random.Between(0, shape.H - height), random.Between(0, shape.W - width), height, width);
        }
        double ratio = Math.Clamp((double)shape.W / shape.H, Ratio.Least, Ratio.Most);
        int rows = Math.Clamp((int)Math.Round(shape.W / ratio), 1, shape.H),
            columns = Math.Clamp((int)Math.Round(shape.H * ratio), 1, shape.W);
        return ((shape.H - rows) / 2, (shape.W - columns) / 2, rows, columns);
    }
}
