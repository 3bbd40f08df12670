using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>Where a training stands between two steps, and what its epoch has given so far.</summary>
/// <remarks>
/// With the state of the executable (<see cref="IExecutable.SaveState"/>) it is all that a training goes on from.
/// </remarks>
/// <param name="Position">The batch of the next step.</param>
/// <param name="Images">Images of the epoch so far.</param>
/// <param name="Correct">How many of them had their class found, before the step that learned from them.</param>
/// <param name="LossSum">The sum of their losses.</param>
public sealed record TrainingProgress(LoaderPosition Position, int Images, int Correct, double LossSum)
{
    /// <summary>Before the first step.</summary>
    public static TrainingProgress Start { get; } = new(LoaderPosition.Start, 0, 0, 0);

    /// <summary>The mean loss of the epoch so far.</summary>
    internal double Loss => LossSum / Images;

    /// <summary>The share of images whose class was found.</summary>
    internal double Accuracy => (double)Correct / Images;

    /// <summary>After the step of a batch, in the same epoch.</summary>
    internal TrainingProgress With(Batch batch, double loss, int correct)
        => new(batch.Next, Images + batch.Count, Correct + correct, LossSum + loss * batch.Count);
}
