using static System.FormattableString;

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

    /// <summary>The largest global norm of the gradients, to which they are scaled down before each step
    /// (<see cref="IExecutable.ClipGradientNorm"/>); null for no limit.</summary>
    public float? ClipNorm { get; init; }

    /// <summary>The largest magnitude of a gradient, to which each is clipped before each step, after
    /// <see cref="ClipNorm"/> (<see cref="IExecutable.ClipGradientValue"/>); null for no limit.</summary>
    public float? ClipValue { get; init; }

    /// <summary>The number of batches whose mean gradient makes a step, from 1. The last step of an epoch may have
    /// fewer. Schedules and reports count batches; averages count steps, and callbacks are called after
    /// each.</summary>
    public int AccumulateBatches { get; init; } = 1;

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

    /// <summary>Whether a step needs gradients that are kept, and not the fused optimiser step of
    /// <see cref="IExecutable.TrainStep"/>.</summary>
    internal bool NeedsGradients => ClipNorm is not null || ClipValue is not null || AccumulateBatches > 1;

    /// <summary>Throws if an option is out of range.</summary>
    internal void Check()
    {
        if (Epochs < 1)
            throw OutOfRange($"The number of epochs is {Epochs}; it must be at least 1.");
        if (!float.IsFinite(LearningRate))
            throw OutOfRange(Invariant($"The learning rate is {LearningRate}; it must be a finite number."));
        if (Schedule is null)
            throw new ArgumentException(
                $"The schedule of the learning rate is null. Use one such as {nameof(ConstantSchedule)}.", "options");
        foreach ((string name, float? limit) in ((string, float?)[])[("norm", ClipNorm), ("value", ClipValue)])
        {
            if (limit is { } given && !(float.IsFinite(given) && given > 0))
                throw OutOfRange(Invariant($"The gradients are to be clipped by {name} to {given}; the limit must be ")
                    + "a finite number above 0.");
        }
        if (AccumulateBatches < 1)
            throw OutOfRange($"The number of batches of a step is {AccumulateBatches}; it must be at least 1.");
        if (Callbacks is null || Callbacks.Any(callback => callback is null))
            throw new ArgumentException("A callback is null. Remove it.", "options");

        static ArgumentOutOfRangeException OutOfRange(string message) => new("options", message);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainerOptions), (nameof(Epochs), Epochs),
        (nameof(LearningRate), LearningRate), (nameof(Schedule), Schedule), (nameof(Averaging), Averaging),
        (nameof(ClipNorm), ClipNorm), (nameof(ClipValue), ClipValue), (nameof(AccumulateBatches), AccumulateBatches),
        (nameof(StopAtNonFiniteLoss), StopAtNonFiniteLoss), (nameof(Callbacks), Callbacks));
}
