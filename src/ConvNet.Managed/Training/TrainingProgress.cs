using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>The progress of a training between two steps, and the results of its epoch so far.</summary>
/// <remarks>
/// Together with the state of the executable (<see cref="IExecutable.SaveState"/>), it is sufficient to resume
/// training.
/// </remarks>
/// <param name="Position">The position of the next batch.</param>
/// <param name="Images">The number of samples of the epoch so far.</param>
/// <param name="LossSum">The sum of their losses.</param>
/// <param name="Outputs">The results of each output that has targets; empty before the first step of an epoch.</param>
public sealed record TrainingProgress(LoaderPosition Position, int Images, double LossSum,
    IReadOnlyList<OutputProgress> Outputs)
{
    /// <summary>The progress before the first step.</summary>
    public static TrainingProgress Start { get; } = new(LoaderPosition.Start, 0, 0, []);

    /// <summary>The results of the epochs before this one, which a schedule may follow.</summary>
    public IReadOnlyList<EpochResult> Epochs { get; init; } = [];

    /// <summary>The number of times that the weights have been averaged (<see
    /// cref="TrainerOptions.Averaging"/>).</summary>
    public long Averaged { get; init; }

    /// <inheritdoc/>
    public bool Equals(TrainingProgress? other) => other is not null && Position == other.Position
        && Images == other.Images && LossSum.Equals(other.LossSum) && Outputs.SequenceEqual(other.Outputs)
        && Epochs.SequenceEqual(other.Epochs) && Averaged == other.Averaged;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Position, Images, LossSum, Outputs.Count);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingProgress), (nameof(Position), Position),
        (nameof(Images), Images), (nameof(LossSum), LossSum), (nameof(Outputs), Outputs), (nameof(Epochs), Epochs),
        (nameof(Averaged), Averaged));

    /// <summary>The mean loss of the epoch so far.</summary>
    internal double Loss => LossSum / Images;

    /// <summary>The accuracy of the only output that is compared with classes; null if there is none or
    /// several.</summary>
    internal double? Accuracy => Outputs.Where(output => output.Predictions > 0).ToArray() is [var only]
        ? only.Accuracy : null;
}

/// <summary>The results of an output in an epoch so far.</summary>
/// <param name="Output">The name of the output; null for the only output of a graph.</param>
/// <param name="LossSum">The sum of its losses over the samples, without its weight; 0 if it has no loss.</param>
/// <param name="Predictions">The number of predictions, one for each sample or pixel; 0 if its targets are
/// values.</param>
/// <param name="Correct">The number of them that were correct before the step that trained on them.</param>
public readonly record struct OutputProgress(string? Output, double LossSum, long Predictions, long Correct)
{
    /// <summary>The fraction of correct predictions; null if the targets are values.</summary>
    internal double? Accuracy => Predictions > 0 ? (double)Correct / Predictions : null;
}
