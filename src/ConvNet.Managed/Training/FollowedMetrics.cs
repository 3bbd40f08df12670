namespace ConvNet.Training;

/// <summary>The results of the test that a training follows: with its schedule, and to end early.</summary>
internal static class FollowedMetrics
{
    /// <summary>Throws if the test will not have a result that the training follows, which would otherwise end it after
    /// its first epoch.</summary>
    /// <param name="options">The options of the training.</param>
    /// <param name="tests">The test samples; null for none.</param>
    /// <exception cref="ArgumentException">A result is missing.</exception>
    public static void Check(TrainerOptions options, DataBinding? tests)
    {
        Check(options.Schedule.GetType().Name, options.Schedule.Metric, tests);
        foreach (EarlyStopping stopping in options.Callbacks.OfType<EarlyStopping>())
            Check(nameof(EarlyStopping), stopping.Metric, tests);
    }

    private static void Check(string follower, EpochMetric? metric, DataBinding? tests)
    {
        if (metric is not (EpochMetric.TestAccuracy or EpochMetric.TestLoss))
            return;
        string follows = $"{follower} follows the test {(metric == EpochMetric.TestLoss ? "loss" : "accuracy")}, but";
        if (tests is null)
            throw new ArgumentException($"{follows} there are no test samples. Pass some, or follow the training loss "
                + $"({nameof(EpochMetric)}.{nameof(EpochMetric.Loss)}).");
        int classified = tests.Outputs.Count(output => output.IsClassified);
        if (classified == 1 || metric == EpochMetric.TestLoss && tests.Outputs.Count == 1)
            return;
        throw new ArgumentException(classified == 0 && tests.Outputs.Count == 1
            ? $"{follows} the test samples are compared with values, not classes. Follow the test loss "
                + $"({nameof(EpochMetric)}.{nameof(EpochMetric.TestLoss)})."
            : $"{follows} the test samples have targets for {tests.Outputs.Count} outputs, which have no result in "
                + $"common. Follow the training loss ({nameof(EpochMetric)}.{nameof(EpochMetric.Loss)}).");
    }
}
