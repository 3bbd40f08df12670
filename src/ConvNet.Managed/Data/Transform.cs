using System.Text;

namespace ConvNet.Data;

/// <summary>Transforms the input of a sample between the data set and the batch.</summary>
/// <remarks>
/// The output depends only on the attributes, the input and the random choices passed to the transform. The choices
/// depend on the seed, the epoch and the index of the sample, but not on the batch or the thread.
/// </remarks>
public abstract record Transform
{
    /// <summary>All transforms of this library except <see cref="Normalization"/>, which a saved model stores
    /// separately.</summary>
    public static KindSet<Transform> BuiltIn { get; } = new("transform", RandomHorizontalFlip.Declared,
        RandomCrop.Declared);

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
}

/// <summary>A transform and the input that it is applied to.</summary>
/// <param name="Input">The name of the input; null for the only input of the data set.</param>
/// <param name="Transform">The transform.</param>
public sealed record InputTransform(string? Input, Transform Transform)
{
    /// <summary>Applies a transform to the only input.</summary>
    public static implicit operator InputTransform(Transform transform) => new(null, transform);

    /// <summary>Applies a transform to an input of several.</summary>
    public static implicit operator InputTransform((string Input, Transform Transform) of)
        => new(of.Input, of.Transform);

    /// <summary>Returns the transform and, if it has a name, the input.</summary>
    public override string ToString() => Input is null ? $"{Transform}" : $"{Transform} of {Input}";
}
