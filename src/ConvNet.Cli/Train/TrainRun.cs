using System.Text.Json.Nodes;
using ConvNet.Backends;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Mpi;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Summaries;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Train;

/// <summary>A training of the command line: its output for people and programs.</summary>
/// <param name="Name">The name of the network.</param>
/// <param name="Data">The data.</param>
/// <param name="Choice">The backend.</param>
/// <param name="Network">The executable, with its initial weights.</param>
/// <param name="Training">The training and where it begins.</param>
/// <param name="Batches">The loader of the training images.</param>
/// <param name="Held">The loader of the images that are tested after every epoch.</param>
/// <param name="Test">The loader of the test images.</param>
internal sealed record TrainRun(string Name, ImageSource Data, BackendChoice Choice, IExecutable Network,
    SavedTraining Training, DataLoader Batches, DataLoader Held, DataLoader Test)
{
    private readonly List<double> _losses = [];
    private readonly ModelSummary _summary = ModelSummary.Of(Network.Graph);
    private readonly string[] _frozen = [.. Network.Graph.Parameters.Where(Network.IsFrozen).Select(p => p.Name)];

    /// <summary>The learning-rate range test; null if there was none.</summary>
    public LearningRateTest? Rates { get; init; }

    /// <summary>The views in which the test images are tested at the end; empty for one.</summary>
    public IReadOnlyList<DataLoader> Views { get; init; } = [];

    private TrainingProgress _progress = Training.Progress;
    private Evaluation? _validated, _viewed, _averagedViewed;

    private bool Validates => Training.Validation is not null;

    private int Ranks => Batches.Options.Share.Ranks;

    // What is exchanged with other ranks.
    private SharedPass? Pass => (Network as DataParallel)?.Pass;

    private int Seed => (int)Training.Spec.Seed;

    /// <summary>Describes the training before it begins.</summary>
    /// <param name="terminal">The terminal.</param>
    /// <param name="isResumed">Whether the training resumes a saved one.</param>
    public void WriteHead(Terminal terminal, bool isResumed)
    {
        terminal.People.WriteLine($"{Name} on {Data.Name}: {Batches.Dataset.Count:N0} images of {Data.Shape} to "
            + $"train, {(Validates ? $"{Held.Dataset.Count:N0} to validate, " : "")}{Test.Dataset.Count:N0} to test");
        if (Training.Recipe is not null)
            terminal.People.WriteLine($"recipe: {Training.Recipe}");
        string ranks = Ranks == 1 ? "" : $" on each of {Ranks} ranks";
        terminal.People.WriteLine($"{BackendText.Of(Choice.Backend.Info)}{ranks}, seed {Seed}");
        LoaderPosition next = Training.Progress.Position;
        if (isResumed)
            terminal.People.WriteLine(next.Epoch > Training.Options.Epochs
                ? $"all {Training.Options.Epochs} epochs are complete; for more, use --epochs {next.Epoch} or more"
                : $"resuming at epoch {next.Epoch} of {Training.Options.Epochs}, batch {next.Batch + 1:N0} of "
                    + $"{Batches.BatchCount:N0}");
        if (Rates is { } rates)
            terminal.People.WriteLine(FormattableString.Invariant(
                $"learning-rate test of {rates.Points.Count} steps: {(rates.Suggestion is { } rate
                    ? FormattableString.Invariant($"suggests {rate:G3}") : "the loss never falls")}; ")
                + FormattableString.Invariant($"training with {Training.Options.LearningRate:G3}"));
        if (_frozen.Length > 0)
            terminal.People.WriteLine($"frozen: {string.Join(", ", _frozen)}");
        BackendText.WriteChoice(terminal, Choice);
        Tables.Write(terminal.People, _summary);
    }

    /// <summary>Trains the network and shows the progress.</summary>
    /// <param name="terminal">The terminal.</param>
    /// <param name="saved">The saved model with the averages of the resumed training; null for a new network.</param>
    /// <param name="callbacks">What follows the training.</param>
    public TrainingResult Train(Terminal terminal, SavedModel? saved, IEnumerable<TrainingCallback> callbacks)
        => TrainProgress.Show(terminal, Training.Options, Validates ? "validation" : "test", options =>
        {
            var trainer = new Trainer(Network, options with
            {
                OnStep = step =>
                {
                    _losses.Add(step.BatchLoss);
                    options.OnStep?.Invoke(step);
                },
                Callbacks = [.. callbacks],
            });
            if (trainer.Averages is not null && Training.Progress.Averaged > 0)
                saved!.LoadAveragesInto(trainer.Averages);
            TrainingResult result = trainer.Train(Batches, Held, Training.Progress, terminal.Cancellation);
            _progress = trainer.Progress;
            if (Views.Count > 0)
            {
                _viewed = Evaluation.Of(Network, Views, terminal.Cancellation);
                // The statistics of the averages have been estimated anew, if they had to be.
                _averagedViewed = result.Averaged is null ? null
                    : trainer.Averages!.Evaluate(Views, cancellation: terminal.Cancellation);
            }
            if (!Validates)
                return result;
            _validated = result.Test;
            return result with
            {
                Test = Evaluation.Of(Network, Test, terminal.Cancellation),
                Averaged = result.Averaged is null ? null
                    : trainer.Averages!.Evaluate(Test, cancellation: terminal.Cancellation),
            };
        });

    /// <summary>Writes the confusion matrix and the accuracy.</summary>
    public void WriteResult(Terminal terminal, TrainingResult result)
    {
        Evaluation test = result.Test!;
        if (result.Stopped is { } reason)
            terminal.People.WriteLine($"stopped: {reason}");
        terminal.People.WriteLine(TrainProgress.StallText(result, Batches.Options.Workers));
        if (Ranks > 1)
            terminal.People.WriteLine(FormattableString.Invariant(
                $"gradients were added up for {Pass!.Communicated.TotalSeconds:F2} s, of which ")
                + FormattableString.Invariant($"{Pass.Hidden:0%} were hidden behind the backward pass"));
        terminal.People.Write(Tables.Of(test, Data.ClassNames));
        terminal.People.Write(Tables.Of((ClassEvaluation)test.Outputs[0], Data.ClassNames));
        Write("validation", _validated);
        Write("test", test);
        Write($"in {Views.Count} views: test", _viewed);
        Write("averaged weights: test", result.Averaged);
        Write($"averaged weights, in {Views.Count} views: test", _averagedViewed);

        void Write(string what, Evaluation? evaluation)
        {
            if (evaluation is not null)
                terminal.People.WriteLine($"{what} accuracy {evaluation.Accuracy:0.00%} ({evaluation.Correct:N0} of "
                    + $"{evaluation.Count:N0})");
        }
    }

    /// <summary>Returns the document of <c>--json</c>.</summary>
    public object Document(TrainingResult result) => new
    {
        model = Name,
        data = Data.Name,
        skippedImages = DataOptions.SkippedOf(Data),
        backend = Choice.Name,
        candidates = Choice.Trials,
        Choice.SelfTest,
        precision = BackendText.Words(Choice.Backend.Info.Precision),
        threads = Choice.Backend.Info.Threads,
        ranks = Ranks,
        allReduce = Ranks == 1 ? null : new
        {
            seconds = Pass!.Communicated.TotalSeconds,
            hiddenShare = Pass.Hidden,
            bucketBytes = Pass.BucketBytes,
        },
        seed = Seed,
        augment = AugmentationOptions.Texts(Batches.Options),
        mixing = Batches.Options.BatchTransforms.Select(each => DeclaredText.TextOf(each, each.Declaration!)),
        sampler = AugmentationOptions.SamplerText(Batches.Options),
        parameters = Network.Graph.ParameterCount,
        frozen = _frozen,
        epochs = result.Epochs.Select(e => new
        {
            e.Loss,
            e.TrainAccuracy,
            TestAccuracy = Validates ? null : e.TestAccuracy,
            ValidationAccuracy = Validates ? e.TestAccuracy : null,
            TestLoss = e.TestLoss is { } loss && double.IsFinite(loss) ? (double?)loss : null,
            e.Seconds,
            e.ImagesPerSecond,
            e.Stalls,
            e.StallSeconds,
        }),
        learningRate = Training.Options.LearningRate,
        learningRateTest = Rates is null ? null : new
        {
            Rates.Suggestion,
            points = Rates.Points.Select(point => new { point.LearningRate, point.Loss, point.Smoothed }),
        },
        bestEpoch = BestEpoch,
        stopped = result.Stopped,
        recipe = JsonNode.Parse(Training.Recipe ?? "null"),
        validationAccuracy = _validated?.Accuracy,
        testAccuracy = result.Test!.Accuracy,
        averagedTestAccuracy = result.Averaged?.Accuracy,
        viewedTestAccuracy = _viewed?.Accuracy,
        averagedViewedTestAccuracy = _averagedViewed?.Accuracy,
        metrics = Tables.MetricsOf(result.Test, Data.ClassNames),
        notFinite = result.Test.NotFinite,
    };

    // The first of the epochs with the highest accuracy.
    private int? BestEpoch => _progress.Epochs.Index().Where(epoch => epoch.Item.TestAccuracy is not null)
        .OrderByDescending(epoch => epoch.Item.TestAccuracy).Select(epoch => (int?)(epoch.Index + 1)).FirstOrDefault();

    /// <summary>Returns what the report page shows.</summary>
    /// <param name="result">The result.</param>
    /// <param name="factsOf">Returns the options of the loop.</param>
    /// <param name="normalization">The normalisation of the images.</param>
    /// <param name="cancellation">Cancels the work between two passes.</param>
    public TrainingRun Report(TrainingResult result,
        Func<SavedTraining, IReadOnlyList<string>, IEnumerable<(string Name, string Value)>> factsOf,
        Normalization normalization, CancellationToken cancellation)
    {
        BackendInfo backend = Choice.Backend.Info;
        Fact[] settings =
        [
            new("Backend", $"{backend.Name} {backend.Version} ({backend.Isa}, {BackendText.Words(backend.Precision)})"),
            new("Self-test", Choice.SelfTest.Finding),
            new("Threads", $"{backend.Threads}"),
            .. factsOf(Training, _frozen).Select(fact => new Fact(fact.Name, fact.Value)),
            .. AugmentationOptions.Facts(Training.Loader).Select(fact => new Fact(fact.Name, fact.Value)),
        ];
        return new TrainingRun(Name, Data.Name, settings, _summary, result, _losses)
        {
            StepsOfAnEpoch = Batches.BatchCount,
            Rates = Rates,
            View = result.Test is { NotFinite: 0 } ? View(normalization, cancellation) : null,
        };
    }

    // What the network computes from the first test image, with the algorithms that show what a unit sees.
    private NetworkView View(Normalization normalization, CancellationToken cancellation)
    {
        const int Batch = 16;
        using IBackend backend = AccurateBackend();
        using IExecutable network = backend.CompileInference(Network.Graph, Batch);
        Network.CopyParametersTo(network);
        return NetworkView.Of(network, Name, ShownImage.OfTest(Data, 0, cancellation), normalization,
            new NetworkViewOptions(), cancellation);
    }

    /// <summary>Creates what makes the pictures of its log and its page.</summary>
    /// <param name="normalization">The normalisation of the images.</param>
    /// <param name="cancellation">Cancels the reading of the image whose maps are shown.</param>
    public EpochPictures Pictures(Normalization normalization, CancellationToken cancellation) => new(
        AccurateBackend(), Network.Graph, Held.Dataset, normalization, ShownImage.OfTest(Data, 0, cancellation),
        Training.Spec.Seed);

    private IBackend AccurateBackend() => BackendRegistry.Create(BackendRegistry.Find(Choice.Name)!.Family.Name,
        Choice.Backend.Info.Threads, Precision.Accurate);
}
