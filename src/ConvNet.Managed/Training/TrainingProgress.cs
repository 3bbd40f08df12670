using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>The progress of a training between two steps, and the results of its epoch so far.</summary>
/// <remarks>
/// Together with the state of the executable (<see cref="IExecutable.SaveState"/>), it is sufficient to resume
/// training.
/// </remarks>
/// <param name="Position">The position of the next batch.</param>
/// <param name="Images">The number of images of the epoch so far.</param>
/// <param name="Correct">The number of them that were classified correctly before the step that trained on
/// them.</param>
/// <param name="LossSum">The sum of their losses.</param>
public sealed record TrainingProgress(LoaderPosition Position, int Images, int Correct, double LossSum)
{
    /// <summary>The progress before the first step.</summary>
    public static TrainingProgress Start { get; } = new(LoaderPosition.Start, 0, 0, 0);

    /// <summary>The mean loss of the epoch so far.</summary>
    internal double Loss => LossSum / Images;

    /// <summary>The fraction of correctly classified images.</summary>
    internal double Accuracy => (double)Correct / Images;

    /// <summary>Returns the progress after the step of a batch in the same epoch.</summary>
    internal TrainingProgress With(Batch batch, double loss, int correct)
        => new(batch.Next, Images + batch.Count, Correct + correct, LossSum + loss * batch.Count);
}
