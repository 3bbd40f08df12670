using System.Diagnostics;
using System.Globalization;
using System.Text;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Writes a log of a training: <c>log.jsonl</c>, with a JSON record in each line, and <c>epochs.csv</c>, with
/// a row for each epoch.</summary>
/// <remarks>
/// <para>The records of <c>log.jsonl</c> have a <c>kind</c>:</para>
/// <list type="bullet">
/// <item><c>start</c>: the time, the epoch and the batch from which the training starts or resumes, the number of
/// epochs, the number of parameters, and what <see cref="TrainingLogOptions.Description"/> says;</item>
/// <item><c>step</c>: epoch, batch of the epoch and step, each from 1; the number of steps of the training; the loss of
/// the batch; the learning rate; the accuracy over the epoch so far; images per second; the seconds since the start;
/// and, once a second, the memory of the process in bytes;</item>
/// <item><c>norms</c>: the Euclidean norms of each parameter, and of its gradient if there is one;</item>
/// <item><c>epoch</c>: the loss, the accuracies, seconds, images per second, and for each tested output its accuracy,
/// that of the first five classes, macro F1, mean IoU and confusion matrix (rows: true classes), or its errors;</item>
/// <item><c>pictures</c>: the number of completed epochs, from 0; the sample, the filters, the maps and the worst
/// mistakes of <see cref="TrainingLogOptions.Pictures"/>, each with a PNG file in Base64;</item>
/// <item><c>end</c>: why the training was stopped before its end, such as <c>interrupted</c>, or null; and the error
/// that ended it, or null. A training that was killed has none.</item>
/// </list>
/// <para>Each record is written when it is made. A training that is killed and resumed with
/// <see cref="TrainingLogOptions.Continues"/> has each step and each epoch once.</para>
/// </remarks>
public sealed class TrainingLog : TrainingCallback, IDisposable
{
    /// <summary>The name of the file with the records.</summary>
    public const string RecordsName = "log.jsonl";

    private const string Table = "epochs.csv", Content = "the log";

    /// <summary>The names of the files of a log.</summary>
    internal static readonly string[] FileNames = [RecordsName, Table];

    private static readonly TimeSpan s_betweenMemory = TimeSpan.FromSeconds(1);

    internal static readonly string[] Columns = ["epoch", "loss", "train_accuracy", "test_accuracy", "test_loss",
        "seconds", "images_per_second"];

    private readonly string? _folder;
    private readonly TrainingLogOptions _options;
    private readonly LogGuard _guard;
    private readonly Stopwatch _clock = new();
    private FileStream? _records, _table;
    private TimeSpan? _memoryRead;
    private TimeSpan _pictured;

    /// <summary>Creates a log and its folder.</summary>
    /// <param name="folder">The path of the folder.</param>
    /// <param name="options">What the log records.</param>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps between norms is less than 1.</exception>
    /// <exception cref="IOException">The folder cannot be created, or has a log that is not continued.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder.</exception>
    public TrainingLog(string folder, TrainingLogOptions? options = null)
        : this(options ?? new TrainingLogOptions(), folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (File.Exists(folder))
            throw new IOException($"{folder} is a file. Name a folder for the log.");
        Directory.CreateDirectory(folder);
        foreach (string name in FileNames)
        {
            if (!_options.Continues && File.Exists(PathOf(name)))
                throw new IOException($"{folder} contains the log of a training, {name}. Resume that training, or name "
                    + "another folder.");
            AtomicFile.Probe(PathOf(name), Content);
        }
    }

    /// <summary>Creates a log without files, whose records only go to
    /// <see cref="TrainingLogOptions.OnRecord"/>.</summary>
    /// <param name="options">What the log records.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps between norms is less than 1.</exception>
    public TrainingLog(TrainingLogOptions options)
        : this(options, null)
    {
    }

    private TrainingLog(TrainingLogOptions options, string? folder)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_folder, _options, _guard) = (folder, options, new LogGuard($"{folder}", "records", options.OnFailure));
        if (options.NormsEvery < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of steps between norms is {options.NormsEvery}; it must be at least 1.");
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="IOException">The log cannot be written, and there is no
    /// <see cref="TrainingLogOptions.OnFailure"/>.</exception>
    public override void OnStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        Dispose();
        _guard.Restart();
        (_memoryRead, _pictured) = (null, TimeSpan.Zero);
        _clock.Restart();
        if (_folder is not null)
            _guard.Attempt(() => OpenFiles(trainer.Progress));
        Record(LogRecord.OfStart(trainer, _options.Description));
        if (trainer.Progress.Equals(TrainingProgress.Start))
            RecordPictures(trainer, epoch: 0);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnStep(Trainer trainer, in StepReport step)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        Record(LogRecord.OfStep(step, _clock.Elapsed.TotalSeconds, Memory()));
        if (step.Step % _options.NormsEvery == 0)
            Record(LogRecord.OfNorms(trainer.Executable, step));
        if (_options is { Glimpses: { } make, OnRecord: { } receive }
            && _clock.Elapsed - _pictured >= _options.BetweenGlimpses)
        {
            receive(LogRecord.OfPictures(step.Epoch - 1, make(trainer), step.Step));
            _pictured = _clock.Elapsed;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> or <paramref name="epoch"/> is
    /// null.</exception>
    public override void OnEpoch(Trainer trainer, EpochReport epoch)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(epoch);
        Record(LogRecord.OfEpoch(epoch));
        if (_table is not null)
            _guard.Attempt(() => WriteLine(_table, string.Join(',', Number(epoch.Epoch), Number(epoch.Loss),
                Number(epoch.TrainAccuracy), Number(epoch.TestAccuracy), Number(epoch.TestLoss),
                Number(epoch.Seconds), Number(epoch.ImagesPerSecond))));
        RecordPictures(trainer, epoch.Epoch);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="result"/> is null.</exception>
    public override void OnEnd(Trainer trainer, TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        Record(LogRecord.OfEnd(result.Stopped, failure: null));
        Dispose();
    }

    /// <inheritdoc/>
    public override void OnInterrupted(Trainer trainer)
    {
        Record(LogRecord.OfEnd("interrupted", failure: null));
        Dispose();
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="error"/> is null.</exception>
    public override void OnException(Trainer trainer, Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        Record(LogRecord.OfEnd(stopped: null, error.Message));
        Dispose();
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        _records?.Dispose();
        _table?.Dispose();
        (_records, _table) = (null, null);
    }

    private void OpenFiles(TrainingProgress progress)
    {
        _records = Continue(RecordsName, line => LogPosition.IsBefore(line, progress), _options.OnRecord);
        _table = Continue(Table, row => LogPosition.IsRowBefore(row, progress), null);
        if (_table.Length == 0)
            WriteLine(_table, string.Join(',', Columns));
    }

    private void RecordPictures(Trainer trainer, int epoch)
    {
        if (_options.Pictures is not { } make)
            return;
        Record(LogRecord.OfPictures(epoch, make(trainer), step: null));
        _pictured = _clock.Elapsed;
    }

    // Reading it takes longer than a step of a small network.
    private long? Memory()
    {
        if (_memoryRead is { } before && _clock.Elapsed - before < s_betweenMemory)
            return null;
        _memoryRead = _clock.Elapsed;
        return Environment.WorkingSet;
    }

    private static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private void Record(string line)
    {
        if (_records is not null)
            _guard.Attempt(() => WriteLine(_records, line));
        _options.OnRecord?.Invoke(line);
    }

    // Without a buffer, so that a kill loses at most the end of one line.
    private static void WriteLine(FileStream file, string line) => file.Write(Encoding.UTF8.GetBytes(line + "\n"));

    // Opens a file after the lines of it that belong to what was done before.
    private FileStream Continue(string name, Func<string, bool> keeps, Action<string>? onKept)
    {
        string path = PathOf(name);
        if (File.Exists(path))
        {
            string[] lines = [.. WholeLines(path).Where(keeps)];
            AtomicFile.Write(path, Content, stream =>
            {
                foreach (string line in lines)
                    stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
            });
            if (onKept is not null)
                Array.ForEach(lines, onKept);
        }
        return new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    // Without a last line that the program was killed in.
    private static string[] WholeLines(string path)
    {
        string text = File.ReadAllText(path);
        return text.Split('\n')[..^1];
    }

    private string PathOf(string name) => Path.Combine(_folder!, name);
}
