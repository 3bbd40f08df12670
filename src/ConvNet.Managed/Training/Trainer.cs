using System.Diagnostics;
using ConvNet.Data;
using ConvNet.Diagnostics;
using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>How a <see cref="Trainer"/> goes about its work.</summary>
public sealed record TrainerOptions
{
    /// <summary>Passes over the training images.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>α of the first step.</summary>
    public float LearningRate { get; init; } = 0.05f;

    /// <summary>How the learning rate goes on from there.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>The seed of the order of the images.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Whether a loss that is NaN or infinite ends the training with a <see cref="NonFiniteLossException"/>, and so at
    /// the end of an epoch a parameter, a buffer or a score that is. The step of such a loss is not made in either
    /// case: without the check the training goes on with the next batch.
    /// </summary>
    public bool StopAtNonFiniteLoss { get; init; } = true;

    /// <summary>Called after every step.</summary>
    public Action<StepReport>? OnStep { get; init; }

    /// <summary>Called after every epoch and its test.</summary>
    public Action<EpochReport>? OnEpoch { get; init; }
}

/// <summary>Trains an executable on labelled images: epochs of forward, loss, backward, step in seeded random
/// order.</summary>
/// <remarks>
/// The images of an epoch are all used, in a smaller last batch where they do not divide. With the same seed, data and
/// initial parameters, on a deterministic backend, every run gives the same numbers but for the times. For targets that
/// are no classes, call the four steps of <see cref="IExecutable"/>.
/// </remarks>
public sealed class Trainer
{
    private readonly IExecutable _executable;
    private readonly TrainerOptions _options;

    /// <summary>Makes a trainer.</summary>
    /// <param name="executable">What is trained, with its parameters initialised.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">The executable cannot train or takes no labels, or an option is out of
    /// range.</exception>
    public Trainer(IExecutable executable, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(options);
        if (executable.Spec is null)
            throw new ArgumentException("The executable was compiled for inference only; use Compile for one that "
                + "trains.", nameof(executable));
        if (executable.Spec.Loss.Takes != TargetKind.Classes)
            throw new ArgumentException($"{executable.Spec.Loss.GetType().Name} does not take one class for each "
                + "image; "
                + $"call {nameof(IExecutable.TrainStep)} with its targets.", nameof(executable));
        if (options.Epochs < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"{options.Epochs} epochs train nothing; give 1 or more.");
        if (!float.IsFinite(options.LearningRate))
            throw new ArgumentOutOfRangeException(nameof(options),
                Invariant($"A learning rate of {options.LearningRate} moves nothing anywhere; give a finite number."));
        if (options.Schedule is null)
            throw new ArgumentException(
                $"There is no schedule of the learning rate; give one, as {nameof(ConstantSchedule)}.",
                    nameof(options));
        (_executable, _options) = (executable, options);
    }

    /// <summary>Trains.</summary>
    /// <param name="train">The images to learn from.</param>
    /// <param name="test">The images to test on after every epoch, if any.</param>
    /// <param name="cancellation">Ends the training between two steps; the parameters are those of the last whole
    /// step.</param>
    /// <exception cref="ArgumentException">The data does not fit the network.</exception>
    /// <exception cref="NonFiniteLossException">
    /// The loss is NaN or infinite, or what an epoch has left is; the message names the step and the layer.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The executable has no parameters yet, or the schedule gives no finite rate.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public TrainingResult Train(Dataset train, Dataset? test = null, CancellationToken cancellation = default)
    {
        Evaluation.CheckFit(_executable, train);
        if (test is not null)
            Evaluation.CheckFit(_executable, test);
        var epochs = new List<EpochReport>();
        Evaluation? evaluation = null;
        for (int done = 0; done < _options.Epochs; done++)
        {
            EpochReport report = TrainEpoch(train, done + 1, cancellation);
            evaluation = test is null ? null : Evaluation.Of(_executable, test, cancellation);
            report = report with { TestAccuracy = evaluation?.Accuracy };
            epochs.Add(report);
            _options.OnEpoch?.Invoke(report);
        }
        return new TrainingResult(epochs, evaluation);
    }

    private EpochReport TrainEpoch(Dataset train, int epoch, CancellationToken cancellation)
    {
        BatchSequence batches = train.Batches(_executable.BatchSize, _options.Seed, epoch);
        var scores = new float[Math.Min(_executable.BatchSize, train.Count) * _executable.Graph.Output.Shape.Length];
        long steps = (long)batches.Count * _options.Epochs, step = (long)batches.Count * (epoch - 1);
        int images = 0, correct = 0;
        double loss = 0, seconds = 0;
        long start = Stopwatch.GetTimestamp();
        foreach (Batch batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<float> batchOutput = scores.AsSpan(0, batch.Labels.Length * _executable.Graph.Output.Shape.Length);
            float learningRate = RateOf(step, steps);
            double batchLoss = Step(batch, learningRate, step, batchOutput);
            loss += batchLoss * batch.Labels.Length;
            correct += Evaluation.CountCorrect(batchOutput, batch.Labels);
            images += batch.Labels.Length;
            step++;
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            _options.OnStep?.Invoke(new StepReport(epoch, step, steps, batchLoss, loss / images,
                (double)correct / images, images / seconds));
            if (step % batches.Count == 0 && _options.StopAtNonFiniteLoss)
                CheckFinite(batch, learningRate, step, batchOutput);
        }
        return new EpochReport(epoch, loss / images, (double)correct / images, null, seconds, images / seconds);
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
        double loss = _executable.TrainStep(batch.Images, batch.Labels, learningRate, scores);
        return double.IsFinite(loss) || !_options.StopAtNonFiniteLoss
            ? loss
            : throw new NonFiniteLossException(loss, step + 1, learningRate,
                NonFiniteOrigin.Find(_executable, batch.Images, step));
    }

    // No loss tells what the last step has done.
    private void CheckFinite(Batch batch, float learningRate, long step, Span<float> scores)
    {
        if (NonFiniteOrigin.InParameters(_executable) is { } origin)
            throw new NonFiniteLossException(step, learningRate, origin);
        _executable.Infer(batch.Images, scores);
        foreach (float score in scores)
        {
            if (!float.IsFinite(score))
                throw new NonFiniteLossException(step, learningRate,
                    NonFiniteOrigin.Find(_executable, batch.Images, step: null));
        }
    }
}
