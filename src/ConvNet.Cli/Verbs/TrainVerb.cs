using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Summaries;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet train</c>: prints the summary of the model, trains it, and prints its test accuracy and
/// confusion matrix.</summary>
internal sealed class TrainVerb : Verb
{
    private const int DefaultWorkers = 1, ColourChannels = 3;
    private const string DefaultModel = "digits";

    private readonly DataOptions _data;
    private readonly Option<string> _backend, _precision;
    private readonly Option<string?> _model, _resize, _save, _load, _weights;
    private readonly Option<int> _epochs, _batch, _seed, _workers;
    private readonly Option<string[]> _freeze;
    private readonly OptimizerOptions _optimizer = new();
    private readonly ScheduleOptions _schedule = new();

    private readonly DeclaredOptions<WeightAveraging> _average = new("--average", "average-",
        WeightAveraging.BuiltIn.Declarations, kind => WeightAveraging.BuiltIn.Make(kind.Kind),
        none: "the weights are not averaged");

    private readonly AugmentationOptions _augmentation = new();
    private readonly LossOptions _loss;
    private readonly Option<int?> _threads;
    private readonly ReportOptions _report;

    public TrainVerb() : base("train", "Trains a network on images and measures its test accuracy.",
        "train",
        "train --data fashion-mnist --model lenet5 --epochs 5",
        "train --data photos --model resnet20 --resize 32 --on-bad-image skip",
        "train --report training.html",
        "train --optimizer adamw --lr 0.002 --warmup 2",
        "train --schedule step --schedule-size 5 --average ema",
        "train --data fashion-mnist --flip --crop 2",
        "train --data photos --augment randomresizedcrop --augment alternatingflip --cutmix 1",
        "train --data photos --sampler balanced --augment colorjitter:brightness=0.4",
        "train --loss softmax --loss-option labelSmoothing=0.1",
        "train --backend auto",
        "train --backend managed --loss svm --lr 0.01 --save digits.safetensors",
        "train --weights digits.safetensors --freeze 'conv*' --lr 0.002 --save tuned.safetensors",
        "train --load digits.safetensors --save digits.safetensors --epochs 30")
    {
        _data = ReadsData();
        _resize = Optional<string>("--resize", "Size of the images of a folder: 32, 32x48 (rows and columns), or "
            + "1x32x48 in grey and 3x32x48 in colour. They are scaled until they cover it, and the middle is taken. "
            + "Default: the size that the network was made for.", "SIZE");
        _model = Optional<string>("--model", $"{ModelChoice.Description} Default: {DefaultModel}.", "MODEL");
        ReadsModel(_model);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _loss = new LossOptions(Loss.BuiltIn.Declarations.Where(kind
            => Loss.BuiltIn.Make(kind.Kind).Takes == TargetKind.Classes), "", Loss.BuiltIn.Declarations[0].Kind);
        foreach (Option option in _loss.All)
            Add(option);
        _epochs = Number("--epochs", "Number of epochs, including those that --load has already completed.", 15,
            NumberRanges.FromOne, "N");
        _batch = Number("--batch", "Batch size.", 32, NumberRanges.FromOne, "N");
        foreach (Option option in _optimizer.All)
            Add(option);
        _freeze = Several("--freeze", "Parameters that are not trained, as conv1.weight or 'conv1.*' (* stands for any "
            + "characters, ? for one). A layer of such parameters alone runs as in inference. A resumed training "
            + "keeps its frozen parameters.", "PATTERN");
        foreach (Option option in _schedule.All.Append(_average.Kind).Concat(_average.Attributes))
            Add(option);
        foreach (Option option in _augmentation.All)
            Add(option);
        _seed = Number("--seed", "Seed of the initial weights, the selection and order of the images, their random "
            + "transforms, and dropout.", 1, NumberRanges.Any, "N");
        _workers = Number("--workers", "Number of threads that prepare batches ahead. The batches do not depend on it.",
            DefaultWorkers, NumberRanges.Whole(0, NumberRanges.MostThreads), "N");
        _threads = ThreadsOption();
        _save = Written("--save", "Save the model and the state of the training to this safetensors file after "
            + "every epoch and on interruption. The file of --load or --weights is replaced completely or not at all.");
        _load = Optional<string>("--load", "Resume a saved training with its data, options and state. Options "
            + "of the command take precedence.", "FILE");
        _weights = Optional<string>("--weights", "Start a new training with the weights of a saved model.", "FILE");
        foreach (Option<string?> file in (Option<string?>[])[_load, _weights])
        {
            Files.Add(file, FileUse.Read, command => ValueOf(command, file));
            Files.AllowReplacement(_save, file);
        }
        _report = ReportFiles();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string? save = command.GetValue(_save), model = command.GetValue(_model);
        (string? file, SavedModel? saved, SavedTraining? goesOn) = Loaded(command);
        _augmentation.Check(command);
        TrainingSpec spec = Spec(command, goesOn);
        ImageSource data = Data(command, terminal, saved, goesOn, spec.Seed);
        Graph graph = saved?.Graph ?? ModelChoice.Open(model ?? DefaultModel, data.Shape, data.Classes);
        Parameter[] freeze = ToFreeze(command, graph);
        Normalization normalization = _augmentation.NormalizationOf(command, saved?.Normalization, data.Train,
            data.MaxValue);
        normalization.CheckFor(data.Shape, data.MaxValue);
        DataLoader train = TrainLoader(command, data.Train, normalization, spec, goesOn),
            test = TestLoader(data.Test, normalization, spec.BatchSize, command.GetValue(_workers));
        var training = new SavedTraining(spec, Training(command, goesOn), train.Options, data.Train.Count,
            goesOn?.Progress ?? TrainingProgress.Start)
        {
            Data = data.Kind == ImageSourceKind.Named ? data.Name : Path.GetFullPath(data.Name),
            Split = data.Split,
        };
        if (save is not null)
            SavedModel.CheckPath(save, graph, normalization, training);
        BackendChoice choice = BackendRegistry.Choose(command.GetValue(_backend)!, command.GetValue(_threads),
            PrecisionOf(command, _precision), terminal.Cancellation);
        using IBackend backend = choice.Backend;
        using IExecutable network = backend.Compile(graph, spec);
        if (goesOn is not null)
            saved!.LoadStateInto(network);
        else if (saved is not null)
            saved.CopyTo(network);
        else
            network.Initialize(new HeNormal((int)spec.Seed));
        network.Freeze(freeze);
        string[] frozen = [.. graph.Parameters.Where(network.IsFrozen).Select(p => p.Name)];

        string name = model ?? file ?? DefaultModel;
        terminal.People.WriteLine($"{name} on {data.Name}: {data.Train.Count:N0} images of {data.Shape} to "
            + $"train, {data.Test.Count:N0} to test");
        terminal.People.WriteLine($"{BackendText.Of(backend.Info)}, seed {(int)spec.Seed}");
        if (goesOn is not null)
            terminal.People.WriteLine($"resuming at epoch {training.Progress.Position.Epoch} of "
                + $"{training.Options.Epochs}, batch {training.Progress.Position.Batch + 1:N0} of "
                + $"{train.BatchCount:N0}");
        if (frozen.Length > 0)
            terminal.People.WriteLine($"frozen: {string.Join(", ", frozen)}");
        BackendText.WriteChoice(terminal, choice);
        ModelSummary summary = ModelSummary.Of(graph);
        Tables.Write(terminal.People, summary);
        var losses = new List<double>();
        TrainingResult result = Train(terminal, network, training, train, test, losses,
            averages =>
            {
                if (training.Progress.Averaged > 0)
                    saved!.LoadAveragesInto(averages);
            },
            (progress, averages) =>
            {
                if (save is null)
                    return;
                SavedModel.Save(save, network, normalization, training: training with { Progress = progress },
                    averages: averages);
                terminal.Wrote(save);
            });
        terminal.People.WriteLine(TrainProgress.StallText(result, train.Options.Workers));
        terminal.People.Write(Tables.Of(result.Test!, data.ClassNames));
        terminal.People.WriteLine($"test accuracy {result.Test!.Accuracy:0.00%} ({result.Test.Correct:N0} of "
            + $"{result.Test.Count:N0})");
        if (result.Averaged is { } averaged)
            terminal.People.WriteLine($"averaged weights: test accuracy {averaged.Accuracy:0.00%} "
                + $"({averaged.Correct:N0} of {averaged.Count:N0})");
        if (save is not null)
            terminal.People.WriteLine($"saved to {save}");
        var document = new
        {
            model = name,
            data = data.Name,
            skippedImages = DataOptions.SkippedOf(data),
            backend = choice.Name,
            candidates = choice.Trials,
            choice.SelfTest,
            precision = BackendText.Words(backend.Info.Precision),
            threads = backend.Info.Threads,
            seed = (int)spec.Seed,
            augment = AugmentationOptions.Texts(train.Options),
            mixing = train.Options.BatchTransforms.Select(each => DeclaredText.TextOf(each, each.Declaration!)),
            sampler = AugmentationOptions.SamplerText(train.Options),
            parameters = graph.ParameterCount,
            frozen,
            epochs = result.Epochs.Select(
                e => new
                {
                    e.Loss,
                    e.TrainAccuracy,
                    e.TestAccuracy,
                    e.Seconds,
                    e.ImagesPerSecond,
                    e.Stalls,
                    e.StallSeconds
                }),
            testAccuracy = result.Test.Accuracy,
            averagedTestAccuracy = result.Averaged?.Accuracy,
            notFinite = result.Test.NotFinite,
        };
        terminal.WriteJson(document);
        _report.Write(command, terminal, origin
            => TrainPage.Of(new TrainingRun(name, data.Name, Settings(training, backend.Info, choice.SelfTest, frozen),
                summary,
                result, losses)
            {
                StepsOfAnEpoch = train.BatchCount,
            }, origin, document));
        return result.Test.NotFinite == 0 ? ExitCode.Ok : terminal.Fail(NotFiniteText.Of(network, test, result.Test));
    }

    private ImageSource Data(ParseResult command, Terminal terminal, SavedModel? saved, SavedTraining? goesOn,
        ulong seed)
    {
        string name = goesOn?.Data is { } before && !IsGiven(command, _data.Data) ? before
            : command.GetValue(_data.Data)!;
        string? model = command.GetValue(_model), resize = command.GetValue(_resize);
        Shape? shape = saved is not null ? ModelChoice.InputOf(saved.Graph)
            : model is not null ? ModelChoice.InputOf(model) : null;
        if (resize is not null)
        {
            if (ImageSource.KindOf(name) != ImageSourceKind.Images)
                throw new ArgumentException($"{_resize.Name} is for folders of images, which {name} is not. Omit it.");
            Shape size = DataOptions.ParseSize(resize, shape?.C ?? ColourChannels);
            if (saved is not null && size != shape)
                throw new ArgumentException($"{_resize.Name} {resize} makes images of {size}, but the saved network "
                    + $"reads {shape}. Omit it.");
            shape = size;
        }
        return _data.Open(command, terminal, name, shape, saved?.Training?.Split, seed);
    }

    // Saves after every epoch, at the end, and when the training is interrupted between two steps.
    private static TrainingResult Train(Terminal terminal, IExecutable network, SavedTraining training,
        DataLoader train, DataLoader test, List<double> losses, Action<AveragedWeights> load,
        Action<TrainingProgress, AveragedWeights?> save)
        => TrainProgress.Show(terminal, training.Options, options =>
        {
            Trainer? trainer = null;
            trainer = new Trainer(network, options with
            {
                OnStep = step =>
                {
                    losses.Add(step.BatchLoss);
                    options.OnStep?.Invoke(step);
                },
                OnEpoch = epoch =>
                {
                    save(trainer!.Progress, trainer.Averages);
                    options.OnEpoch?.Invoke(epoch);
                },
            });
            if (trainer.Averages is not null)
                load(trainer.Averages);
            try
            {
                TrainingResult result = trainer.Train(train, test, training.Progress, terminal.Cancellation);
                if (trainer.Averages is { Count: > 0, Averaging.ReestimatesStatistics: true })
                    save(trainer.Progress, trainer.Averages);
                return result;
            }
            catch (OperationCanceledException)
            {
                if (losses.Count > 0)
                    save(trainer.Progress, trainer.Averages);
                throw;
            }
        });

    private (string? File, SavedModel? Saved, SavedTraining? GoesOn) Loaded(ParseResult command)
    {
        string? load = command.GetValue(_load), weights = command.GetValue(_weights);
        if (load is not null && weights is not null)
            throw new ArgumentException("--load resumes a training and --weights starts a new one. Use one of "
                + "them.");
        if ((load ?? weights) is not { } file)
            return default;
        string option = load is null ? _weights.Name : _load.Name;
        if (command.GetValue(_model) is not null)
            throw new ArgumentException($"The file of {option} contains the network. Omit --model.");
        SavedModel saved = SavedModel.Load(file);
        if (load is null)
            return (file, saved, null);
        SavedTraining goesOn = saved.Training ?? throw new InvalidDataException(
            $"{file} contains a model but no training to resume. To start a new one, use --weights {file}.");
        int epochs = Value(command, _epochs, goesOn.Options.Epochs);
        return goesOn.Progress.Position.Epoch <= epochs
            ? (file, saved, goesOn)
            : throw new ArgumentException($"The training in {file} has completed {goesOn.Progress.Position.Epoch - 1} "
                + "of "
                + $"its {epochs} epochs. To continue, use --epochs {goesOn.Progress.Position.Epoch} or more. To start "
                + $"a new training, use --weights {file}.");
    }

    private Parameter[] ToFreeze(ParseResult command, Graph graph)
    {
        Parameter[] named = ParameterGroup.TrainableIn(graph, command.GetValue(_freeze)!);
        return named.Length == 0 || graph.Parameters.Any(p => p.Trainable && !named.Contains(p))
            ? named
            : throw new ArgumentException($"{_freeze.Name} names every parameter of the network, so that nothing is "
                + "left to train. Name fewer.");
    }

    private Fact[] Settings(SavedTraining training, BackendInfo backend, SelfTestResult test, string[] frozen) =>
    [
        new("Backend", $"{backend.Name} {backend.Version} ({backend.Isa}, {BackendText.Words(backend.Precision)})"),
        new("Self-test", test.Finding),
        new("Threads", $"{backend.Threads}"),
        new(_loss.Name, LossOptions.TextOf(training.Spec.Losses[0].Loss)),
        new(_epochs.Name, $"{training.Options.Epochs}"),
        new(_batch.Name, $"{training.Spec.BatchSize}"),
        new(_seed.Name, $"{(int)training.Spec.Seed}"),
        new(_freeze.Name, frozen.Length == 0 ? "none" : string.Join(", ", frozen)),
        .. AugmentationOptions.Facts(training.Loader).Select(fact => new Fact(fact.Name, fact.Value)),
        .. _optimizer.Facts(training.Spec.Optimizer, training.Options.LearningRate)
            .Concat(_schedule.Facts(training.Options.Schedule))
            .Concat(training.Options.Averaging is { Declaration: { } kind } averaging
                ? _average.Facts(averaging, kind) : [])
            .Select(fact => new Fact(fact.Name, fact.Value)),
    ];

    private TrainingSpec Spec(ParseResult command, SavedTraining? goesOn) => new(
        Value(command, _batch, goesOn?.Spec.BatchSize),
        LossOf(command, goesOn),
        _optimizer.Of(command, goesOn?.Spec.Optimizer))
    {
        KeepGradients = false,
        Seed = Seed(command, goesOn),
    };

    private Loss LossOf(ParseResult command, SavedTraining? goesOn)
    {
        Loss usual = goesOn?.Spec.Losses[0].Loss ?? Loss.BuiltIn.Make(Loss.BuiltIn.Declarations[0].Kind);
        return AugmentationOptions.LossOf(_loss.Of(command, usual) ?? usual,
            _augmentation.Mixes(command, goesOn?.Loader));
    }

    private DataLoader TrainLoader(ParseResult command, IDataset images, Normalization normalization,
        TrainingSpec spec, SavedTraining? goesOn)
    {
        DataLoaderOptions options = _augmentation.Of(command, goesOn?.Loader, images, normalization);
        var loader = new DataLoader(images, spec.BatchSize, options with
        {
            Seed = goesOn is null || IsGiven(command, _seed) ? spec.Seed : options.Seed,
            Workers = command.GetValue(_workers),
        });
        goesOn?.CheckFor(loader);
        return loader;
    }

    private TrainerOptions Training(ParseResult command, SavedTraining? goesOn) => new()
    {
        Epochs = Value(command, _epochs, goesOn?.Options.Epochs),
        LearningRate = _optimizer.LearningRate(command, goesOn?.Options.LearningRate),
        Schedule = _schedule.Of(command, goesOn?.Options.Schedule),
        Averaging = Averaging(command, goesOn),
        StopAtNonFiniteLoss = goesOn?.Options.StopAtNonFiniteLoss ?? true,
    };

    // A resumed training keeps its averaging, because the averages so far are those of its options.
    private WeightAveraging? Averaging(ParseResult command, SavedTraining? goesOn)
    {
        if (goesOn is not null && !_average.IsGiven(command))
            return goesOn.Options.Averaging;
        Declaration<WeightAveraging>? kind = _average.KindOf(command);
        if (kind is null)
            _average.CheckNone(command);
        WeightAveraging? averaging = kind is null ? null : _average.Of(command, null, kind);
        return goesOn is null || averaging == goesOn.Options.Averaging ? averaging : throw new ArgumentException(
            $"The saved training has another averaging than {_average.Kind.Name} and its options. Omit them, or start "
            + "a new training with --weights.");
    }

    private ulong Seed(ParseResult command, SavedTraining? goesOn) => goesOn is null || IsGiven(command, _seed)
        ? unchecked((ulong)command.GetValue(_seed)) : goesOn.Spec.Seed;

    private Option<string> Kind<T>(string name, IEnumerable<Declaration<T>> kinds)
        where T : class
        => Choice(name, $"{string.Join("; ", kinds.Select(kind => $"{kind.Kind}: {kind.Summary}"))}.",
            kinds.First().Kind, [.. kinds.Select(kind => kind.Kind)]);

    private static bool IsGiven(ParseResult command, Option option) => command.GetResult(option) is { Implicit: false };

    // Returns the given value, that of the resumed training, or the default.
    private static int Value(ParseResult command, Option<int> option, int? goesOn)
        => goesOn is { } own && !IsGiven(command, option) ? own : command.GetValue(option);
}
