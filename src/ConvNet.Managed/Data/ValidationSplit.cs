namespace ConvNet.Data;

/// <summary>Holds samples of a training set back for validation, with the same class proportions.</summary>
/// <remarks>The selection depends only on the classes of the samples and on the <see cref="DataSplit"/>, so that a
/// training that resumes validates on the same samples.</remarks>
public static class ValidationSplit
{
    /// <summary>Splits a training set.</summary>
    /// <param name="samples">The training set, with one target of one class for each sample.</param>
    /// <param name="split">The share of every class that is for validation, and the seed that selects it.</param>
    /// <returns>The samples to train with and those to validate with, each in the order of the training set.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="samples"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has other targets, or a part would have no samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The share is not between 0 and 1.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    public static (IDataset Train, IDataset Validation) Of(IDataset samples, DataSplit split)
    {
        ArgumentNullException.ThrowIfNull(samples);
        int[] labels = ClassLabels.Of(samples, nameof(ValidationSplit));
        (int[] train, int[] validation) = StratifiedSplit.Of(labels, split.TestShare, split.Seed);
        if (train.Length == 0 || validation.Length == 0)
            throw new ArgumentException(FormattableString.Invariant($"A validation share of {split.TestShare} of ")
                + FormattableString.Invariant($"{samples.Count:N0} samples leaves {train.Length:N0} to train with and ")
                + FormattableString.Invariant($"{validation.Length:N0} to validate with. Use another share."),
                nameof(split));
        return (new SubsetDataset(samples, train), new SubsetDataset(samples, validation));
    }
}
