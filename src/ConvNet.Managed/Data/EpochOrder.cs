namespace ConvNet.Data;

/// <summary>The samples that a loader visits in each epoch, and their order.</summary>
internal sealed class EpochOrder
{
    private readonly DataLoaderOptions _options;
    private readonly SampleOrder? _sampled;
    private readonly int _samples;

    /// <summary>Prepares the order.</summary>
    /// <exception cref="ArgumentException">The sampler cannot select from the data set.</exception>
    public EpochOrder(IDataset dataset, DataLoaderOptions options)
    {
        (_options, _samples, _sampled) = (options, dataset.Count, options.Sampler?.For(dataset));
        Count = _sampled?.Count ?? _samples;
    }

    /// <summary>The number of samples in each epoch.</summary>
    public int Count { get; }

    /// <summary>Returns the samples of an epoch.</summary>
    public EpochSamples Of(int epoch)
        => _sampled is not null ? EpochSamples.Repeating(_sampled.Of(_options.Seed, epoch), _samples)
        : new EpochSamples(_options.Shuffle ? Shuffle.Order(_samples, _options.Seed, epoch) : null, null);
}
