using System.Text.Json;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Reads and writes trainings as JSON: all settings of a training except network, data and state.</summary>
/// <remarks>
/// <code>{ "format": "convnet-training", "version": 1, "batchSize": 32, "seed": 1, "keepGradients": false,
///   "inputGradient": false, "loss": { "loss": "softmax", "perPixel": false },
///   "optimizer": { "optimizer": "sgd", "momentum": 0.9, "weightDecay": 0.0001, "nesterov": false,
///     "dampening": 0, "lookahead": { "k": 5, "alpha": 0.5 },
///     "groups": [{ "patterns": ["*.bias"], "learningRateFactor": 1, "weightDecay": 0 }] },
///   "epochs": 15, "learningRate": 0.02,
///   "schedule": { "schedule": "cosine", "minimum": 0, "length": 0, "unit": "epochs" },
///   "averaging": { "averaging": "ema", "decay": 0.999, "every": 1, "statistics": true },
///   "stopAtNonFiniteLoss": true,
///   "data": { "name": "digits", "samples": 1438, "seed": 1, "shuffle": true, "dropLast": false, "transforms": [
///     { "transform": "randomhorizontalflip", "probability": 0.5 },
///     { "transform": "normalization" }] },
///   "progress": { "epoch": 3, "batch": 5, "images": 160, "lossSum": "80.5", "predictions": 160,
///     "correct": 120, "epochs": [{ "loss": "0.9", "trainAccuracy": 0.6, "testAccuracy": 0.7, "testLoss": "0.8",
///       "completed": true }],
///     "averaged": 25 } }</code>
/// If the test samples were selected from the data, "data" has a "split": { "testShare": 0.2, "seed": 1 }. With
/// several outputs, "losses" lists the losses and "outputs" the results so far, each with its "output". A transform of
/// one of several inputs has an "input". "data" has "batchTransforms", as [{ "transform": "mixup", "alpha": 0.2 }],
/// and a "sampler", as { "sampler": "balanced", "numSamples": 0 }, if the training has them. A schedule of several is
/// { "schedule": "sequential", "milestones": [5], "unit": "epochs", "schedules": [...] }. The transform
/// <c>normalization</c> stands for the normalisation of the saved model.
/// </remarks>
internal static class TrainingJson
{
    private const string Format = "convnet-training";
    private const int Version = 1;

    /// <summary>The key of the metadata.</summary>
    public const string Key = "training";

    /// <summary>Writes a training.</summary>
    /// <exception cref="NotSupportedException">A part has no JSON form; the message names it.</exception>
    public static string Write(SavedTraining training, Normalization? normalization)
        => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("format", Format);
        json.WriteNumber("version", Version);
        SpecJson.Write(json, training.Spec);
        json.WriteNumber("epochs", training.Options.Epochs);
        json.WriteNumber("learningRate", training.Options.LearningRate);
        json.WritePropertyName("schedule");
        ScheduleJson.Write(json, training.Options.Schedule);
        if (training.Options.Averaging is { } averaging)
            KindJson.Write(json, "averaging", averaging, averaging.Declaration);
        json.WriteBoolean("stopAtNonFiniteLoss", training.Options.StopAtNonFiniteLoss);
        if (training.Options.ClipNorm is { } norm)
            json.WriteNumber("clipNorm", norm);
        if (training.Options.ClipValue is { } value)
            json.WriteNumber("clipValue", value);
        if (training.Options.AccumulateBatches > 1)
            json.WriteNumber("accumulateBatches", training.Options.AccumulateBatches);
        LoaderJson.Write(json, training, normalization);
        ProgressJson.Write(json, training.Progress);
        if (training.Recipe is { } recipe)
            json.WriteString("recipe", recipe);
        json.WriteEndObject();
    });

    /// <summary>Reads a training.</summary>
    /// <exception cref="InvalidDataException">The text is not a valid training; the message says where and
    /// why.</exception>
    public static SavedTraining Read(string text, string source, Normalization? normalization, TrainingKinds kinds)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, source), source);
        var json = new JsonReader(document.RootElement, source);
        json.CheckFormat(Format, Version, "a training");
        TrainingSpec spec = SpecJson.Read(json, kinds);
        json.Required("learningRate");
        var options = new TrainerOptions
        {
            Epochs = json.Int("epochs"),
            LearningRate = json.Number("learningRate", 0),
            Schedule = ScheduleJson.Read(new JsonReader(json.Required("schedule"), $"{source}, schedule"),
                kinds.Schedules),
            Averaging = json.Optional("averaging") is null ? null
                : KindJson.Read(json, "averaging", kinds.Averagings),
            StopAtNonFiniteLoss = json.Flag("stopAtNonFiniteLoss", true),
            ClipNorm = json.Optional("clipNorm") is null ? null : json.Number("clipNorm", 0),
            ClipValue = json.Optional("clipValue") is null ? null : json.Number("clipValue", 0),
            AccumulateBatches = json.Optional("accumulateBatches") is null ? 1 : json.Int("accumulateBatches"),
        };
        TrainingProgress progress = ProgressJson.Read(
            new JsonReader(json.Required("progress"), $"{source}, progress"));
        var training = new SavedTraining(spec, options, new DataLoaderOptions(), 0, progress)
        {
            Recipe = json.Text("recipe"),
        };
        training = LoaderJson.Read(json, training, normalization, kinds);
        json.RejectOthers();
        return training;
    }
}
