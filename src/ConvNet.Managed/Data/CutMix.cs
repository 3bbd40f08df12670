namespace ConvNet.Data;

/// <summary>Pastes a rectangle of the sample before each sample into it, and mixes the targets by area.</summary>
/// <remarks>
/// As torchvision's <c>CutMix</c>: λ is drawn from Beta(α, α), and the rectangle has √(1 − λ) of each side, about a
/// random pixel; what lies outside the image is cut off. All samples of a batch have the same rectangle, and the first
/// one receives that of the last. The share of a sample in its target is the fraction of the image that it keeps.
/// Source: Yun et al., "CutMix: regularization strategy to train strong classifiers", ICCV 2019.
/// </remarks>
public sealed record CutMix : BatchTransform
{
    private static readonly AttributeDeclaration<double> s_alpha = Mixing.Alpha<CutMix>(mix => mix.Alpha);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<BatchTransform> Declared { get; } = new("cutmix",
        "pastes rectangles into the images of a batch", [s_alpha], values => new CutMix(values.Get(s_alpha)));

    /// <summary>Creates a CutMix.</summary>
    /// <param name="alpha">α, above 0. With small values, rectangles are very small or very large.</param>
    /// <exception cref="ArgumentOutOfRangeException">α is not a finite number above 0.</exception>
    public CutMix(double alpha = 1)
    {
        Alpha = s_alpha.Check(Declared.Kind, alpha);
    }

    /// <summary>α of the distribution of λ.</summary>
    public double Alpha { get; }

    /// <inheritdoc/>
    public override Declaration<BatchTransform> Declaration => Declared;

    /// <inheritdoc/>
    public override void CheckInputs(IReadOnlyList<InputShape> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        Shape first = inputs[0].Shape;
        if (inputs.FirstOrDefault(input => (input.Shape.H, input.Shape.W) != (first.H, first.W))
            is { Name: not null } other)
            throw new ArgumentException($"CutMix pastes the same rectangle into all inputs, but \"{inputs[0].Name}\" "
                + $"is {first} and \"{other.Name}\" {other.Shape}. Use {nameof(MixUp)}.", nameof(inputs));
    }

    /// <inheritdoc/>
    public override void Apply(in BatchSamples batch, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        double side = 0.5 * Math.Sqrt(1 - Mixing.Share(random, Alpha));
        Shape image = batch.InputShapes[0].Shape;
        int column = random.Below(image.W), row = random.Below(image.H),
            halfWidth = (int)(side * image.W), halfHeight = (int)(side * image.H);
        int left = Math.Max(0, column - halfWidth), right = Math.Min(image.W, column + halfWidth),
            top = Math.Max(0, row - halfHeight), bottom = Math.Min(image.H, row + halfHeight);
        Mixing.Inputs(batch, (shape, other, own) =>
        {
            for (int c = 0; c < shape.C; c++)
            {
                for (int h = top; h < bottom; h++)
                {
                    int at = (c * shape.H + h) * shape.W + left;
                    other.Slice(at, right - left).CopyTo(own[at..]);
                }
            }
        });
        Mixing.Targets(batch, (float)(1 - (double)(right - left) * (bottom - top) / image.Area));
    }
}
