using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using System.Text.Json;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Writes a log of a training: <c>log.jsonl</c>, with a JSON record in each line, and <c>epochs.csv</c>, with
/// a row for each epoch.</summary>
/// <remarks>
/// <para>The records of <c>log.jsonl</c> have a <c>kind</c>:</para>
/// <list type="bullet">
/// <item><c>start</c>: the time, the epoch and the batch from which the training starts or resumes, the numbers of
/// epochs and of batches of an epoch, and the number of parameters;</item>
/// <item><c>step</c>: epoch, batch of the epoch and step, each from 1; the loss of the batch; the learning rate; the
/// accuracy over the epoch so far; images per second; and the seconds since the start;</item>
/// <item><c>norms</c>: the Euclidean norms of each parameter, and of its gradient if there is one;</item>
/// <item><c>epoch</c>: the loss, the accuracies, seconds, images per second, and for each tested output its accuracy,
/// that of the first five classes, macro F1, mean IoU and confusion matrix (rows: true classes), or its errors;</item>
/// <item><c>end</c>: why the training was stopped, or null.</item>
/// </list>
/// <para>Each record is written when it is made. A training that is killed and resumed with
/// <see cref="TrainingLogOptions.Continues"/> has each step and each epoch once.</para>
/// </remarks>
public sealed class TrainingLog : TrainingCallback, IDisposable
{
    private const string Records = "log.jsonl", Table = "epochs.csv", Content = "the log";

    internal static readonly string[] Columns = ["epoch", "loss", "train_accuracy", "test_accuracy", "test_loss",
        "seconds", "images_per_second"];

    private readonly string _folder;
    private readonly TrainingLogOptions _options;
    private readonly Stopwatch _clock = new();
    private FileStream? _records, _table;
    private bool _failed;

    /// <summary>Creates a log and its folder.</summary>
    /// <param name="folder">The path of the folder.</param>
    /// <param name="options">What the log records.</param>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps between norms is less than 1.</exception>
    /// <exception cref="IOException">The folder cannot be created, or has a log that is not continued.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder.</exception>
    public TrainingLog(string folder, TrainingLogOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        (_folder, _options) = (folder, options ?? new TrainingLogOptions());
        if (_options.NormsEvery < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of steps between norms is {_options.NormsEvery}; it must be at least 1.");
        if (File.Exists(folder))
            throw new IOException($"{folder} is a file. Name a folder for the log.");
        Directory.CreateDirectory(folder);
        foreach (string name in (string[])[Records, Table])
        {
            if (!_options.Continues && File.Exists(PathOf(name)))
                throw new IOException($"{folder} contains the log of a training, {name}. Resume that training, or name "
                    + "another folder.");
            AtomicFile.Probe(PathOf(name), Content);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    /// <exception cref="IOException">The log cannot be written, and there is no
    /// <see cref="TrainingLogOptions.OnFailure"/>.</exception>
    public override void OnStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        Dispose();
        _failed = false;
        _clock.Restart();
        Attempt(() =>
        {
            _records = Continue(Records, line => LogPosition.IsBefore(line, trainer.Progress));
            _table = Continue(Table, row => LogPosition.IsRowBefore(row, trainer.Progress));
            if (_table.Length == 0)
                WriteLine(_table, string.Join(',', Columns));
        });
        Record("start", json =>
        {
            json.WriteString("time", DateTimeOffset.UtcNow);
            json.WriteNumber("epoch", trainer.Progress.Position.Epoch);
            json.WriteNumber("batch", trainer.Progress.Position.Batch);
            json.WriteNumber("epochs", trainer.Options.Epochs);
            json.WriteNumber("parameters", trainer.Executable.Graph.ParameterCount);
        });
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnStep(Trainer trainer, in StepReport step)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        StepReport report = step;
        Record("step", json =>
        {
            WritePlace(json, report);
            Write(json, "loss", report.BatchLoss);
            Write(json, "learningRate", report.LearningRate);
            Write(json, "accuracy", report.Accuracy);
            Write(json, "imagesPerSecond", report.ImagesPerSecond);
            Write(json, "seconds", _clock.Elapsed.TotalSeconds);
        });
        if (report.Step % _options.NormsEvery == 0)
            RecordNorms(trainer.Executable, report);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="epoch"/> is null.</exception>
    public override void OnEpoch(Trainer trainer, EpochReport epoch)
    {
        ArgumentNullException.ThrowIfNull(epoch);
        Record("epoch", json =>
        {
            json.WriteNumber("epoch", epoch.Epoch);
            Write(json, "loss", epoch.Loss);
            Write(json, "trainAccuracy", epoch.TrainAccuracy);
            Write(json, "testAccuracy", epoch.TestAccuracy);
            Write(json, "testLoss", epoch.TestLoss);
            Write(json, "seconds", epoch.Seconds);
            Write(json, "imagesPerSecond", epoch.ImagesPerSecond);
            WriteTest(json, epoch.Test);
        });
        Attempt(() => WriteLine(_table!, string.Join(',', Number(epoch.Epoch), Number(epoch.Loss),
            Number(epoch.TrainAccuracy), Number(epoch.TestAccuracy), Number(epoch.TestLoss), Number(epoch.Seconds),
            Number(epoch.ImagesPerSecond))));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="result"/> is null.</exception>
    public override void OnEnd(Trainer trainer, TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        Record("end", json => json.WriteString("stopped", result.Stopped));
        Dispose();
    }

    /// <inheritdoc/>
    public override void OnInterrupted(Trainer trainer) => Dispose();

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        _records?.Dispose();
        _table?.Dispose();
        (_records, _table) = (null, null);
    }

    private void RecordNorms(IExecutable executable, StepReport step) => Record("norms", json =>
    {
        WritePlace(json, step);
        json.WriteStartObject("parameters");
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            executable.Read(parameter, values);
            json.WriteStartObject(parameter.Name);
            Write(json, "weight", TensorPrimitives.Norm(values));
            if (parameter.Trainable && executable.Spec!.KeepGradients && !executable.IsFrozen(parameter))
            {
                executable.ReadGradient(parameter, values);
                Write(json, "gradient", TensorPrimitives.Norm(values));
            }
            json.WriteEndObject();
        }
        json.WriteEndObject();
    });

    private static void WriteTest(Utf8JsonWriter json, Evaluation? test)
    {
        json.WriteStartArray("test");
        foreach (OutputEvaluation output in test?.Outputs ?? [])
        {
            json.WriteStartObject();
            json.WriteString("output", output.Output);
            if (output is ClassEvaluation classes)
                WriteClasses(json, classes);
            else if (output is ValueEvaluation values)
            {
                Write(json, "meanSquaredError", values.MeanSquaredError);
                Write(json, "meanAbsoluteError", values.MeanAbsoluteError);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteClasses(Utf8JsonWriter json, ClassEvaluation classes)
    {
        Write(json, "accuracy", classes.Accuracy);
        Write(json, "top5Accuracy", classes.TopAccuracy(5));
        Write(json, "crossEntropy", classes.CrossEntropy);
        Write(json, "macroF1", classes.MacroF1);
        Write(json, "meanIoU", classes.MeanIntersectionOverUnion);
        json.WriteStartArray("confusion");
        for (int truth = 0; truth < classes.Classes; truth++)
        {
            json.WriteStartArray();
            for (int guess = 0; guess < classes.Classes; guess++)
                json.WriteNumberValue(classes[truth, guess]);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static void WritePlace(Utf8JsonWriter json, in StepReport step)
    {
        json.WriteNumber("epoch", step.Epoch);
        json.WriteNumber("batch", step.Batch);
        json.WriteNumber("step", step.Step);
    }

    // JSON has no NaN and no infinity; they are null, as in JavaScript.
    private static void Write(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    private static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private void Record(string kind, Action<Utf8JsonWriter> write) => Attempt(() =>
    {
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteString("kind", kind);
            write(json);
            json.WriteEndObject();
        }
        WriteLine(_records!, Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length));
    });

    private void Attempt(Action write)
    {
        if (_failed)
            return;
        try
        {
            write();
        }
        catch (Exception error) when (_options.OnFailure is not null
            && error is IOException or UnauthorizedAccessException)
        {
            _failed = true;
            _options.OnFailure(new IOException($"{_folder}: the log ends here, because it cannot be written: "
                + error.Message, error));
        }
    }

    // Without a buffer, so that a kill loses at most the end of one line.
    private static void WriteLine(FileStream file, string line) => file.Write(Encoding.UTF8.GetBytes(line + "\n"));

    // Opens a file after the lines of it that belong to what was done before.
    private FileStream Continue(string name, Func<string, bool> keeps)
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
        }
        return new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    // Without a last line that the program was killed in.
    private static string[] WholeLines(string path)
    {
        string text = File.ReadAllText(path);
        return text.Split('\n')[..^1];
    }

    private string PathOf(string name) => Path.Combine(_folder, name);
}
