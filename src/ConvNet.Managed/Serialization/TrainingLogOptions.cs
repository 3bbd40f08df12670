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

    /// <summary>Called with the error if a record cannot be written. Nothing is recorded after it, and the training
    /// goes on. If this is null, the error ends the training.</summary>
    public Action<Exception>? OnFailure { get; init; }
}
