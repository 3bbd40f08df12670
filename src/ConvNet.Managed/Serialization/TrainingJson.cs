using System.Globalization;
using System.Text;
using System.Text.Json;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>The kinds that are recognised in a saved training; by default those of this library.</summary>
public sealed record TrainingKinds
{
    /// <summary>The optimisers.</summary>
    public OptimizerSet Optimizers { get; init; } = OptimizerSet.BuiltIn;

    /// <summary>The losses.</summary>
    public KindSet<Loss> Losses { get; init; } = Loss.BuiltIn;

    /// <summary>The learning rate schedules.</summary>
    public KindSet<LearningRateSchedule> Schedules { get; init; } = LearningRateSchedule.BuiltIn;

    /// <summary>The ways to average weights.</summary>
    public KindSet<WeightAveraging> Averagings { get; init; } = WeightAveraging.BuiltIn;

    /// <summary>The transforms.</summary>
    public KindSet<Transform> Transforms { get; init; } = Transform.BuiltIn;

    /// <summary>The transforms of batches.</summary>
    public KindSet<BatchTransform> BatchTransforms { get; init; } = BatchTransform.BuiltIn;

    /// <summary>The samplers.</summary>
    public KindSet<Sampler> Samplers { get; init; } = Sampler.BuiltIn;
}

/// <summary>Reads and writes trainings as JSON: all settings of a training except network, data and state.</summary>
/// <remarks>
/// <code>{ "format": "convnet-training", "version": 1, "batchSize": 32, "seed": 1, "keepGradients": false,
///   "inputGradient": false, "loss": { "loss": "softmax", "perPixel": false },
///   "optimizer": { "optimizer": "sgd", "momentum": 0.9, "weightDecay": 0.0001, "nesterov": false,
///     "dampening": 0, "lookahead": { "k": 5, "alpha": 0.5 }, "groups": [{ "patterns": ["*.bias"],
/// "learningRateFactor": 1, "weightDecay": 0 }] },   "epochs": 15, "learningRate": 0.02, "schedule": { "schedule":
/// "cosine", "minimum": 0, "length": 0,     "unit": "epochs" }, "averaging": { "averaging": "ema", "decay": 0.999,
/// "every": 1, "statistics": true },   "stopAtNonFiniteLoss": true,
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
    private const string Format = "convnet-training", OfModel = "normalization";
    private const string Sequence = "sequential";
    private const int Version = 1;

    private static readonly AttributeDeclaration s_milestones
        = AttributeDeclaration.Times<SequentialSchedule>("milestones", sequence => sequence.Milestones);

    private static readonly AttributeDeclaration s_unit
        = ScheduleAttributes.Unit<SequentialSchedule>(sequence => sequence.Unit);

    /// <summary>Writes a training.</summary>
    /// <exception cref="NotSupportedException">A part has no JSON form; the message names it.</exception>
    public static string Write(SavedTraining training, Normalization? normalization)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            WriteSpec(json, training.Spec);
            json.WriteNumber("epochs", training.Options.Epochs);
            json.WriteNumber("learningRate", training.Options.LearningRate);
            json.WritePropertyName("schedule");
            WriteSchedule(json, training.Options.Schedule);
            if (training.Options.Averaging is { } averaging)
                WriteKind(json, "averaging", averaging, averaging.Declaration);
            json.WriteBoolean("stopAtNonFiniteLoss", training.Options.StopAtNonFiniteLoss);
            if (training.Options.ClipNorm is { } norm)
                json.WriteNumber("clipNorm", norm);
            if (training.Options.ClipValue is { } value)
                json.WriteNumber("clipValue", value);
            if (training.Options.AccumulateBatches > 1)
                json.WriteNumber("accumulateBatches", training.Options.AccumulateBatches);
            WriteData(json, training, normalization);
            WriteProgress(json, training.Progress);
            if (training.Recipe is { } recipe)
                json.WriteString("recipe", recipe);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    /// <summary>Reads a training.</summary>
    /// <exception cref="InvalidDataException">The text is not a valid training; the message says where and
    /// why.</exception>
    public static SavedTraining Read(string text, string source, Normalization? normalization, TrainingKinds kinds)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, source), source);
        var json = new JsonReader(document.RootElement, source);
        json.CheckFormat(Format, Version, "a training");
        TrainingSpec spec = ReadSpec(json, source, kinds);
        json.Required("learningRate");
        var options = new TrainerOptions
        {
            Epochs = json.Int("epochs"),
            LearningRate = json.Number("learningRate", 0),
            Schedule = ReadSchedule(new JsonReader(json.Required("schedule"), $"{source}, schedule"), kinds.Schedules),
            Averaging = json.Optional("averaging") is null ? null
                : ReadKind(json, "averaging", source, kinds.Averagings),
            StopAtNonFiniteLoss = json.Flag("stopAtNonFiniteLoss", true),
            ClipNorm = json.Optional("clipNorm") is null ? null : json.Number("clipNorm", 0),
            ClipValue = json.Optional("clipValue") is null ? null : json.Number("clipValue", 0),
            AccumulateBatches = json.Optional("accumulateBatches") is null ? 1 : json.Int("accumulateBatches"),
        };
        var data = new JsonReader(json.Required("data"), $"{source}, data");
        int samples = data.Int("samples");
        string? name = data.Text("name");
        DataSplit? split = ReadSplit(data, "split", "testShare"), validation = ReadSplit(data, "validation", "share");
        var loader = new DataLoaderOptions
        {
            Seed = data.Long("seed"),
            Shuffle = data.Flag("shuffle", false),
            DropLast = data.Flag("dropLast", false),
            Transforms = ReadTransforms(data, normalization, kinds),
            BatchTransforms = [.. data.List("batchTransforms").Select((element, i)
                => ReadKind(new JsonReader(element, data.PlaceOf($"batchTransforms[{i}]")), kinds.BatchTransforms))],
            Sampler = data.Optional("sampler") is null ? null
                : ReadKind(data, "sampler", $"{source}, data", kinds.Samplers),
        };
        data.RejectOthers();
        var at = new JsonReader(json.Required("progress"), $"{source}, progress");
        TrainingProgress progress = ReadProgress(at);
        string? recipe = json.Text("recipe");
        json.RejectOthers();
        return new SavedTraining(spec, options, loader, samples, progress)
        {
            Data = name,
            Split = split,
            Validation = validation,
            Recipe = recipe,
        };
    }

    /// <summary>Writes the properties of a specification into the current object.</summary>
    public static void WriteSpec(Utf8JsonWriter json, TrainingSpec spec)
    {
        json.WriteNumber("batchSize", spec.BatchSize);
        json.WriteNumber("seed", spec.Seed);
        json.WriteBoolean("keepGradients", spec.KeepGradients);
        json.WriteBoolean("inputGradient", spec.InputGradient);
        WriteLosses(json, spec.Losses);
        WriteOptimizer(json, spec.Optimizer);
    }

    private static void WriteOptimizer(Utf8JsonWriter json, Optimizer optimizer)
    {
        var lookahead = optimizer as Lookahead;
        Optimizer inner = lookahead?.Inner ?? optimizer;
        OptimizerDeclaration declared = inner.Declaration ?? throw NoForm(inner);
        json.WriteStartObject("optimizer");
        json.WriteString("optimizer", declared.Kind);
        declared.Write(json, inner);
        if (lookahead is not null)
        {
            json.WriteStartObject("lookahead");
            foreach (AttributeDeclaration attribute in Lookahead.Attributes)
                attribute.Write(json, lookahead);
            json.WriteEndObject();
        }
        json.WriteStartArray("groups");
        foreach (ParameterGroup group in optimizer.Groups)
        {
            json.WriteStartObject();
            json.WriteStartArray("patterns");
            foreach (string pattern in group.Patterns)
                json.WriteStringValue(pattern);
            json.WriteEndArray();
            json.WriteNumber("learningRateFactor", group.LearningRateFactor);
            if (group.WeightDecay is { } decay)
                json.WriteNumber("weightDecay", decay);
            if (group.Frozen)
                json.WriteBoolean("frozen", true);
            if (group.Fallback)
                json.WriteBoolean("fallback", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes a schedule.</summary>
    public static void WriteSchedule(Utf8JsonWriter json, LearningRateSchedule schedule)
    {
        json.WriteStartObject();
        if (schedule is SequentialSchedule sequence)
        {
            json.WriteString("schedule", Sequence);
            s_milestones.Write(json, sequence);
            s_unit.Write(json, sequence);
            json.WriteStartArray("schedules");
            foreach (LearningRateSchedule each in sequence.Schedules)
                WriteSchedule(json, each);
            json.WriteEndArray();
        }
        else
        {
            Declaration<LearningRateSchedule> declared = schedule.Declaration ?? throw NoForm(schedule);
            json.WriteString("schedule", declared.Kind);
            declared.Write(json, schedule);
        }
        json.WriteEndObject();
    }

    /// <summary>Reads a schedule.</summary>
    public static LearningRateSchedule ReadSchedule(JsonReader json, KindSet<LearningRateSchedule> kinds)
    {
        LearningRateSchedule read;
        if (json.Text("schedule") == Sequence)
        {
            var milestones = (Milestones)s_milestones.Read(json)!;
            var unit = (ScheduleUnit?)s_unit.Read(json);
            LearningRateSchedule[] schedules = [.. json.List("schedules").Select((element, i)
                => ReadSchedule(new JsonReader(element, json.PlaceOf($"schedules[{i}]")), kinds))];
            read = json.Checked(() => new SequentialSchedule(schedules, milestones, unit ?? ScheduleUnit.Epochs));
        }
        else
        {
            read = kinds.Read(json);
        }
        json.RejectOthers();
        return read;
    }

    // The results of the only output are written directly, those of several in a list.
    private static void WriteProgress(Utf8JsonWriter json, TrainingProgress progress)
    {
        json.WriteStartObject("progress");
        json.WriteNumber("epoch", progress.Position.Epoch);
        json.WriteNumber("batch", progress.Position.Batch);
        json.WriteNumber("images", progress.Images);
        WriteAsText(json, "lossSum", progress.LossSum);
        if (progress.Outputs is [{ Output: null } only] && only.LossSum.Equals(progress.LossSum))
        {
            WritePredictions(json, only);
        }
        else
        {
            json.WriteStartArray("outputs");
            foreach (OutputProgress output in progress.Outputs)
            {
                json.WriteStartObject();
                if (output.Output is not null)
                    json.WriteString("output", output.Output);
                WriteAsText(json, "lossSum", output.LossSum);
                WritePredictions(json, output);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (progress.Epochs.Count > 0)
            WriteEpochs(json, progress.Epochs);
        if (progress.Averaged > 0)
            json.WriteNumber("averaged", progress.Averaged);
        json.WriteEndObject();
    }

    private static void WriteEpochs(Utf8JsonWriter json, IReadOnlyList<EpochResult> epochs)
    {
        json.WriteStartArray("epochs");
        foreach (EpochResult epoch in epochs)
        {
            json.WriteStartObject();
            WriteAsText(json, "loss", epoch.Loss);
            if (epoch.TrainAccuracy is { } trained)
                json.WriteNumber("trainAccuracy", trained);
            if (epoch.TestAccuracy is { } accuracy)
                json.WriteNumber("testAccuracy", accuracy);
            if (epoch.TestLoss is { } loss)
                WriteAsText(json, "testLoss", loss);
            json.WriteBoolean("completed", epoch.Completed);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static EpochResult ReadEpoch(JsonReader json)
    {
        var result = new EpochResult(FromText(json, "loss"), Fraction("testAccuracy"))
        {
            TrainAccuracy = Fraction("trainAccuracy"),
            TestLoss = json.Optional("testLoss") is null ? null : FromText(json, "testLoss"),
            // Files from before this was recorded were usually saved after the test.
            Completed = json.Flag("completed", true),
        };
        json.RejectOthers();
        return result;

        double? Fraction(string name) => json.Optional(name) is null ? null : json.Double(name);
    }

    private static void WritePredictions(Utf8JsonWriter json, OutputProgress output)
    {
        json.WriteNumber("predictions", output.Predictions);
        json.WriteNumber("correct", output.Correct);
    }

    private static TrainingProgress ReadProgress(JsonReader json)
    {
        int images = json.Int("images");
        double lossSum = FromText(json, "lossSum");
        // Files from before there were several outputs count one prediction for each image.
        OutputProgress[] outputs = json.Optional("outputs") is null
            ? images == 0 && json.Int("correct") == 0 ? [] : [ReadPredictions(json, lossSum, (ulong)images)]
            : [.. json.List("outputs").Select((element, i) => ReadOutput(new JsonReader(element,
                json.PlaceOf($"outputs[{i}]"))))];
        var position = new LoaderPosition(json.Int("epoch"), json.Int("batch"));
        EpochResult[] epochs = [.. json.List("epochs").Select((element, i)
            => ReadEpoch(new JsonReader(element, json.PlaceOf($"epochs[{i}]"))))];
        ulong averaged = json.Long("averaged", 0);
        json.RejectOthers();
        if (position.Epoch < 1 || position.Batch < 0 || images < 0)
            throw json.Error("\"epoch\" must be at least 1, and all other numbers at least 0.");
        return new TrainingProgress(position, images, lossSum, outputs)
        {
            Epochs = epochs,
            Averaged = (long)Math.Min(averaged, long.MaxValue),
        };
    }

    private static OutputProgress ReadOutput(JsonReader json)
    {
        string? output = json.Text("output");
        OutputProgress progress = ReadPredictions(json, FromText(json, "lossSum")) with { Output = output };
        json.RejectOthers();
        return progress;
    }

    private static OutputProgress ReadPredictions(JsonReader json, double lossSum, ulong? otherwise = null)
    {
        ulong predictions = json.Long("predictions", otherwise), correct = json.Long("correct");
        return correct <= predictions && predictions <= long.MaxValue
            ? new OutputProgress(null, lossSum, (long)predictions, (long)correct)
            : throw json.Error($"{correct} of {predictions} predictions cannot be correct.");
    }

    // A number as text, because it may be NaN if the training continues after a non-finite loss.
    private static void WriteAsText(Utf8JsonWriter json, string name, double value)
        => json.WriteString(name, value.ToString("R", CultureInfo.InvariantCulture));

    private static double FromText(JsonReader json, string name)
    {
        string? text = json.Text(name);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw json.Error($"\"{name}\" is \"{Excerpt.Of(text ?? "")}\"; it must be a number in a string.");
    }

    // The loss of a single output is written directly. Several losses are written with output name and weight.
    private static void WriteLosses(Utf8JsonWriter json, Losses losses)
    {
        if (losses is [{ Output: null, Weight: 1, Loss: var only }])
        {
            WriteKind(json, "loss", only, only.Declaration);
            return;
        }
        json.WriteStartArray("losses");
        foreach (OutputLoss of in losses)
        {
            json.WriteStartObject();
            if (of.Output is not null)
                json.WriteString("output", of.Output);
            json.WriteNumber("weight", of.Weight);
            WriteKind(json, "loss", of.Loss, of.Loss.Declaration);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static Losses ReadLosses(JsonReader json, string source, TrainingKinds kinds)
        => json.Optional("losses") is null
            ? ReadKind(json, "loss", source, kinds.Losses)
            : Losses.Of([.. json.List("losses").Select((element, i)
                => ReadLoss(new JsonReader(element, $"{source}, losses[{i}]"), $"{source}, losses[{i}]", kinds))]);

    private static OutputLoss ReadLoss(JsonReader json, string source, TrainingKinds kinds)
    {
        string? output = json.Text("output");
        float weight = json.Number("weight", 1);
        Loss loss = ReadKind(json, "loss", source, kinds.Losses);
        json.RejectOthers();
        return new OutputLoss(output, loss, weight);
    }

    /// <summary>Reads the properties of a specification.</summary>
    public static TrainingSpec ReadSpec(JsonReader json, string source, TrainingKinds kinds)
    {
        Optimizer optimizer = ReadOptimizer(new JsonReader(json.Required("optimizer"), $"{source}, optimizer"),
            kinds.Optimizers);
        int batchSize = json.Int("batchSize");
        if (batchSize < 1)
            throw json.Error($"\"batchSize\" is {batchSize}; it must be at least 1.");
        return new TrainingSpec(batchSize, ReadLosses(json, source, kinds), optimizer)
        {
            Seed = json.Long("seed"),
            KeepGradients = json.Flag("keepGradients", true),
            InputGradient = json.Flag("inputGradient", false),
        };
    }

    /// <summary>Reads an optimiser with its groups.</summary>
    public static Optimizer ReadOptimizer(JsonReader json, OptimizerSet kinds)
    {
        Optimizer optimizer = kinds.Read(json) with
        {
            Groups = [.. json.List("groups")
                .Select((element, i) => ReadGroup(new JsonReader(element, json.PlaceOf($"groups[{i}]"))))],
        };
        if (json.Optional("lookahead") is { } around)
        {
            var own = new JsonReader(around, json.PlaceOf("lookahead"));
            var values = new AttributeValues(from attribute in Lookahead.Attributes
                                             let value = attribute.Read(own)
                                             where value is not null
                                             select KeyValuePair.Create(attribute, value));
            optimizer = own.Checked(() => Lookahead.Of(optimizer, values));
            own.RejectOthers();
        }
        json.RejectOthers();
        return optimizer;
    }

    private static ParameterGroup ReadGroup(JsonReader json)
    {
        string[] patterns = json.Texts("patterns");
        float factor = json.Number("learningRateFactor", 1);
        float? decay = json.Optional("weightDecay") is null ? null : json.Number("weightDecay", 0);
        bool frozen = json.Flag("frozen", false), fallback = json.Flag("fallback", false);
        json.RejectOthers();
        return json.Checked(() => new ParameterGroup(patterns)
        {
            LearningRateFactor = factor,
            WeightDecay = decay,
            Frozen = frozen,
            Fallback = fallback,
        });
    }

    private static void WriteData(Utf8JsonWriter json, SavedTraining training, Normalization? normalization)
    {
        json.WriteStartObject("data");
        if (training.Data is not null)
            json.WriteString("name", training.Data);
        WriteSplit(json, "split", "testShare", training.Split);
        WriteSplit(json, "validation", "share", training.Validation);
        json.WriteNumber("samples", training.Samples);
        json.WriteNumber("seed", training.Loader.Seed);
        json.WriteBoolean("shuffle", training.Loader.Shuffle);
        json.WriteBoolean("dropLast", training.Loader.DropLast);
        json.WriteStartArray("transforms");
        foreach ((string? input, Transform transform) in training.Loader.Transforms)
        {
            json.WriteStartObject();
            if (input is not null)
                json.WriteString("input", input);
            bool ofModel = transform is Normalization && transform.Equals(normalization);
            Declaration<Transform>? declared = ofModel ? null : transform.Declaration ?? throw NoForm(transform);
            json.WriteString("transform", declared?.Kind ?? OfModel);
            declared?.Write(json, transform);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (training.Loader.BatchTransforms.Count > 0)
        {
            json.WriteStartArray("batchTransforms");
            foreach (BatchTransform transform in training.Loader.BatchTransforms)
                WriteObject(json, "transform", transform, transform.Declaration);
            json.WriteEndArray();
        }
        if (training.Loader.Sampler is { } sampler)
            WriteKind(json, "sampler", sampler, sampler.Declaration);
        json.WriteEndObject();
    }

    private static void WriteSplit(Utf8JsonWriter json, string name, string share, DataSplit? split)
    {
        if (split is not { } given)
            return;
        json.WriteStartObject(name);
        json.WriteNumber(share, given.TestShare);
        json.WriteNumber("seed", given.Seed);
        json.WriteEndObject();
    }

    private static DataSplit? ReadSplit(JsonReader data, string name, string share)
    {
        if (data.Optional(name) is null)
            return null;
        var json = new JsonReader(data.Required(name), data.PlaceOf(name));
        var split = new DataSplit(json.Double(share), json.Long("seed"));
        json.RejectOthers();
        return split.TestShare is > 0 and < 1 ? split
            : throw json.Error($"\"{share}\" is {split.TestShare}; it must be between 0 and 1.");
    }

    private static InputTransform[] ReadTransforms(JsonReader data, Normalization? normalization, TrainingKinds kinds)
    {
        var transforms = new List<InputTransform>();
        foreach (JsonElement element in data.List("transforms"))
        {
            var json = new JsonReader(element, data.PlaceOf($"transforms[{transforms.Count}]"));
            string? input = json.Text("input");
            Transform transform = json.Text("transform") == OfModel
                ? normalization ?? throw json.Error("the file contains no normalisation.")
                : kinds.Transforms.Read(json);
            json.RejectOthers();
            transforms.Add(new InputTransform(input, transform));
        }
        return [.. transforms];
    }

    private static void WriteKind<T>(Utf8JsonWriter json, string what, T owner, Declaration<T>? declared)
        where T : class
    {
        json.WritePropertyName(what);
        WriteObject(json, what, owner, declared);
    }

    private static void WriteObject<T>(Utf8JsonWriter json, string what, T owner, Declaration<T>? declared)
        where T : class
    {
        json.WriteStartObject();
        json.WriteString(what, (declared ?? throw NoForm(owner)).Kind);
        declared.Write(json, owner);
        json.WriteEndObject();
    }

    private static T ReadKind<T>(JsonReader json, string what, string source, KindSet<T> kinds)
        where T : class
        => ReadKind(new JsonReader(json.Required(what), $"{source}, {what}"), kinds);

    private static T ReadKind<T>(JsonReader json, KindSet<T> kinds)
        where T : class
    {
        T read = kinds.Read(json);
        json.RejectOthers();
        return read;
    }

    private static NotSupportedException NoForm(object owner) => new(
        $"A training with {owner.GetType().Name} cannot be saved, because it has no Declaration. Declare it, or save "
        + "the model without the training.");
}
