namespace ConvNet.Training;

/// <summary>Something that follows a training and may stop it: it saves checkpoints, writes a log, or ends the training
/// early.</summary>
/// <remarks>
/// A <see cref="Trainer"/> calls the callbacks of <see cref="TrainerOptions.Callbacks"/> in their order, between two
/// steps, in the thread that trains. An exception of a callback ends the training.
/// </remarks>
/// <example><code>
/// sealed class PrintLoss : TrainingCallback
/// {
///     public override void OnEpoch(Trainer trainer, EpochReport epoch)
///         => Console.WriteLine($"epoch {epoch.Epoch}: {epoch.Loss}");
/// }
/// var trainer = new Trainer(net, new TrainerOptions { Callbacks = [new PrintLoss()] });
/// </code></example>
public abstract class TrainingCallback
{
    /// <summary>Called before the first step of <see cref="Trainer.Train"/>. <see cref="Trainer.Progress"/> is the
    /// position from which the training starts or resumes.</summary>
    /// <param name="trainer">The trainer.</param>
    public virtual void OnStart(Trainer trainer)
    {
    }

    /// <summary>Called after every step.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="step">The report of the step.</param>
    public virtual void OnStep(Trainer trainer, in StepReport step)
    {
    }

    /// <summary>Called after every epoch and its test.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="epoch">The report of the epoch.</param>
    public virtual void OnEpoch(Trainer trainer, EpochReport epoch)
    {
    }

    /// <summary>Called when the training has been cancelled. The parameters and <see cref="Trainer.Progress"/> are
    /// those after the last complete step.</summary>
    /// <param name="trainer">The trainer.</param>
    public virtual void OnInterrupted(Trainer trainer)
    {
    }

    /// <summary>Called when an exception ends the training, such as <see cref="NonFiniteLossException"/> or one of a
    /// callback. The exception is thrown afterwards, unless this method throws another one.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="error">The exception.</param>
    public virtual void OnException(Trainer trainer, Exception error)
    {
    }

    /// <summary>Called at the end of a training that was neither cancelled nor ended by an exception.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="result">The result of the training.</param>
    public virtual void OnEnd(Trainer trainer, TrainingResult result)
    {
    }
}
