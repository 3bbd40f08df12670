namespace ConvNet.Training;

/// <summary>The progress of a training after a step.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">The number of completed steps.</param>
/// <param name="Steps">The total number of steps of the training.</param>
/// <param name="BatchLoss">The mean loss over the batch of this step.</param>
/// <param name="Loss">The mean loss over this epoch so far.</param>
/// <param name="Accuracy">The training accuracy over this epoch so far.</param>
/// <param name="ImagesPerSecond">The training throughput of this epoch, in images per second.</param>
public readonly record struct StepReport(int Epoch, long Step, long Steps, double BatchLoss, double Loss,
    double Accuracy, double ImagesPerSecond);

/// <summary>The results of an epoch.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Loss">The mean loss over the images, each measured before the step that trained on it.</param>
/// <param name="TrainAccuracy">The accuracy over the images, each measured before the step that trained on it.</param>
/// <param name="TestAccuracy">The accuracy over the test images after the epoch; null without test
/// images.</param>
/// <param name="Seconds">The training time without the test.</param>
/// <param name="ImagesPerSecond">The training throughput, in images per second.</param>
public sealed record EpochReport(int Epoch, double Loss, double TrainAccuracy, double? TestAccuracy, double Seconds,
    double ImagesPerSecond);

/// <summary>The results of a training.</summary>
/// <param name="Epochs">The results of the epochs.</param>
/// <param name="Test">The evaluation after the last epoch; null without test images.</param>
public sealed record TrainingResult(IReadOnlyList<EpochReport> Epochs, Evaluation? Test)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingResult), (nameof(Epochs), Epochs),
        (nameof(Test), Test));
}
