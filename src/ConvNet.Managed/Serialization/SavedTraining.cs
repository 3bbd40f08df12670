using ConvNet.Data;
using ConvNet.Training;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A training that can be resumed from a file: its settings and its progress.</summary>
/// <remarks>
/// With the state of the executable, which is in the same file (<see cref="SavedModel"/>), and the same data, training
/// resumes as if it had not been interrupted.
/// </remarks>
/// <param name="Spec">The training spec of the executable.</param>
/// <param name="Options">Epochs, learning rate and schedule; the callbacks are not saved.</param>
/// <param name="Loader">The options for batches of <see cref="TrainingSpec.BatchSize"/>. Options that do not affect the
/// batches are not saved.</param>
/// <param name="Samples">The number of training samples.</param>
/// <param name="Progress">The progress of the training.</param>
public sealed record SavedTraining(TrainingSpec Spec, TrainerOptions Options, DataLoaderOptions Loader, int Samples,
    TrainingProgress Progress)
{
    private const string None = "none";

    /// <summary>The name or the path of the data, such as the argument of <see cref="ImageData.Open"/>; null if it has
    /// none.</summary>
    public string? Data { get; init; }

    /// <summary>How the test samples were selected from the data; null if it has test samples of its own.</summary>
    public DataSplit? Split { get; init; }

    /// <summary>How validation samples were selected from the training samples; null if there are none.</summary>
    public DataSplit? Validation { get; init; }

    /// <summary>The names of the classes, one for each channel of the only output; empty if they have none. A file has
    /// them beside the training (<see cref="SavedModel.ClassNames"/>).</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>The settings with which the training was started, as the program that trains writes them, for example
    /// as JSON; null if there are none.</summary>
    public string? Recipe { get; init; }

    /// <summary>Throws if the training would resume within an epoch and the loader gives other batches.</summary>
    /// <param name="loader">The loader to resume with.</param>
    /// <exception cref="ArgumentNullException"><paramref name="loader"/> is null.</exception>
    /// <exception cref="ArgumentException">The batches would differ; the message gives the reason.</exception>
    public void CheckFor(DataLoader loader)
    {
        ArgumentNullException.ThrowIfNull(loader);
        if (Progress.Position.Batch == 0)
            return;
        Check("the number of samples", Samples, loader.Dataset.Count);
        Check("the batch size", Spec.BatchSize, loader.BatchSize);
        Check("the seed", Loader.Seed, loader.Options.Seed);
        Check("the sampler", Loader.Sampler, loader.Options.Sampler);
        Check("Shuffle", Loader.Shuffle, loader.Options.Shuffle);
        Check("DropLast", Loader.DropLast, loader.Options.DropLast);
        Check("the list of transforms", Text(Loader.Transforms), Text(loader.Options.Transforms));
        Check("the list of batch transforms", Text(Loader.BatchTransforms), Text(loader.Options.BatchTransforms));

        static string Text<T>(IReadOnlyList<T> list) => list.Count == 0 ? None : string.Join(", ", list);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SavedTraining), (nameof(Spec), Spec),
        (nameof(Options), Options), (nameof(Loader), Loader), (nameof(Samples), Samples), (nameof(Progress), Progress),
        (nameof(Data), Data), (nameof(Split), Split), (nameof(Validation), Validation),
        (nameof(ClassNames), ClassNames), (nameof(Recipe), Recipe));

    private void Check<T>(string what, T own, T other)
    {
        if (!EqualityComparer<T>.Default.Equals(own, other))
            throw new ArgumentException(
                Invariant($"The training is at batch {Progress.Position.Batch:N0} of epoch ")
                + Invariant($"{Progress.Position.Epoch}. In this epoch, {what} was {own?.ToString() ?? None}; the ")
                + Invariant($"loader has {other?.ToString() ?? None}, which would give other batches. Use the same ")
                + "value.");
    }
}
