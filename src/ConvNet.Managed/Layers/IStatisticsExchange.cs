namespace ConvNet;

/// <summary>Adds up what executables find of their shares of a batch, for layers with statistics of the whole
/// batch.</summary>
internal interface IStatisticsExchange
{
    /// <summary>The number of samples of the whole batch.</summary>
    int Samples { get; }

    /// <summary>Replaces values by their sums over all executables, which make the same calls. Those of an executable
    /// whose share is empty, so that it makes its pass over a sample that is not part of the batch, do not
    /// count.</summary>
    void Sum(Span<double> values);
}
