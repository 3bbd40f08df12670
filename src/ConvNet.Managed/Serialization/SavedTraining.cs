using ConvNet.Data;
using ConvNet.Training;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A training that can go on from a file: how it is done, and where it stands.</summary>
/// <remarks>
/// With the state of the executable, which is in the same file (<see cref="SavedModel"/>), and the same data, it goes
/// on as if it had never stopped.
/// </remarks>
/// <param name="Spec">How the executable trains.</param>
/// <param name="Options">Epochs, learning rate and schedule; the callbacks are not saved.</param>
/// <param name="Loader">How batches of <see cref="TrainingSpec.BatchSize"/> are made; what changes no batch is not
/// saved.</param>
/// <param name="Samples">The number of samples to learn from.</param>
/// <param name="Progress">Where it stands.</param>
public sealed record SavedTraining(TrainingSpec Spec, TrainerOptions Options, DataLoaderOptions Loader, int Samples,
    TrainingProgress Progress)
{
    /// <summary>What <see cref="ImageData.Open"/> makes the data of; null where nothing does.</summary>
    public string? Data { get; init; }

    /// <summary>Throws where the training stands in the middle of an epoch whose batches would be others.</summary>
    /// <param name="loader">The loader that it is to go on with.</param>
    /// <exception cref="ArgumentException">The batches would be others; the message says why.</exception>
    public void CheckFor(DataLoader loader)
    {
        ArgumentNullException.ThrowIfNull(loader);
        if (Progress.Position.Batch == 0)
            return;
        Check("samples", Samples, loader.Dataset.Count);
        Check("a batch size of", Spec.BatchSize, loader.BatchSize);
        Check("seed", Loader.Seed, loader.Options.Seed);
        Check("shuffling", Loader.Shuffle, loader.Options.Shuffle);
        Check("leaving the last batch out", Loader.DropLast, loader.Options.DropLast);
        Check("the transforms", string.Join(", ", Loader.Transforms), string.Join(", ", loader.Options.Transforms));
    }

    private void Check<T>(string what, T own, T other)
    {
        if (!EqualityComparer<T>.Default.Equals(own, other))
            throw new ArgumentException(
                Invariant($"The training stands at batch {Progress.Position.Batch:N0} of epoch ")
                + Invariant($"{Progress.Position.Epoch}, whose batches were made with {what} {own}; {other} would ")
                + "make others. Go on with the same.");
    }
}
