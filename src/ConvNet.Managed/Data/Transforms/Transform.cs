using System.Text;

namespace ConvNet.Data;

/// <summary>Transforms the input of a sample between the data set and the batch.</summary>
/// <remarks>
/// The output depends only on the attributes, the input and the random choices passed to the transform. The choices
/// depend on the seed, the epoch and the index of the sample, but not on the batch or the thread. All transforms of
/// this library work on the values of the data set, such as pixels from 0 to 255, and belong before a
/// <see cref="Normalization"/>.
/// </remarks>
public abstract record Transform
{
    /// <summary>All transforms of this library except <see cref="Normalization"/>, which a saved model stores
    /// separately.</summary>
    public static KindSet<Transform> BuiltIn { get; } = new("transform", RandomHorizontalFlip.Declared,
        RandomVerticalFlip.Declared, AlternatingFlip.Declared, RandomCrop.Declared, RandomResizedCrop.Declared,
        RandomAffine.Declared, ColorJitter.Declared, RandomGrayscale.Declared, GaussianBlur.Declared,
        RandomErasing.Declared, Cutout.Declared, RandAugment.Declared);

    /// <summary>The declaration of the transform for files; null if it cannot be saved.</summary>
    public virtual Declaration<Transform>? Declaration => null;

    /// <summary>Returns the shape of the output; by default the shape of the input.</summary>
    /// <param name="input">The shape of the input.</param>
    /// <exception cref="ArgumentException">The transform does not accept inputs of this shape.</exception>
    public virtual Shape Infer(Shape input) => input;

    /// <summary>Computes all values of the output.</summary>
    /// <param name="shape">The shape of the input.</param>
    /// <param name="x">The input, C×H×W.</param>
    /// <param name="y">The output, which does not overlap the input.</param>
    /// <param name="random">The random choices of this transform for this sample and epoch.</param>
    /// <exception cref="ArgumentNullException"><paramref name="random"/> is null.</exception>
    public abstract void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random);

    /// <summary>Excludes all members; derived records print only their own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;

    /// <summary>Throws unless an image has one channel or three.</summary>
    /// <exception cref="ArgumentException">It has another number of channels.</exception>
    private protected Shape OfGreyOrColour(Shape input) => input.C is 1 or 3 ? input
        : throw new ArgumentException($"{GetType().Name} takes images of 1 channel (grey) or 3 (red, green and blue), "
            + $"not {input}. Omit it, or write a transform for these channels.", nameof(input));
}
