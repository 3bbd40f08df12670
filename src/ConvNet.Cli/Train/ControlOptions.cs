using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Training;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that end it early, limit it for a trial, hold images back for validation, and
/// change gradients before a step.</summary>
internal sealed class ControlOptions
{
    private const string LossWord = "loss", AccuracyWord = "accuracy", TestLossWord = "testloss";

    private readonly Option<float?> _clipNorm, _clipValue;
    private readonly Option<int?> _accumulate, _patience, _overfit;
    private readonly Option<double?> _minDelta, _validationShare;
    private readonly Option<string?> _stopMetric, _maxTime;
    private readonly Option<bool> _fastDevRun, _findRate;

    /// <summary>Adds the options to a verb.</summary>
    public ControlOptions(Verb verb)
    {
        NumberRange<float> limit = NumberRanges.Single(NumberInterval.AboveZero, "1");
        _clipNorm = verb.OptionalNumber("--clip-norm", "Scale the gradients down to this global norm before each step. "
            + "Default: no limit.", limit, "X");
        _clipValue = verb.OptionalNumber("--clip-value", "Clip each gradient to the range from −X to X before each "
            + "step. Default: no limit.", limit, "X");
        _accumulate = verb.OptionalNumber("--accumulate", "Number of batches whose mean gradient makes a step. "
            + "Default: 1.", NumberRanges.FromOne, "K");
        _patience = verb.OptionalNumber("--patience", "Stop when --stop-metric has not improved for N epochs. Default: "
            + "train all epochs.", NumberRanges.FromOne, "N");
        _minDelta = verb.OptionalNumber("--min-delta", "Smallest improvement that --patience counts. Default: 0.",
            NumberRanges.Double(NumberInterval.FromZero, "0.001"), "X");
        _stopMetric = verb.Optional<string>("--stop-metric", $"What --patience watches: {AccuracyWord}, that of the "
            + $"validation or test images; {TestLossWord}, their cross-entropy; or {LossWord}, that of the training "
            + $"images. Default: {AccuracyWord}.");
        Verb.AcceptOnly(_stopMetric, [AccuracyWord, TestLossWord, LossWord]);
        _maxTime = TimeOptions.Add(verb, "--max-time", "Stop after this time, once the step is done: 30s, 10min or 2h. "
            + "The results are computed then, and the training can be resumed.");
        _validationShare = verb.OptionalNumber("--validation-share", "Fraction of each class of the training images "
            + "that is held back and tested after every epoch instead of the test images, which are then tested only "
            + "at the end. It is selected by --seed and saved with the model. Default: none.",
            NumberRanges.Double(new NumberInterval(0, 1, HasLeast: false, HasMost: false), "0.1"), "X");
        _findRate = verb.Flag("--lr-find", "Before the training, let the learning rate rise over 100 steps and find "
            + "where the loss falls most steeply. The training then uses this rate, unless --lr is given.");
        _fastDevRun = verb.Flag("--fast-dev-run", "Try everything out: train one batch, test one, and save nothing.");
        _overfit = verb.OptionalNumber("--overfit-batches", "Train and test with the images of the first N batches "
            + "alone. A network that cannot learn them by heart has a mistake.", NumberRanges.FromOne, "N");
    }

    /// <summary>Whether one batch is trained and tested, and nothing saved.</summary>
    public bool IsFastDevRun(ParseResult command) => command.GetValue(_fastDevRun);

    /// <summary>Adds what the options say to the options of a trainer.</summary>
    /// <param name="command">The command.</param>
    /// <param name="options">The options of the trainer.</param>
    /// <param name="goesOn">Those of the resumed training; null for a new training.</param>
    public TrainerOptions Add(ParseResult command, TrainerOptions options, TrainerOptions? goesOn) => options with
    {
        Epochs = IsFastDevRun(command) ? 1 : options.Epochs,
        ClipNorm = command.GetValue(_clipNorm) ?? goesOn?.ClipNorm,
        ClipValue = command.GetValue(_clipValue) ?? goesOn?.ClipValue,
        AccumulateBatches = command.GetValue(_accumulate) ?? goesOn?.AccumulateBatches ?? 1,
    };

    /// <summary>Runs the learning-rate range test; null if the command does not ask for it.</summary>
    /// <param name="command">The command.</param>
    /// <param name="network">The executable, with its initial weights, which it keeps.</param>
    /// <param name="train">The loader of the training images.</param>
    /// <param name="cancellation">Cancels the test.</param>
    public LearningRateTest? FindRate(ParseResult command, IExecutable network, DataLoader train,
        CancellationToken cancellation) => command.GetValue(_findRate)
            ? LearningRateTest.Run(network, train, cancellation: cancellation) : null;

    /// <summary>Throws if the command asks for a range test of a training that has begun.</summary>
    /// <exception cref="ArgumentException">It does.</exception>
    public void CheckFindRate(ParseResult command, TrainingProgress progress)
    {
        if (command.GetValue(_findRate) && !progress.Equals(TrainingProgress.Start))
            throw new ArgumentException($"{_findRate.Name} is for a training that has not begun; the resumed one has "
                + $"its learning rate. Omit {_findRate.Name}.");
    }

    /// <summary>Creates the callbacks that end the training early.</summary>
    /// <param name="command">The command.</param>
    /// <param name="resumed">A command with the options of the resumed training; null for a new training.</param>
    /// <exception cref="ArgumentException">An option needs another one.</exception>
    public TrainingCallback[] Callbacks(ParseResult command, ParseResult? resumed)
    {
        int? patience = command.GetValue(_patience) ?? resumed?.GetValue(_patience);
        foreach (Option option in (Option[])[_minDelta, _stopMetric])
        {
            if (patience is null && Verb.IsGiven(command, option))
                throw Verb.WithoutIts(option, _patience);
        }
        double minDelta = command.GetValue(_minDelta) ?? resumed?.GetValue(_minDelta) ?? 0;
        EpochMetric metric = (command.GetValue(_stopMetric) ?? resumed?.GetValue(_stopMetric)) switch
        {
            LossWord => EpochMetric.Loss,
            TestLossWord => EpochMetric.TestLoss,
            _ => EpochMetric.TestAccuracy,
        };
        return
        [
            .. patience is { } epochs ? (TrainingCallback[])[new EarlyStopping(epochs, minDelta, metric)] : [],
            .. TimeOptions.Of(command, _maxTime) is { } time ? (TrainingCallback[])[new TimeLimit(time)] : [],
        ];
    }

    /// <summary>Divides the images by their use.</summary>
    /// <param name="command">The command.</param>
    /// <param name="resumed">A command with the options of the resumed training; null for a new training.</param>
    /// <param name="data">The data.</param>
    /// <param name="goesOn">The resumed training; null for a new training.</param>
    /// <param name="spec">The training spec.</param>
    /// <exception cref="ArgumentException">A part would have no images.</exception>
    public TrainSets SetsOf(ParseResult command, ParseResult? resumed, ImageSource data, SavedTraining? goesOn,
        TrainingSpec spec)
    {
        IDataset train = data.Train, held = data.Test, test = data.Test;
        DataSplit? validation = command.GetValue(_validationShare) is { } share
            ? new DataSplit(share, goesOn?.Validation?.Seed ?? spec.Seed) : goesOn?.Validation;
        if (validation is { } split)
            (train, held) = ValidationSplit.Of(train, split);
        if ((command.GetValue(_overfit) ?? resumed?.GetValue(_overfit)) is { } batches)
            train = held = test = First(train, (long)batches * spec.BatchSize, spec.Seed);
        return !IsFastDevRun(command) ? new TrainSets(train, held, test, validation)
            : new TrainSets(One(train), One(held), One(test), validation);

        SubsetDataset One(IDataset images) => First(images, spec.BatchSize, spec.Seed);
    }

    // Images in random order, because files are often sorted by class.
    private static SubsetDataset First(IDataset images, long count, ulong seed)
        => new(images, Shuffle.Order(images.Count, seed, round: 0).Take((int)Math.Min(count, images.Count)));
}
