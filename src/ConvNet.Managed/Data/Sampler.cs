using System.Text;

namespace ConvNet.Data;

/// <summary>Selects the samples of each epoch and their order.</summary>
/// <remarks>The selection depends only on the data set, the attributes, the seed and the epoch, so that a training can
/// be resumed anywhere in an epoch. A sample that is selected several times in an epoch has other random transforms
/// each time.</remarks>
public abstract record Sampler
{
    /// <summary>All samplers of this library.</summary>
    public static KindSet<Sampler> BuiltIn { get; } = new("sampler", ClassBalancedSampler.Declared,
        WeightedRandomSampler.Declared);

    /// <summary>The declaration of the sampler for files; null if it cannot be saved.</summary>
    public virtual Declaration<Sampler>? Declaration => null;

    /// <summary>Prepares the selection from a data set.</summary>
    /// <param name="dataset">The data set.</param>
    /// <exception cref="ArgumentNullException"><paramref name="dataset"/> is null.</exception>
    /// <exception cref="ArgumentException">The sampler cannot select from this data set.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    public abstract SampleOrder For(IDataset dataset);

    /// <summary>Excludes all members; derived records print only their own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;

    /// <summary>Returns the random choices of a sampler.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="item">Distinguishes several sequences of an epoch.</param>
    private protected static RandomSequence RandomOf(ulong seed, int epoch, int item = 0)
        => new(seed, RandomNodes.Sampler, epoch, item);
}
