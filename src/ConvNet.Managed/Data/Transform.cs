using System.Text;

namespace ConvNet.Data;

/// <summary>Changes the input of a sample on its way from a data set into a batch.</summary>
/// <remarks>
/// What it makes of an input depends on its own attributes, the input and the random choices that it is given, which
/// are a function of seed, epoch and the number of the sample: the same in whatever batch and on whatever thread.
/// </remarks>
public abstract record Transform
{
    /// <summary>Every transform of this library but <see cref="Normalization"/>, which a saved model has
    /// itself.</summary>
    public static KindSet<Transform> BuiltIn { get; } = new("transform", RandomHorizontalFlip.Declared,
        RandomCrop.Declared);

    /// <summary>The transform as files know it; null where they do not.</summary>
    public virtual Declaration<Transform>? Declaration => null;

    /// <summary>The shape of what it gives; the input's own unless it says otherwise.</summary>
    /// <param name="input">The shape of the input.</param>
    /// <exception cref="ArgumentException">It takes no inputs of this shape.</exception>
    public virtual Shape Infer(Shape input) => input;

    /// <summary>Computes the output, all of it.</summary>
    /// <param name="shape">The shape of the input.</param>
    /// <param name="x">The input, C×H×W.</param>
    /// <param name="y">The output, in memory of its own.</param>
    /// <param name="random">Random choices of this transform for this sample in this epoch.</param>
    public abstract void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random);

    /// <summary>Derived records print their own members alone.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}
