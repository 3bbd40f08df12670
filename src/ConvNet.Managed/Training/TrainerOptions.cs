namespace ConvNet.Training;

/// <summary>Options of a <see cref="Trainer"/>.</summary>
public sealed record TrainerOptions
{
    /// <summary>The number of epochs.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>α, the initial learning rate.</summary>
    public float LearningRate { get; init; } = 0.05f;

    /// <summary>The schedule of the learning rate.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>How the weights are averaged; null if they are not. <see cref="Trainer.Averages"/> has the
    /// averages.</summary>
    public WeightAveraging? Averaging { get; init; }

    /// <summary>
    /// Whether a NaN or infinite loss stops the training with a <see cref="NonFiniteLossException"/>. At the end of an
    /// epoch, non-finite parameters, buffers and scores stop it too. A step with a non-finite loss is never applied; if
    /// this is false, training continues with the next batch.
    /// </summary>
    public bool StopAtNonFiniteLoss { get; init; } = true;

    /// <summary>Called after every step.</summary>
    public Action<StepReport>? OnStep { get; init; }

    /// <summary>Called after every epoch and its test.</summary>
    public Action<EpochReport>? OnEpoch { get; init; }

    /// <summary>What follows the training, called in this order after <see cref="OnStep"/> and
    /// <see cref="OnEpoch"/>.</summary>
    public IReadOnlyList<TrainingCallback> Callbacks { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainerOptions), (nameof(Epochs), Epochs),
        (nameof(LearningRate), LearningRate), (nameof(Schedule), Schedule), (nameof(Averaging), Averaging),
        (nameof(StopAtNonFiniteLoss), StopAtNonFiniteLoss), (nameof(Callbacks), Callbacks));
}
