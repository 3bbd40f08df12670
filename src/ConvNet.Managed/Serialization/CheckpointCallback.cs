using System.Diagnostics;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Saves a training while it runs: checkpoints in a folder, or one file that is replaced.</summary>
/// <remarks>
/// It saves whenever the interval has passed, at the end of the training, and when the training is cancelled. A
/// training that resumes from what was saved last computes the same bits as one that was never interrupted, whenever
/// the program was killed.
/// </remarks>
public sealed class CheckpointCallback : TrainingCallback
{
    private readonly CheckpointFolder? _folder;
    private readonly string? _file;
    private readonly SavedTraining _training;
    private readonly Normalization? _normalization;
    private readonly CheckpointOptions _options;

    private TrainingProgress _saved = TrainingProgress.Start;
    private long _savedAt, _steps;

    /// <summary>Saves checkpoints in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="training">The training. The trainer knows its progress.</param>
    /// <param name="normalization">The normalisation of the images, to be stored in the files; null for none.</param>
    /// <param name="options">When checkpoints are saved, and which of them are kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> or <paramref name="training"/> is
    /// null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of checkpoints to keep is less than 1.</exception>
    public CheckpointCallback(CheckpointFolder folder, SavedTraining training, Normalization? normalization = null,
        CheckpointOptions? options = null)
        : this(training, normalization, options)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _folder = folder;
    }

    /// <summary>Saves to one file, which is replaced each time.</summary>
    /// <param name="file">The path of the file.</param>
    /// <param name="training">The training. The trainer knows its progress.</param>
    /// <param name="normalization">The normalisation of the images, to be stored in the file; null for none.</param>
    /// <param name="options">When the file is saved.</param>
    /// <exception cref="ArgumentNullException"><paramref name="file"/> or <paramref name="training"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException"><paramref name="file"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of checkpoints to keep is less than 1.</exception>
    public CheckpointCallback(string file, SavedTraining training, Normalization? normalization = null,
        CheckpointOptions? options = null)
        : this(training, normalization, options)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        _file = file;
    }

    private CheckpointCallback(SavedTraining training, Normalization? normalization, CheckpointOptions? options)
    {
        ArgumentNullException.ThrowIfNull(training);
        (_training, _normalization, _options) = (training, normalization, options ?? new CheckpointOptions());
        if (_options.Keep < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of checkpoints to keep is {_options.Keep}; it must be at least 1.");
    }

    /// <summary>Called with the path of each file that has been written.</summary>
    public Action<string>? OnSaved { get; init; }

    /// <summary>The error of the last attempt to save; null if it succeeded.</summary>
    public Exception? Failure { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="IOException">The training is new, but the folder has checkpoints.</exception>
    public override void OnStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (trainer.Progress.Equals(TrainingProgress.Start) && _folder is { Files: [.., var newest] })
            throw new IOException($"{_folder.Path} contains checkpoints of another training. Resume from the newest, "
                + $"{newest}, or name another folder.");
        // A file may be another one than that of the resumed training.
        _saved = _folder is null ? TrainingProgress.Start : trainer.Progress;
        (_savedAt, _steps) = (Stopwatch.GetTimestamp(), 0);
    }

    /// <inheritdoc/>
    public override void OnStep(Trainer trainer, in StepReport step)
    {
        _steps++;
        if (_options.Every.IsDueAfterStep(_steps, Stopwatch.GetElapsedTime(_savedAt)))
            SaveOrReport(trainer);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public override void OnEpoch(Trainer trainer, EpochReport epoch)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(epoch);
        // First: if the program is killed in between, the epoch is repeated from the checkpoint before.
        if (_folder is not null && IsBest(trainer.Progress.Epochs))
            Attempt(() => Write(trainer, _folder.BestFile));
        if (_options.Every.IsDueAfterEpoch(epoch.Epoch))
            SaveOrReport(trainer);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnInterrupted(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (!trainer.Progress.Equals(_saved))
            SaveOrReport(trainer);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnEnd(Trainer trainer, TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        // The statistics of averages that are estimated anew at the end are not in the file yet.
        bool isEstimated = trainer.Averages is { Count: > 0, Averaging.ReestimatesStatistics: true };
        if (isEstimated || !trainer.Progress.Equals(_saved))
            SaveOrReport(trainer);
    }

    private void SaveOrReport(Trainer trainer)
    {
        Attempt(() => Save(trainer));
        // After a failure, the next attempt is made after another interval.
        (_savedAt, _steps) = (Stopwatch.GetTimestamp(), 0);
    }

    private void Attempt(Action save)
    {
        try
        {
            save();
            Failure = null;
        }
        catch (Exception error) when (_options.OnFailure is not null
            && error is IOException or UnauthorizedAccessException)
        {
            Failure = error;
            _options.OnFailure(error);
        }
    }

    private void Save(Trainer trainer)
    {
        if (_folder is not null)
        {
            // Not an argument of OnSaved, which is not evaluated where that is null.
            string file = _folder.Save(trainer.Executable, Training(trainer), _options.Keep, _normalization,
                trainer.Averages);
            OnSaved?.Invoke(file);
        }
        else
        {
            Write(trainer, _file!);
        }
        _saved = trainer.Progress;
    }

    private void Write(Trainer trainer, string file)
    {
        SavedModel.Save(file, trainer.Executable, _normalization, training: Training(trainer),
            averages: trainer.Averages);
        OnSaved?.Invoke(file);
    }

    private SavedTraining Training(Trainer trainer) => _training with { Progress = trainer.Progress };

    private bool IsBest(IReadOnlyList<EpochResult> epochs)
    {
        EpochMetric metric = _options.Best
            ?? (epochs[^1].TestAccuracy is null ? EpochMetric.Loss : EpochMetric.TestAccuracy);
        return epochs.SkipLast(1).All(before => IsBetter(epochs[^1], before, metric));
    }

    private static bool IsBetter(EpochResult epoch, EpochResult before, EpochMetric metric)
        => metric switch
        {
            EpochMetric.Loss => epoch.Loss < before.Loss,
            EpochMetric.TestLoss => epoch.TestLoss < (before.TestLoss ?? double.PositiveInfinity),
            _ => epoch.TestAccuracy > (before.TestAccuracy ?? double.NegativeInfinity),
        };
}
