using System.Diagnostics;
using ConvNet.Data;
using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>Options of a <see cref="Trainer"/>.</summary>
public sealed record TrainerOptions
{
    /// <summary>The number of epochs.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>α, the initial learning rate.</summary>
    public float LearningRate { get; init; } = 0.05f;

    /// <summary>The schedule of the learning rate.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>
    /// Whether a NaN or infinite loss stops the training with a <see cref="NonFiniteLossException"/>. At the end of an
    /// epoch, non-finite parameters, buffers and scores stop it too. A step with a non-finite loss is never applied; if
    /// this is false, training continues with the next batch.
    /// </summary>
    public bool StopAtNonFiniteLoss { get; init; } = true;

    /// <summary>Called after every step.</summary>
    public Action<StepReport>? OnStep { get; init; }

    /// <summary>Called after every epoch and its test.</summary>
    public Action<EpochReport>? OnEpoch { get; init; }
}

/// <summary>Trains an executable on labelled images: iterates over the batches of a loader and runs a training step on
/// each.</summary>
/// <remarks>
/// On a deterministic backend, runs with the same loader and initial parameters give the same results, except for the
/// times. For targets other than classes, pass the batches of a loader to <see cref="IExecutable.TrainStep"/>.
/// </remarks>
public sealed class Trainer
{
    private readonly IExecutable _executable;
    private readonly TrainerOptions _options;

    /// <summary>Creates a trainer.</summary>
    /// <param name="executable">The executable to train, with initialised parameters.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">The executable cannot train or does not take labels, or an option is out of
    /// range.</exception>
    public Trainer(IExecutable executable, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(options);
        if (executable.Spec is null)
            throw new ArgumentException("The executable was compiled for inference only; use Compile for one that "
                + "trains.", nameof(executable));
        Graph graph = executable.Graph;
        if (graph.Inputs.Count > 1 || graph.Outputs.Count > 1)
            throw new ArgumentException($"The trainer takes graphs of one input and one output, and this one has "
                + $"{graph.Inputs.Count} and {graph.Outputs.Count}; call {nameof(IExecutable.TrainStep)} with its "
                + "inputs and targets by name.", nameof(executable));
        if (executable.Spec.Losses[0].Loss is { Takes: not TargetKind.Classes } loss)
            throw new ArgumentException($"{loss.GetType().Name} does not take one class for each "
                + "image; "
                + $"call {nameof(IExecutable.TrainStep)} with its targets.", nameof(executable));
        if (options.Epochs < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"{options.Epochs} epochs train nothing; give 1 or more.");
        if (!float.IsFinite(options.LearningRate))
            throw new ArgumentOutOfRangeException(nameof(options),
                Invariant($"The learning rate is {options.LearningRate}; it must be a finite number."));
        if (options.Schedule is null)
            throw new ArgumentException(
                $"There is no schedule of the learning rate; give one, as {nameof(ConstantSchedule)}.",
                    nameof(options));
        (_executable, _options) = (executable, options);
    }

    /// <summary>The progress of the training, before a step or after the last one.</summary>
    public TrainingProgress Progress { get; private set; } = TrainingProgress.Start;

    /// <summary>Trains the executable.</summary>
    /// <param name="train">The training images.</param>
    /// <param name="test">The images to test on after every epoch; null for none.</param>
    /// <param name="from">The position to resume from: the <see cref="Progress"/> of an interrupted training, whose
    /// state the executable has loaded. Null starts from the beginning.</param>
    /// <param name="cancellation">Cancels the training between two steps. The parameters are those of the last complete
    /// step, which <see cref="Progress"/> identifies.</param>
    /// <exception cref="ArgumentException">The data does not match the network, or has no such position.</exception>
    /// <exception cref="NonFiniteLossException">
    /// The loss, or a value of the network after an epoch, is NaN or infinite. The message names the step and the
    /// layer.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The parameters are not initialised, or the schedule returns a non-finite learning rate.
    /// </exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    public TrainingResult Train(DataLoader train, DataLoader? test = null, TrainingProgress? from = null,
        CancellationToken cancellation = default)
    {
        Evaluation.CheckFit(_executable, train);
        if (test is not null)
            Evaluation.CheckFit(_executable, test);
        Progress = from ?? TrainingProgress.Start;
        train.CheckPosition(Progress.Position);
        if (Progress.Position.Epoch > _options.Epochs)
            throw new ArgumentException($"The training has made its {_options.Epochs} epochs; give more to go on.",
                nameof(from));
        var epochs = new List<EpochReport>();
        Evaluation? evaluation = null;
        while (Progress.Position.Epoch <= _options.Epochs)
        {
            EpochReport report = TrainEpoch(train, cancellation);
            evaluation = test is null ? null : Evaluation.Of(_executable, test, cancellation);
            report = report with { TestAccuracy = evaluation?.Accuracy };
            epochs.Add(report);
            _options.OnEpoch?.Invoke(report);
        }
        return new TrainingResult(epochs, evaluation);
    }

    private EpochReport TrainEpoch(DataLoader train, CancellationToken cancellation)
    {
        int epoch = Progress.Position.Epoch, before = Progress.Images;
        var scores = new float[train.LargestBatch * _executable.Graph.Output.Shape.Length];
        long steps = (long)train.BatchCount * _options.Epochs;
        double seconds = 0;
        TrainingProgress done = Progress;
        long start = Stopwatch.GetTimestamp();
        foreach (Batch batch in train.From(Progress.Position, cancellation))
        {
            using (batch)
            {
                long step = (long)train.BatchCount * (epoch - 1) + batch.Position.Batch;
                Span<float> batchOutput = scores.AsSpan(0, batch.Count * _executable.Graph.Output.Shape.Length);
                float learningRate = RateOf(step, steps);
                double batchLoss = Step(batch, learningRate, step, batchOutput);
                done = done.With(batch, batchLoss, Evaluation.CountCorrect(batchOutput, batch.Classes));
                Progress = batch.Next.Epoch == epoch ? done : TrainingProgress.Start with { Position = batch.Next };
                seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                _options.OnStep?.Invoke(new StepReport(epoch, step + 1, steps, batchLoss, done.Loss, done.Accuracy,
                    (done.Images - before) / seconds));
                if (batch.Next.Epoch > epoch && _options.StopAtNonFiniteLoss)
                    CheckFinite(batch, learningRate, step + 1, batchOutput);
            }
        }
        return new EpochReport(epoch, done.Loss, done.Accuracy, null, seconds, (done.Images - before) / seconds);
    }

    private float RateOf(long step, long steps)
    {
        float rate = _options.Schedule.Rate(_options.LearningRate, step, steps);
        return float.IsFinite(rate)
            ? rate
            : throw new InvalidOperationException($"{_options.Schedule.GetType().Name} gives a learning rate of {rate} "
                + $"for step {step + 1:N0} of {steps:N0}; it must be finite.");
    }

    private double Step(Batch batch, float learningRate, long step, Span<float> scores)
    {
        double loss = _executable.TrainStep(batch.Inputs, batch.Targets, learningRate, scores);
        return double.IsFinite(loss) || !_options.StopAtNonFiniteLoss
            ? loss
            : throw new NonFiniteLossException(loss, step + 1, learningRate,
                NonFiniteOrigin.Find(_executable, batch.Inputs, _executable.SaveState().Pass));
    }

    // The loss does not reveal the effect of the last step, so the parameters and scores are checked here.
    private void CheckFinite(Batch batch, float learningRate, long step, Span<float> scores)
    {
        if (NonFiniteOrigin.InParameters(_executable) is { } origin)
            throw new NonFiniteLossException(step, learningRate, origin);
        _executable.Infer(batch.Inputs, scores);
        foreach (float score in scores)
        {
            if (!float.IsFinite(score))
                throw new NonFiniteLossException(step, learningRate,
                    NonFiniteOrigin.Find(_executable, batch.Inputs, step: null));
        }
    }
}
