using System.CommandLine;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Summaries;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet train</c>: the model's summary, the training, the test accuracy with its confusion
/// matrix.</summary>
internal sealed class TrainVerb : Verb
{
    private const string Softmax = "softmax", Svm = "svm", Cosine = "cosine", Constant = "constant";

    private const int DefaultWorkers = 1;

    private readonly Option<string> _data, _backend, _precision, _loss, _schedule;
    private readonly Option<string?> _model, _save, _load;
    private readonly Option<int> _epochs, _batch, _seed, _crop, _workers;
    private readonly Option<bool> _flip;
    private readonly OptimizerOptions _optimizer = new();
    private readonly Option<int?> _threads;
    private readonly ReportOptions _report;

    public TrainVerb() : base("train", "Trains a network on images and tests it.",
        "train",
        "train --data fashion-mnist --model lenet5 --epochs 5",
        "train --report training.html",
        "train --optimizer adamw --lr 0.002",
        "train --data fashion-mnist --flip --crop 2",
        "train --backend auto",
        "train --backend managed --loss svm --lr 0.01 --save digits.safetensors")
    {
        _data = DataOption();
        _model = Optional<string>("--model", $"{ModelChoice.Description} digits unless given.", "MODEL");
        ReadsModel(_model);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _loss = Choice("--loss", "softmax (cross-entropy) or svm (multi-class hinge).", Softmax, Softmax, Svm);
        _epochs = Number("--epochs", "Passes over the training images.", 15, NumberRanges.FromOne, "N");
        _batch = Number("--batch", "Images per step.", 32, NumberRanges.FromOne, "N");
        foreach (Option option in _optimizer.All)
            Add(option);
        _schedule = Choice("--schedule", "cosine (the rate falls to 0 along half a cosine) or constant.", Cosine,
            Cosine, Constant);
        _flip = Flag("--flip", "Mirror half of the training images, left to right; others in every epoch.");
        _crop = Number("--crop", "Shift every training image at random by up to N pixels, zeros coming in.", 0,
            NumberRanges.Whole(0, ushort.MaxValue), "N");
        _seed = Number("--seed", "Seed of the initial weights, of the order of the images, of --flip and --crop, and "
            + "of dropout.", 1, NumberRanges.Any, "N");
        _workers = Number("--workers", "Threads that prepare batches ahead; the batches are the same for any number.",
            DefaultWorkers, NumberRanges.Whole(0, NumberRanges.MostThreads), "N");
        _threads = ThreadsOption();
        _save = Written("--save",
            "Save the trained model here, as safetensors; it may be the file of --load, which is replaced as a whole.");
        _load = Optional<string>("--load", "Train a saved model on instead of a new one.", "FILE");
        Files.Add(_load, FileUse.Read, command => ValueOf(command, _load));
        Files.AllowReplacement(_save, _load);
        _report = ReportFiles();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string? save = command.GetValue(_save), load = command.GetValue(_load), model = command.GetValue(_model);
        if (load is not null && model is not null)
            throw new ArgumentException("--load brings its own network; leave --model out.");
        TrainingSpec spec = Spec(command);
        SavedModel? saved = load is null ? null : SavedModel.Load(load);
        var data = ImageData.Open(command.GetValue(_data)!);
        Graph graph = saved?.Graph ?? ModelChoice.Open(model ?? "digits", data.Train.Shape, data.Classes);
        if (save is not null)
            SavedModel.CheckPath(save, graph);
        Normalization normalization = saved?.Normalization ?? Normalization.Of(data.Train);
        normalization.CheckFor(data.Train);
        DataLoader train = TrainLoader(command, data.Train, normalization),
            test = TestLoader(data.Test, normalization, command.GetValue(_batch), command.GetValue(_workers));
        int seed = command.GetValue(_seed);
        BackendChoice choice = BackendCatalog.Choose(command.GetValue(_backend)!, command.GetValue(_threads),
            PrecisionOf(command, _precision), terminal.Cancellation);
        using IBackend backend = choice.Backend;
        using IExecutable network = backend.Compile(graph, spec);
        if (saved is null)
            network.Initialize(new HeNormal(seed));
        else
            saved.CopyTo(network);

        string name = model ?? load ?? "digits";
        terminal.People.WriteLine($"{name} on {data.Name}: {data.Train.Count:N0} images of {data.Train.Shape} to "
            + $"train, {data.Test.Count:N0} to test");
        terminal.People.WriteLine($"{BackendText.Of(backend.Info)}, seed {seed}");
        BackendText.WriteChoice(terminal, choice);
        ModelSummary summary = ModelSummary.Of(graph);
        Tables.Write(terminal.People, summary);
        var losses = new List<double>();
        TrainingResult result = TrainProgress.Show(terminal, Training(command), options =>
            new Trainer(network, Recording(options, losses))
                .Train(train, test, cancellation: terminal.Cancellation));
        terminal.People.Write(Tables.Of(result.Test!));
        terminal.People.WriteLine($"test accuracy {result.Test!.Accuracy:0.00%} ({result.Test.Correct:N0} of "
            + $"{result.Test.Count:N0})");
        if (save is not null)
        {
            SavedModel.Save(save, network, normalization);
            terminal.Wrote(save);
            terminal.People.WriteLine($"saved to {save}");
        }
        var document = new
        {
            model = name,
            data = data.Name,
            backend = choice.Name,
            candidates = choice.Trials,
            choice.SelfTest,
            precision = BackendText.Words(backend.Info.Precision),
            threads = backend.Info.Threads,
            seed,
            parameters = graph.ParameterCount,
            epochs = result.Epochs.Select(
                e => new { e.Loss, e.TrainAccuracy, e.TestAccuracy, e.Seconds, e.ImagesPerSecond }),
            testAccuracy = result.Test.Accuracy,
            notFinite = result.Test.NotFinite,
        };
        terminal.WriteJson(document);
        _report.Write(command, terminal, origin
            => TrainPage.Of(new TrainingRun(name, data.Name, Settings(command, backend.Info, choice.SelfTest), summary,
            result, losses), origin, document));
        return result.Test.NotFinite == 0 ? App.Ok : terminal.Fail(NotFiniteText.Of(network, test, result.Test));
    }

    private static TrainerOptions Recording(TrainerOptions options, List<double> losses) => options with
    {
        OnStep = step =>
        {
            losses.Add(step.BatchLoss);
            options.OnStep?.Invoke(step);
        },
    };

    private Fact[] Settings(ParseResult command, BackendInfo backend, SelfTestResult test) =>
    [
        new("Backend", $"{backend.Name} {backend.Version} ({backend.Isa}, {BackendText.Words(backend.Precision)})"),
        new("Self-test", test.Finding),
        new("Threads", $"{backend.Threads}"),
        .. ((Option[])[_loss, _epochs, _batch, _schedule, _flip, _crop, _seed])
            .Select(option => new Fact(option.Name, $"{command.GetResult(option)!.GetValueOrDefault<object>()}")),
        .. OptimizerOptions.Facts(_optimizer.Of(command), _optimizer.LearningRate(command))
            .Select(fact => new Fact(fact.Name, fact.Value)),
    ];

    private TrainingSpec Spec(ParseResult command) => new(
        command.GetValue(_batch),
        command.GetValue(_loss) == Svm ? new MulticlassSvm() : new SoftmaxCrossEntropy(),
        _optimizer.Of(command))
    {
        KeepGradients = false,
        Seed = Seed(command),
    };

    private DataLoader TrainLoader(ParseResult command, PixelSet images, Normalization normalization)
    {
        int crop = command.GetValue(_crop);
        Transform[] augmentation =
        [
            .. command.GetValue(_flip) ? (Transform[])[new RandomHorizontalFlip()] : [],
            .. crop > 0 ? (Transform[])[new RandomCrop((images.Shape.H, images.Shape.W), crop)] : [],
        ];
        return new DataLoader(images, command.GetValue(_batch), new DataLoaderOptions
        {
            Shuffle = true,
            Seed = Seed(command),
            Transforms = [.. augmentation, normalization],
            Workers = command.GetValue(_workers),
        });
    }

    private TrainerOptions Training(ParseResult command) => new()
    {
        Epochs = command.GetValue(_epochs),
        LearningRate = _optimizer.LearningRate(command),
        Schedule = command.GetValue(_schedule) == Cosine ? new CosineSchedule() : new ConstantSchedule(),
    };

    private ulong Seed(ParseResult command) => unchecked((ulong)command.GetValue(_seed));
}
