namespace ConvNet.Training;

/// <summary>The progress of a training after a step.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">The number of completed steps.</param>
/// <param name="Steps">The total number of steps of the training.</param>
/// <param name="BatchLoss">The mean loss over the batch of this step.</param>
/// <param name="Loss">The mean loss over this epoch so far.</param>
/// <param name="Accuracy">The training accuracy over this epoch so far, of the only output that is compared with
/// classes; null if there is none or several.</param>
/// <param name="ImagesPerSecond">The training throughput of this epoch, in samples per second.</param>
public readonly record struct StepReport(int Epoch, long Step, long Steps, double BatchLoss, double Loss,
    double? Accuracy, double ImagesPerSecond)
{
    /// <summary>The number of batches of this epoch so far.</summary>
    public int Batch { get; init; }

    /// <summary>The learning rate of the step.</summary>
    public float LearningRate { get; init; }

    /// <summary>The results of each output that has targets, over this epoch so far.</summary>
    public IReadOnlyList<OutputReport> Outputs { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(StepReport), (nameof(Epoch), Epoch), (nameof(Step), Step),
        (nameof(Batch), Batch), (nameof(LearningRate), LearningRate),
        (nameof(Steps), Steps), (nameof(BatchLoss), BatchLoss), (nameof(Loss), Loss), (nameof(Accuracy), Accuracy),
        (nameof(ImagesPerSecond), ImagesPerSecond), (nameof(Outputs), Outputs));
}

/// <summary>The training results of an output over an epoch, each measured before the step that trained on
/// it.</summary>
/// <param name="Output">The name of the output.</param>
/// <param name="Loss">The mean loss without its weight; null if the output has no loss.</param>
/// <param name="Accuracy">The fraction of correctly classified samples or pixels; null if the targets are
/// values.</param>
public sealed record OutputReport(string Output, double? Loss, double? Accuracy);

/// <summary>The results of an epoch.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Loss">The mean loss over the samples, each measured before the step that trained on it.</param>
/// <param name="TrainAccuracy">The accuracy over the samples, each measured before the step that trained on it; that of
/// the only output that is compared with classes, and null if there is none or several.</param>
/// <param name="TestAccuracy">The accuracy of this output over the test samples after the epoch; null without test
/// samples.</param>
/// <param name="Seconds">The training time without the test.</param>
/// <param name="ImagesPerSecond">The training throughput, in samples per second.</param>
public sealed record EpochReport(int Epoch, double Loss, double? TrainAccuracy, double? TestAccuracy, double Seconds,
    double ImagesPerSecond)
{
    /// <summary>The training results of each output that has targets, in the order of the graph's outputs.</summary>
    public IReadOnlyList<OutputReport> Outputs { get; init; } = [];

    /// <summary>The loss over the test samples after the epoch: the cross-entropy of the only output that is compared
    /// with classes (<see cref="ClassEvaluation.CrossEntropy"/>), or the mean squared error of the only output, if it
    /// is compared with values. Null without test samples, and for several outputs.</summary>
    public double? TestLoss { get; init; }

    /// <summary>The number of batches that were not ready when the network needed them.</summary>
    public int Stalls { get; init; }

    /// <summary>The time in seconds for which the network waited for them. It is part of <see
    /// cref="Seconds"/>.</summary>
    public double StallSeconds { get; init; }

    /// <summary>The evaluation after the epoch; null without test samples.</summary>
    public Evaluation? Test { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(EpochReport), (nameof(Epoch), Epoch),
        (nameof(Loss), Loss), (nameof(TrainAccuracy), TrainAccuracy), (nameof(TestAccuracy), TestAccuracy),
        (nameof(TestLoss), TestLoss), (nameof(Seconds), Seconds), (nameof(ImagesPerSecond), ImagesPerSecond),
        (nameof(Outputs), Outputs), (nameof(Stalls), Stalls), (nameof(StallSeconds), StallSeconds),
        (nameof(Test), Test));
}

/// <summary>The results of a training.</summary>
/// <param name="Epochs">The results of the epochs.</param>
/// <param name="Test">The evaluation after the last epoch; null without test images.</param>
public sealed record TrainingResult(IReadOnlyList<EpochReport> Epochs, Evaluation? Test)
{
    /// <summary>Why the training stopped before its last epoch was complete; null if it did not.</summary>
    public string? Stopped { get; init; }

    /// <summary>The evaluation of the averaged weights after the last epoch; null if there are none, or without test
    /// images.</summary>
    public Evaluation? Averaged { get; init; }

    /// <summary>The number of training batches that were not ready when the network needed them.</summary>
    public int Stalls => Epochs.Sum(epoch => epoch.Stalls);

    /// <summary>The time in seconds for which the network waited for training batches.</summary>
    public double StallSeconds => Epochs.Sum(epoch => epoch.StallSeconds);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingResult), (nameof(Epochs), Epochs),
        (nameof(Test), Test), (nameof(Averaged), Averaged), (nameof(Stopped), Stopped));
}
