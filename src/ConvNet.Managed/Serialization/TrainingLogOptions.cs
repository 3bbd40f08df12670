using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>What a <see cref="TrainingLog"/> records.</summary>
public sealed record TrainingLogOptions
{
    /// <summary>Whether an existing log is continued: what it has of steps after the position from which the training
    /// resumes is removed. If this is false, a folder with a log is refused.</summary>
    public bool Continues { get; init; }

    /// <summary>The number of steps between two records of the norms of each parameter, from 1; null for none. Norms of
    /// gradients need <see cref="TrainingSpec.KeepGradients"/>.</summary>
    public int? NormsEvery { get; init; }

    /// <summary>What is trained; null if the log does not say it.</summary>
    public RunDescription? Description { get; init; }

    /// <summary>Makes the pictures that are recorded before the first step and after every epoch; null for
    /// none.</summary>
    /// <remarks>It is called in the thread that trains, between two steps, and must not change the executable or
    /// anything that the next step depends on.</remarks>
    public Func<Trainer, LoggedPictures>? Pictures { get; init; }

    /// <summary>Makes pictures within an epoch, which are not part of the log: only <see cref="OnRecord"/> receives
    /// them, as a record of <c>pictures</c> with the <c>step</c>. Null for none.</summary>
    /// <inheritdoc cref="Pictures" path="/remarks"/>
    public Func<Trainer, LoggedPictures>? Glimpses { get; init; }

    /// <summary>The time between two pictures within an epoch, at least.</summary>
    public TimeSpan BetweenGlimpses { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Called with each record, a JSON object in one line, after it is written; before the first one, with
    /// those of a continued log.</summary>
    public Action<string>? OnRecord { get; init; }

    /// <summary>Called with the error if a record cannot be written. No file is written after it, and the training
    /// goes on. If this is null, the error ends the training.</summary>
    public Action<Exception>? OnFailure { get; init; }
}
