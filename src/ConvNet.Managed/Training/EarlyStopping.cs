using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>Ends a training when a result of its epochs no longer improves.</summary>
/// <remarks>It looks only at the results of the epochs in <see cref="TrainingProgress.Epochs"/>, so that a resumed
/// training stops after the same epoch.</remarks>
public sealed class EarlyStopping : TrainingCallback
{
    /// <summary>Creates the callback.</summary>
    /// <param name="patience">The number of epochs without an improvement after which the training ends, from
    /// 1.</param>
    /// <param name="minDelta">The smallest change that counts as an improvement, at least 0.</param>
    /// <param name="metric">What has to improve: the loss falls, or the accuracy rises.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public EarlyStopping(int patience, double minDelta = 0, EpochMetric metric = EpochMetric.TestAccuracy)
    {
        if (patience < 1)
            throw new ArgumentOutOfRangeException(nameof(patience),
                $"The patience is {patience}; it must be at least 1 epoch.");
        if (!double.IsFinite(minDelta) || minDelta < 0)
            throw new ArgumentOutOfRangeException(nameof(minDelta),
                Invariant($"The smallest improvement is {minDelta}; it must be a finite number from 0."));
        (Patience, MinDelta, Metric) = (patience, minDelta, metric);
    }

    /// <summary>The number of epochs without an improvement after which the training ends.</summary>
    public int Patience { get; }

    /// <summary>The smallest change that counts as an improvement.</summary>
    public double MinDelta { get; }

    /// <summary>What has to improve.</summary>
    public EpochMetric Metric { get; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The metric is of the test, and an epoch has none.</exception>
    public override void OnStart(Trainer trainer) => StopIfDue(trainer);

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The metric is of the test, and an epoch has none.</exception>
    public override void OnEpoch(Trainer trainer, EpochReport epoch) => StopIfDue(trainer);

    /// <summary>Returns the number of epochs since the last improvement.</summary>
    /// <param name="epochs">The results of the epochs.</param>
    /// <exception cref="ArgumentNullException"><paramref name="epochs"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The metric is of the test, and an epoch has none.</exception>
    public int EpochsWithoutImprovement(IReadOnlyList<EpochResult> epochs)
    {
        ArgumentNullException.ThrowIfNull(epochs);
        double best = double.NegativeInfinity;
        int since = 0;
        foreach (EpochResult epoch in epochs)
        {
            double value = Metric == EpochMetric.TestAccuracy ? epoch[Metric] : -epoch[Metric];
            bool isBetter = value > best && (double.IsNegativeInfinity(best) || value - best >= MinDelta);
            (best, since) = isBetter ? (value, 0) : (best, since + 1);
        }
        return since;
    }

    private void StopIfDue(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        // An epoch whose test is still to come has no result yet.
        EpochResult[] epochs = [.. trainer.Progress.Epochs.Where(epoch => epoch.Completed)];
        if (EpochsWithoutImprovement(epochs) is var since && since >= Patience)
            trainer.Stop($"{Words} for {since} {(since == 1 ? "epoch" : "epochs")}");
    }

    private string Words => Metric switch
    {
        EpochMetric.Loss => "the training loss has not fallen",
        EpochMetric.TestLoss => "the test loss has not fallen",
        _ => "the accuracy has not risen",
    };
}
