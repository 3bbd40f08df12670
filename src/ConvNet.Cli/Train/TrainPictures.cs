using ConvNet.Data;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Training;

namespace ConvNet.Cli.Train;

/// <summary>Makes the pictures for the log and the page of a training. The log is opened before there is a
/// network.</summary>
/// <param name="normalization">The normalisation of the images.</param>
/// <param name="cancellation">Cancels the reading of images.</param>
internal sealed class TrainPictures(Normalization normalization, CancellationToken cancellation) : IDisposable
{
    private EpochPictures? _pictures;

    /// <summary>The training, which must be set before the first pictures are made.</summary>
    public TrainRun? Run { get; set; }

    /// <summary>Makes the pictures.</summary>
    public LoggedPictures Of(Trainer trainer) => Maker.Of(trainer.Executable);

    /// <summary>Makes the pictures without the mistakes.</summary>
    public LoggedPictures Glimpse(Trainer trainer) => Maker.Glimpse(trainer.Executable);

    /// <summary>Frees what the pictures are made with.</summary>
    public void Dispose() => _pictures?.Dispose();

    private EpochPictures Maker => _pictures ??= Run!.Pictures(normalization, cancellation);
}
