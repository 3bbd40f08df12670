namespace ConvNet.Data;

/// <summary>Erases a rectangle of a given size about a random pixel; what lies outside the image is cut off.</summary>
/// <remarks>Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout",
/// arXiv:1708.04552. With a rectangle of even size, the random pixel is the one right of and below its
/// middle.</remarks>
public sealed record Cutout : Transform
{
    private static readonly AttributeDeclaration<Extent> s_length
        = AttributeDeclaration.Size<Cutout>("length", cutout => cutout.Length, 1, int.MaxValue);

    private static readonly AttributeDeclaration<float> s_value
        = TransformAttributes.Fill<Cutout>("value", cutout => cutout.Value);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("cutout", "erases a square about a random pixel",
        [s_length, s_value], values => new Cutout(values.Get(s_length), values.Get(s_value)));

    /// <summary>Creates a cutout.</summary>
    /// <param name="length">The rows and columns of the erased rectangle.</param>
    /// <param name="value">The value of erased pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is below 1, or the value is not finite.</exception>
    public Cutout(Extent length, float value = 0)
    {
        (Length, Value) = (s_length.Check(Declared.Kind, length), s_value.Check(Declared.Kind, value));
    }

    /// <summary>The rows and columns of the erased rectangle.</summary>
    public Extent Length { get; }

    /// <summary>The value of erased pixels.</summary>
    public float Value { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        x.CopyTo(y);
        int top = random.Below(shape.H) - Length.H / 2, left = random.Below(shape.W) - Length.W / 2;
        Erasure.Apply(shape, y, Math.Max(0, top), Math.Max(0, left), (int)Math.Min(shape.H, (long)top + Length.H),
            (int)Math.Min(shape.W, (long)left + Length.W), Value);
    }
}
