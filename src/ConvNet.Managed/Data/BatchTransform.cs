using System.Text;

namespace ConvNet.Data;

/// <summary>Transforms the samples of a batch together, after the transforms of each.</summary>
/// <remarks>
/// With a batch transform, the classes of all targets become probabilities: 1 for the class of a sample and 0 for the
/// others, C values. The loss must take them, as <see cref="SoftmaxCrossEntropy"/> with soft targets does. The result
/// depends only on the attributes, the samples and the random choices, which depend on the seed, the epoch and the
/// index of the batch.
/// </remarks>
public abstract record BatchTransform
{
    /// <summary>All batch transforms of this library.</summary>
    public static KindSet<BatchTransform> BuiltIn { get; } = new("transform", MixUp.Declared, CutMix.Declared);

    /// <summary>The declaration of the transform for files; null if it cannot be saved.</summary>
    public virtual Declaration<BatchTransform>? Declaration => null;

    /// <summary>Throws if the transform does not accept inputs; by default it accepts all.</summary>
    /// <param name="inputs">The shapes of the inputs after the transforms of each sample.</param>
    /// <exception cref="ArgumentNullException"><paramref name="inputs"/> is null.</exception>
    /// <exception cref="ArgumentException">The transform does not accept inputs of these shapes.</exception>
    public virtual void CheckInputs(IReadOnlyList<InputShape> inputs)
    {
    }

    /// <summary>Changes inputs and targets in place.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="random">The random choices of this transform for this batch.</param>
    /// <exception cref="ArgumentNullException"><paramref name="random"/> is null.</exception>
    public abstract void Apply(in BatchSamples batch, RandomSequence random);

    /// <summary>Excludes all members; derived records print only their own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}
