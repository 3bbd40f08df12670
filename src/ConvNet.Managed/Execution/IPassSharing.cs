namespace ConvNet;

/// <summary>Combines the passes of an executable over its share of a batch with those of other executables over
/// theirs.</summary>
/// <remarks>The executable computes the sums of its losses (<see cref="Reduction.Sum"/>), whose gradients it scales, so
/// that the gradients of all executables add up to that of the whole batch.</remarks>
internal interface IPassSharing
{
    /// <summary>What adds up statistics of the batch within layers; null if each executable uses those of its
    /// share.</summary>
    IStatisticsExchange? Statistics { get; }

    /// <summary>Gets the factor of a loss in this pass: 1 by what the loss of the whole batch is divided by.</summary>
    /// <param name="objective">The index of the loss.</param>
    float LossScale(int objective);

    /// <summary>Replaces the sums of the losses of the share by the losses of the whole batch.</summary>
    void ShareLosses(Span<double> losses);

    /// <summary>Replaces buffers by their mean over all samples of the batch.</summary>
    void ShareBuffers(Span<double> values);

    /// <summary>Starts to add up a bucket of gradients. The values are copied.</summary>
    /// <param name="bucket">The index of the bucket.</param>
    /// <param name="gradients">The gradients of the share.</param>
    void StartSum(int bucket, ReadOnlySpan<float> gradients);

    /// <summary>Waits for the sum of a bucket.</summary>
    /// <param name="bucket">The index of the bucket.</param>
    /// <param name="gradients">Receives the sum.</param>
    void FinishSum(int bucket, Span<float> gradients);
}
