namespace ConvNet.Training;

/// <summary>The results of a completed epoch.</summary>
/// <param name="Loss">The mean loss over the training samples, each measured before the step that trained on
/// it.</param>
/// <param name="TestAccuracy">The accuracy over the test samples after the epoch; null if there is none.</param>
public readonly record struct EpochResult(double Loss, double? TestAccuracy)
{
    /// <summary>The accuracy over the training samples, each measured before the step that trained on it; null if
    /// there is none, or several outputs have one.</summary>
    public double? TrainAccuracy { get; init; }

    /// <summary>The loss over the test samples after the epoch, as in <see cref="EpochReport.TestLoss"/>; null if there
    /// is none.</summary>
    public double? TestLoss { get; init; }

    /// <summary>Whether the test after the epoch is done and reported, if there is one. A training that resumes between
    /// the last step of an epoch and the end of its test begins with the test.</summary>
    public bool Completed { get; init; }

    /// <summary>One of the results.</summary>
    /// <param name="metric">Which one.</param>
    /// <exception cref="InvalidOperationException">The epoch was not tested, or several outputs were.</exception>
    public double this[EpochMetric metric] => metric switch
    {
        EpochMetric.Loss => Loss,
        EpochMetric.TestLoss => TestLoss ?? throw None("test loss", ""),
        _ => TestAccuracy ?? throw None("test accuracy", " that are compared with classes"),
    };

    private static InvalidOperationException None(string result, string compared) => new($"The training follows the "
        + $"{result}, but the epoch has none. Train with test samples{compared}, for one output.");
}
