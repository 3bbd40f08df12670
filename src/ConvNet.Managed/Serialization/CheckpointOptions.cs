using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>When checkpoints are saved, and which of them are kept.</summary>
public sealed record CheckpointOptions
{
    /// <summary>How often a checkpoint is saved. One is also saved at the end of the training, and when it is
    /// cancelled.</summary>
    public CheckpointInterval Every { get; init; } = CheckpointInterval.Epochs(1);

    /// <summary>The number of checkpoints that are kept, from 1. Older ones are deleted.</summary>
    public int Keep { get; init; } = 3;

    /// <summary>What the best epoch is judged by; <see cref="CheckpointFolder.BestFile"/> holds the training after this
    /// epoch. The default is the test accuracy, or the training loss if there is none. The first of equal epochs is the
    /// best.</summary>
    public EpochMetric? Best { get; init; }

    /// <summary>Called with the error if a checkpoint cannot be saved. The files before are intact, and the training
    /// goes on. If this is null, the error ends the training. <see cref="CheckpointCallback.Failure"/> is the error of
    /// the last attempt.</summary>
    public Action<Exception>? OnFailure { get; init; }
}
