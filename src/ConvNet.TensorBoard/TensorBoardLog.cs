using ConvNet.Serialization;
using ConvNet.TensorBoard.Schema;
using ConvNet.Training;
using static System.FormattableString;

namespace ConvNet.TensorBoard;

/// <summary>Writes an event file of a training for TensorBoard.</summary>
/// <remarks>
/// Each step has <c>train/loss</c>, <c>train/accuracy</c>, <c>train/learning_rate</c> and
/// <c>train/images_per_second</c>, and some have <c>weight_norm/…</c> and <c>gradient_norm/…</c> of each parameter.
/// Each epoch has <c>epoch/loss</c>, <c>epoch/train_accuracy</c>, <c>epoch/test_accuracy</c> and
/// <c>epoch/test_loss</c>, whose step is the epoch. A training that resumes writes a further file, from whose first
/// step on TensorBoard ignores the earlier ones.
/// </remarks>
public sealed class TensorBoardLog : TrainingCallback, IDisposable
{
    private const string Prefix = "events.out.tfevents.";

    private readonly string _folder;
    private readonly TrainingLogOptions _options;
    private readonly LogGuard _guard;
    private EventFile? _file;
    private bool _begun;

    /// <summary>Creates the log and its folder.</summary>
    /// <param name="folder">The path of the folder.</param>
    /// <param name="options">What the log records.</param>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps between norms is less than 1.</exception>
    /// <exception cref="IOException">The folder cannot be written, or has a log that is not continued.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder.</exception>
    public TensorBoardLog(string folder, TrainingLogOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        (_folder, _options) = (folder, options ?? new TrainingLogOptions());
        _guard = new LogGuard(folder, "events", _options.OnFailure);
        if (_options.NormsEvery < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of steps between norms is {_options.NormsEvery}; it must be at least 1.");
        if (File.Exists(folder))
            throw new IOException($"{folder} is a file. Name a folder for the events.");
        Directory.CreateDirectory(folder);
        if (!_options.Continues && Directory.EnumerateFiles(folder, Prefix + "*").FirstOrDefault() is { } other)
            throw new IOException($"{folder} contains the events of a training, {Path.GetFileName(other)}. Resume that "
                + "training, or name another folder.");
        AtomicFile.Probe(Path.Combine(folder, Prefix), "the events");
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="IOException">The file cannot be written, and there is no
    /// <see cref="TrainingLogOptions.OnFailure"/>.</exception>
    public override void OnStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        Dispose();
        _guard.Restart();
        _begun = false;
        _guard.Attempt(() => _file = new EventFile(FreePath()));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnStep(Trainer trainer, in StepReport step)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (!_begun)
            Write(new Event
            {
                Step = step.Step,
                SessionLog = new SessionLog { Status = SessionLog.Types.SessionStatus.Start },
            });
        _begun = true;
        Write(step.Step, [("train/loss", step.BatchLoss), ("train/accuracy", step.Accuracy),
            ("train/learning_rate", step.LearningRate), ("train/images_per_second", step.ImagesPerSecond)]);
        if (step.Step % _options.NormsEvery == 0)
            Write(step.Step, ParameterNorms.Of(trainer.Executable).SelectMany(norms => ((string, double?)[])
                [($"weight_norm/{norms.Parameter.Name}", norms.Weight),
                    ($"gradient_norm/{norms.Parameter.Name}", norms.Gradient)]));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="epoch"/> is null.</exception>
    public override void OnEpoch(Trainer trainer, EpochReport epoch)
    {
        ArgumentNullException.ThrowIfNull(epoch);
        Write(epoch.Epoch, [("epoch/loss", epoch.Loss), ("epoch/train_accuracy", epoch.TrainAccuracy),
            ("epoch/test_accuracy", epoch.TestAccuracy), ("epoch/test_loss", epoch.TestLoss)]);
    }

    /// <inheritdoc/>
    public override void OnEnd(Trainer trainer, TrainingResult result) => Dispose();

    /// <inheritdoc/>
    public override void OnInterrupted(Trainer trainer) => Dispose();

    /// <inheritdoc/>
    public override void OnException(Trainer trainer, Exception error) => Dispose();

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    // As TensorBoard's own writers name them, so that the names are in the order of their times.
    private string FreePath()
    {
        string start = Invariant($"{Prefix}{DateTimeOffset.UtcNow.ToUnixTimeSeconds():D10}.{Environment.MachineName}.")
            + Invariant($"{Environment.ProcessId}.");
        return Enumerable.Range(0, int.MaxValue).Select(i => Path.Combine(_folder, Invariant($"{start}{i}")))
            .First(path => !File.Exists(path));
    }

    private void Write(long step, IEnumerable<(string Tag, double? Value)> values)
    {
        var summary = new Summary();
        summary.Value.AddRange(values.Where(value => value.Value is not null).Select(value
            => new Summary.Types.Value { Tag = value.Tag, SimpleValue = (float)value.Value! }));
        Write(new Event { Step = step, Summary = summary });
    }

    private void Write(Event what) => _guard.Attempt(() => _file?.Write(what));
}
