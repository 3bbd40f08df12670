using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Cli.Ranks;
using ConvNet.Cli.Train;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Mpi;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Serve;
using ConvNet.TensorBoard;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet train</c>: prints the summary of the model, trains it, and prints its test accuracy and
/// confusion matrix.</summary>
internal sealed class TrainVerb : Verb
{
    private const string DefaultModel = "digits";

    private readonly TrainDataOptions _data;
    private readonly LoopOptions _loop;
    private readonly ControlOptions _control;
    private readonly RankOptions _ranks;
    private readonly SavingOptions _saving;
    private readonly LogOptions _log;
    private readonly WatchOptions _watch;
    private readonly Option<string> _backend, _precision;
    private readonly Option<string?> _model, _recipe;
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
        "train --weights resnet18.onnx --data photos --resize 224 --save tuned.safetensors",
        "train --resume digits.safetensors --save digits.safetensors --epochs 30",
        "train --model lenet5 --checkpoint run1 --every 500steps --keep 5",
        "train --resume run1",
        "train --validation-share 0.1 --patience 5 --max-time 2h --clip-norm 1",
        "train --recipe digits.json --fast-dev-run",
        "train --log run1 --log-norms 50",
        "train --tensorboard runs/first",
        "train --data fashion-mnist --model resnet20 --flip --tta flip",
        "train --log run1 --serve 8080",
        "train --lr-find --report rates.html")
    {
        _data = new TrainDataOptions(this);
        _model = Optional<string>("--model", $"{ModelChoice.Description} Default: {DefaultModel}.", "MODEL");
        ReadsModel(_model);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _loop = new LoopOptions(this);
        _control = new ControlOptions(this);
        _recipe = Optional<string>("--recipe", "Take the options from this JSON file, as every training prints it. "
            + "Options of the command take precedence.", "FILE");
        Files.Add(_recipe, FileUse.Read, command => ValueOf(command, _recipe));
        _threads = ThreadsOption();
        _ranks = new RankOptions(this);
        _saving = new SavingOptions(this, _model);
        _log = new LogOptions(this);
        _watch = new WatchOptions(this);
        _report = ReportFiles();
    }

    /// <summary>Returns the words that the recipe of a command adds to it.</summary>
    /// <exception cref="InvalidDataException">The file is no recipe; the message says where and why.</exception>
    /// <exception cref="ArgumentException">Another option names the same file.</exception>
    public IReadOnlyList<string> WordsOfRecipe(ParseResult command)
    {
        if (command.GetValue(_recipe) is not { } file)
            return [];
        Files.Check(command);
        return Recipe.ReadFile(file, this, option => IsGiven(command, option));
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        _ranks.SetTimeout(command, terminal.Ranks?.Communicator);
        // Of several ranks, the first saves and reports.
        bool isTrial = _control.IsFastDevRun(command), isFirst = terminal.IsFirst, saves = isFirst && !isTrial;
        using CheckpointFolder? folder = saves ? terminal.ForAll(() => _saving.OpenFolder(command)) : null;
        TrainStart start = _saving.Load(command, terminal);
        TrainSetup setup = SetUp(command, terminal, start);
        if (saves)
            terminal.ForAll(() => _saving.Check(command, folder, setup.Graph, setup.Normalization, setup.Training));
        if (start.Constants.Count > 0)
            terminal.People.WriteLine($"constants of {start.File} that are not trained: "
                + $"{string.Join(", ", start.Constants.Select(name => Excerpt.Of(name)))}");
        using LivePage? page = isFirst ? terminal.ForAll(() => _watch.Open(command, terminal)) : null;
        string? logFolder = saves ? _log.FolderOf(command) : null;
        using var pictures = new TrainPictures(setup.Normalization, terminal.Cancellation);
        using TrainingLog? log = !isFirst ? null
            : terminal.ForAll(() => OpenLog(command, terminal, logFolder, setup, pictures, page));
        using TensorBoardLog? events = !saves ? null
            : terminal.ForAll(() => _log.OpenEvents(command, terminal, _saving.Resumes(command)));
        MpiCommunicator? ranks = terminal.Ranks?.Communicator;
        BackendChoice choice = BackendRegistry.Choose(command.GetValue(_backend)!,
            command.GetValue(_threads) ?? ranks?.ProcessorShare, PrecisionOf(command, _precision),
            terminal.Cancellation);
        using IBackend backend = ranks is null ? choice.Backend
            : new DataParallelBackend(choice.Backend, ranks, setup.Sharing);
        using IExecutable network = backend.Compile(setup.Graph, setup.Training.Spec);
        Fill(network, start, setup.Training.Spec.Seed);
        network.Freeze(setup.Frozen);
        TrainRun run = RunOf(command, terminal, setup, choice, network);
        pictures.Run = run;
        run.WriteHead(terminal, isResumed: start.GoesOn is not null);
        CheckpointCallback[] saving = !saves ? []
            : _saving.Callbacks(command, terminal, folder, setup.Normalization, run.Training);
        TrainingResult result = run.Train(terminal, start.Saved,
            [.. setup.Callbacks, .. ((TrainingCallback?[])[log, events]).OfType<TrainingCallback>(), .. saving]);
        run.WriteResult(terminal, result);
        Exception? failure = saving.Select(callback => callback.Failure).FirstOrDefault(error => error is not null);
        if (isTrial)
            terminal.People.WriteLine("a trial of one batch: nothing is saved");
        else if (failure is null && saving.Length > 0)
            terminal.People.WriteLine($"saved to {string.Join(" and ", ((string?[])[folder?.Path,
                _saving.SavedTo(command)]).OfType<string>())}");
        if (page is not null)
            _watch.WriteEnd(terminal, logFolder);
        return WriteDocuments(command, terminal, run, result, setup.Normalization, failure);
    }

    // Everything is checked before anything is written.
    private TrainSetup SetUp(ParseResult command, Terminal terminal, TrainStart start)
    {
        SavedTraining? goesOn = start.GoesOn;
        _saving.CheckEpochs(command, start, _loop.EpochsOf(command, goesOn?.Options.Epochs));
        _data.Check(command);
        ParseResult? resumed = goesOn?.Recipe is not { } recipe ? null
            : this.Parse(Recipe.Words(recipe, $"{start.File}, recipe", this, _ => false), AsWritten);
        TrainingCallback[] callbacks = _control.Callbacks(command, resumed);
        TrainerOptions options = _control.Add(command, _loop.Trainer(command, goesOn), goesOn?.Options);
        TrainingSpec spec = _loop.Spec(command, goesOn, _data.Mixes(command, goesOn)) with
        {
            KeepGradients = options.NeedsGradients || _log.NeedsGradients(command, _watch.IsServed(command)),
        };
        string? model = command.GetValue(_model);
        ImageSource data = _data.Open(command, terminal, model, start.Saved, goesOn, spec.Seed);
        Graph graph = GraphOf(start, model, data);
        Parameter[] frozen = _loop.ToFreeze(command, graph, start.Constants);
        TrainSets sets = _control.SetsOf(command, resumed, data, goesOn, spec);
        Normalization normalization = _data.NormalizationOf(command, start.Saved, sets.Train, data);
        DataLoader batches = _data.TrainLoader(command, sets.Train, normalization, spec, goesOn,
            IsGiven(command, _loop.Seed), terminal.Ranks?.Share ?? BatchShare.Whole);
        var training = new SavedTraining(spec, options, batches.Options, sets.Train.Count,
            goesOn?.Progress ?? TrainingProgress.Start)
        {
            Data = data.Kind == ImageSourceKind.Named ? data.Name : Path.GetFullPath(data.Name),
            Split = data.Split,
            Validation = sets.Validation,
            // A network may have more scores than the data has classes.
            ClassNames = data.ClassNames.Count == graph.Output.Shape.C ? data.ClassNames : [],
            Recipe = Recipe.Of(command, goesOn?.Recipe),
        };
        _control.CheckFindRate(command, training.Progress);
        return new TrainSetup(model ?? start.File ?? DefaultModel, data, graph, sets, normalization, batches, training,
            callbacks, frozen, _ranks.Of(command, resumed, graph));
    }

    private TrainingLog? OpenLog(ParseResult command, Terminal terminal, string? folder, TrainSetup setup,
        TrainPictures pictures, LivePage? page) => _log.Open(command, terminal, folder, new TrainingLogOptions
        {
            Continues = _saving.Resumes(command),
            Description = new RunDescription(setup.Model, setup.Data.Name)
            {
                ClassNames = setup.Data.ClassNames,
                Tested = setup.Sets.Validation is null ? "test" : "validation",
            },
            Pictures = pictures.Of,
            Glimpses = pictures.Glimpse,
            OnRecord = page is null ? null : page.Publish,
        });

    private TrainRun RunOf(ParseResult command, Terminal terminal, TrainSetup setup, BackendChoice choice,
        IExecutable network)
    {
        SavedTraining training = setup.Training;
        DataLoader test = LoaderOf(setup.Sets.Test);
        terminal.Ranks?.Agree(TrainingFacts.Of(choice.Backend.Info, network, training, setup.Batches, test));
        LearningRateTest? rates = _control.FindRate(command, network, setup.Batches, terminal.Cancellation);
        if (rates?.Suggestion is { } rate && !IsGiven(command, _loop.Rate))
            training = training with { Options = training.Options with { LearningRate = rate } };
        return new TrainRun(setup.Model, setup.Data, choice, network, training, setup.Batches,
            LoaderOf(setup.Sets.AfterEpochs), test)
        {
            Rates = rates,
            Views = _data.ViewsOf(command, test, setup.Data.MaxValue),
        };

        DataLoader LoaderOf(IDataset images)
            => _data.TestLoader(command, images, setup.Normalization, training.Spec.BatchSize,
                setup.Batches.Options.Share);
    }

    private int WriteDocuments(ParseResult command, Terminal terminal, TrainRun run, TrainingResult result,
        Normalization normalization, Exception? failure)
    {
        object document = run.Document(result);
        terminal.WriteJson(document);
        if (terminal.IsFirst)
            _report.Write(command, terminal, origin => TrainPage.Of(
                run.Report(result, _loop.Facts, normalization, terminal.Cancellation), origin, document));
        if (result.Test!.NotFinite > 0)
            return terminal.Fail(NotFiniteText.Of(run.Network, run.Test, result.Test));
        // The last attempt was made at the end.
        return failure is null ? ExitCode.Ok : throw new IOException($"The end of the training is not saved. "
            + $"{failure.Message}", failure);
    }

    private Graph GraphOf(TrainStart start, string? model, ImageSource data)
    {
        if (start.Saved is not { Graph: var saved })
            return ModelChoice.Open(model ?? DefaultModel, data.Shape, data.Classes);
        if (model is not null
            && GraphJson.Write(ModelChoice.Open(model, data.Shape, data.Classes)) != GraphJson.Write(saved))
            throw new ArgumentException($"The network in {start.File} is another one than {_model.Name} {model}. Omit "
                + $"{_model.Name}, or start a new training.");
        return saved;
    }

    private static void Fill(IExecutable network, TrainStart start, ulong seed)
    {
        if (start.GoesOn is not null)
            start.Saved!.LoadStateInto(network);
        else if (start.Saved is not null)
            start.Saved.CopyTo(network);
        else
            network.Initialize(new HeNormal((int)seed));
    }
}
