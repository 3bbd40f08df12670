namespace ConvNet;

/// <summary>How the losses of values, pixels and samples are combined. The words in files are those of torch.</summary>
/// <remarks>With sample weights w, each loss of sample n is first multiplied by w_n.</remarks>
public enum Reduction
{
    /// <summary>The mean over everything that is compared: the sum, divided by Σ w_n times the number of values or
    /// pixels of each sample.</summary>
    Mean,

    /// <summary>The sum over the values or pixels of each sample, and the mean over the samples: the sum, divided by
    /// Σ w_n.</summary>
    BatchMean,

    /// <summary>The sum. The gradients of several batches add up to that of all of them.</summary>
    Sum,
}
