namespace ConvNet.Training;

/// <summary>Where a training stands after a step.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">Steps done since the training began.</param>
/// <param name="Steps">Steps of the whole training.</param>
/// <param name="BatchLoss">The mean loss of this step's images.</param>
/// <param name="Loss">The mean loss of this epoch so far.</param>
/// <param name="Accuracy">The share of this epoch's images so far whose class was found while training on them.</param>
/// <param name="ImagesPerSecond">Images trained on per second of this epoch.</param>
public readonly record struct StepReport(int Epoch, long Step, long Steps, double BatchLoss, double Loss,
    double Accuracy, double ImagesPerSecond);

/// <summary>What an epoch gave.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Loss">The mean loss over its images, each taken before the step that learned from it.</param>
/// <param name="TrainAccuracy">The share of its images whose class was found before that step.</param>
/// <param name="TestAccuracy">The share of test images whose class is found after the epoch; null without test
/// images.</param>
/// <param name="Seconds">The time that training took, without the test.</param>
/// <param name="ImagesPerSecond">Images trained on per second.</param>
public sealed record EpochReport(int Epoch, double Loss, double TrainAccuracy, double? TestAccuracy, double Seconds,
    double ImagesPerSecond);

/// <summary>What a training gave.</summary>
/// <param name="Epochs">Its epochs.</param>
/// <param name="Test">The test after the last epoch; null without test images.</param>
public sealed record TrainingResult(IReadOnlyList<EpochReport> Epochs, Evaluation? Test)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingResult), (nameof(Epochs), Epochs),
        (nameof(Test), Test));
}
