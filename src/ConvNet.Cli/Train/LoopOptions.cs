using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Serialization;
using ConvNet.Training;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> for its loop: epochs, batches, loss, optimiser, schedule and
/// averages.</summary>
internal sealed class LoopOptions
{
    private readonly Option<int> _epochs, _batch, _seed;
    private readonly Option<string[]> _freeze;
    private readonly OptimizerOptions _optimizer = new();
    private readonly ScheduleOptions _schedule = new();
    private readonly LossOptions _loss;

    private readonly DeclaredOptions<WeightAveraging> _average = new("--average", "average-",
        WeightAveraging.BuiltIn.Declarations, kind => WeightAveraging.BuiltIn.Make(kind.Kind),
        none: "the weights are not averaged");

    /// <summary>Adds the options to a verb.</summary>
    public LoopOptions(Verb verb)
    {
        _loss = new LossOptions(Loss.BuiltIn.Declarations.Where(kind
            => Loss.BuiltIn.Make(kind.Kind).Takes == TargetKind.Classes), "", Loss.BuiltIn.Declarations[0].Kind);
        foreach (Option option in _loss.All)
            verb.Add(option);
        _epochs = verb.Number("--epochs", "Number of epochs, including those that --resume has already completed.", 15,
            NumberRanges.FromOne, "N");
        _batch = verb.Number("--batch", "Batch size.", 32, NumberRanges.FromOne, "N");
        foreach (Option option in _optimizer.All)
            verb.Add(option);
        _freeze = verb.Several("--freeze", "Parameters that are not trained, as conv1.weight or 'conv1.*' (* stands "
            + "for any characters, ? for one). A layer of such parameters alone runs as in inference. A resumed "
            + "training keeps its frozen parameters.", "PATTERN");
        foreach (Option option in _schedule.All.Append(_average.Kind).Concat(_average.Attributes))
            verb.Add(option);
        _seed = verb.Number("--seed", "Seed of the initial weights, the selection and order of the images, their "
            + "random transforms, and dropout.", 1, NumberRanges.Any, "N");
    }

    /// <summary>The option that sets the total number of epochs.</summary>
    public Option<int> Epochs => _epochs;

    /// <summary>The option that sets the learning rate.</summary>
    public Option Rate => _optimizer.Rate;

    /// <summary>The option that sets the seed.</summary>
    public Option<int> Seed => _seed;

    /// <summary>Returns the number of epochs of a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">That of the resumed training; null for a new training.</param>
    public int EpochsOf(ParseResult command, int? goesOn) => Value(command, _epochs, goesOn);

    /// <summary>Creates the training spec.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The resumed training; null for a new training.</param>
    /// <param name="mixes">Whether images are mixed, so that the loss takes probabilities.</param>
    public TrainingSpec Spec(ParseResult command, SavedTraining? goesOn, bool mixes)
    {
        Loss usual = goesOn?.Spec.Losses[0].Loss ?? Loss.BuiltIn.Make(Loss.BuiltIn.Declarations[0].Kind);
        Loss loss = AugmentationOptions.LossOf(_loss.Of(command, usual) ?? usual, mixes);
        return new TrainingSpec(Value(command, _batch, goesOn?.Spec.BatchSize), loss,
            _optimizer.Of(command, goesOn?.Spec.Optimizer))
        {
            KeepGradients = false,
            Seed = goesOn is null || Verb.IsGiven(command, _seed) ? unchecked((ulong)command.GetValue(_seed))
                : goesOn.Spec.Seed,
        };
    }

    /// <summary>Creates the options of the trainer.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The resumed training; null for a new training.</param>
    public TrainerOptions Trainer(ParseResult command, SavedTraining? goesOn) => new()
    {
        Epochs = EpochsOf(command, goesOn?.Options.Epochs),
        LearningRate = _optimizer.LearningRate(command, goesOn?.Options.LearningRate),
        Schedule = _schedule.Of(command, goesOn?.Options.Schedule),
        Averaging = Averaging(command, goesOn),
        StopAtNonFiniteLoss = goesOn?.Options.StopAtNonFiniteLoss ?? true,
    };

    /// <summary>Returns the parameters to freeze.</summary>
    /// <param name="command">The command.</param>
    /// <param name="graph">The network.</param>
    /// <param name="constants">The names of parameters that stand for constants.</param>
    /// <exception cref="ArgumentException">A pattern matches nothing, or nothing is left to train.</exception>
    public Parameter[] ToFreeze(ParseResult command, Graph graph, IReadOnlyList<string> constants)
    {
        Parameter[] named = [.. ParameterGroup.TrainableIn(graph, command.GetValue(_freeze)!)
            .Union(graph.Parameters.Where(parameter => constants.Contains(parameter.Name)))];
        return named.Length == 0 || graph.Parameters.Any(p => p.Trainable && !named.Contains(p))
            ? named
            : throw new ArgumentException($"{_freeze.Name} names every parameter of the network, so that nothing is "
                + "left to train. Name fewer.");
    }

    /// <summary>Returns the value of every option.</summary>
    public IEnumerable<(string Name, string Value)> Facts(SavedTraining training, IReadOnlyList<string> frozen) =>
    [
        (_loss.Name, LossOptions.TextOf(training.Spec.Losses[0].Loss)),
        (_epochs.Name, $"{training.Options.Epochs}"),
        (_batch.Name, $"{training.Spec.BatchSize}"),
        (_seed.Name, $"{(int)training.Spec.Seed}"),
        (_freeze.Name, frozen.Count == 0 ? "none" : string.Join(", ", frozen)),
        .. _optimizer.Facts(training.Spec.Optimizer, training.Options.LearningRate),
        .. _schedule.Facts(training.Options.Schedule),
        .. training.Options.Averaging is { Declaration: { } kind } averaging ? _average.Facts(averaging, kind) : [],
    ];

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

    // Returns the given value, that of the resumed training, or the default.
    private static int Value(ParseResult command, Option<int> option, int? goesOn)
        => goesOn is { } own && !Verb.IsGiven(command, option) ? own : command.GetValue(option);
}
