using System.Diagnostics;
using ConvNet.Data;
using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>Trains an executable on a data set: iterates over the batches of a loader and runs a training step on
/// each.</summary>
/// <remarks>
/// The graph may have several inputs and outputs. The data set then names its inputs and targets after them; it has a
/// target for each output with a loss, and may have targets for other outputs, whose results are only measured. On a
/// deterministic backend, runs with the same loader and initial parameters give the same results, except for the times.
/// <para>Several ranks train a network together if each has a trainer with the same options and data, and an executable
/// that shares batches with the others. All report the same results. A rank that is cancelled or stopped ends the
/// training of all after the same step.</para>
/// </remarks>
public sealed class Trainer
{
    private readonly IExecutable _executable;
    private readonly TrainerOptions _options;

    // The executable, if it shares batches with other ranks.
    private readonly ISharesBatches? _sharing;

    // The number of batches whose gradients have been added since the last step.
    private int _gradients;

    /// <summary>Creates a trainer.</summary>
    /// <param name="executable">The executable to train, with initialised parameters.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="options"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The executable cannot train.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public Trainer(IExecutable executable, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(options);
        if (executable.Spec is null)
            throw new ArgumentException("The executable was compiled for inference only. Use Compile for "
                + "training.", nameof(executable));
        options.Check();
        if (options.NeedsGradients && !executable.Spec.KeepGradients)
            throw new ArgumentException("Gradients can only be clipped and accumulated if they are kept. Compile the "
                + "graph with KeepGradients: true.", nameof(options));
        (_executable, _options, _sharing) = (executable, options, executable as ISharesBatches);
        Averages = options.Averaging is { } averaging ? new AveragedWeights(executable, averaging) : null;
    }

    /// <summary>The executable that is trained.</summary>
    public IExecutable Executable => _executable;

    /// <summary>The options.</summary>
    public TrainerOptions Options => _options;

    /// <summary>The averages of the weights; null without <see cref="TrainerOptions.Averaging"/>.</summary>
    /// <remarks>At the end of the training, they include the running statistics that have been estimated anew, if the
    /// averaging asks for it.</remarks>
    public AveragedWeights? Averages { get; }

    /// <summary>The progress of the training, before a step or after the last one.</summary>
    public TrainingProgress Progress { get; private set; } = TrainingProgress.Start;

    /// <summary>Why the training is to stop before its end; null if it is not.</summary>
    public string? StopReason { get; private set; }

    /// <summary>Ends the training after the current step, as if it were the last one. A callback may call it.</summary>
    /// <param name="reason">The reason, such as <c>the accuracy has not risen for 5 epochs</c>.</param>
    /// <exception cref="ArgumentException">The reason is null or empty.</exception>
    public void Stop(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        StopReason ??= reason;
    }

    /// <summary>Trains the executable.</summary>
    /// <param name="train">The training samples.</param>
    /// <param name="test">The samples to test on after every epoch; null for none.</param>
    /// <param name="from">The position to resume from: the <see cref="Progress"/> of an interrupted training, whose
    /// state the executable has loaded. Null starts from the beginning. If the training was interrupted before the test
    /// of an epoch, the test comes first. After the last epoch, only the results are computed.</param>
    /// <param name="cancellation">Cancels the training between two steps. The parameters are those of the last complete
    /// step, which <see cref="Progress"/> identifies.</param>
    /// <exception cref="ArgumentNullException"><paramref name="train"/> is null.</exception>
    /// <exception cref="ArgumentException">The data does not match the network, or has no such position; or the
    /// schedule or <see cref="EarlyStopping"/> follows a result that the test will not have.</exception>
    /// <exception cref="NonFiniteLossException">
    /// The loss, or a value of the network after an epoch, is NaN or infinite. The message names the step and the
    /// layer.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The parameters are not initialised, or the schedule returns a non-finite learning rate.
    /// </exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The data has no such position.</exception>
    public TrainingResult Train(DataLoader train, DataLoader? test = null, TrainingProgress? from = null,
        CancellationToken cancellation = default)
    {
        var binding = DataBinding.ForTraining(_executable, train);
        DataBinding? tests = test is null ? null : DataBinding.ForEvaluation(_executable, test);
        TrainingProgress start = from ?? TrainingProgress.Start;
        int epoch = start.Position.Epoch;
        train.CheckPosition(start.Position);
        if (epoch - 1 > _options.Epochs)
            throw new ArgumentException(Invariant($"The training has completed {epoch - 1} epochs, more than its ")
                + Invariant($"{_options.Epochs}. To continue, use {epoch} or more."), nameof(from));
        CheckOutputs(start, binding);
        CheckAverages(start);
        FollowedMetrics.Check(_options, tests);
        (Progress, StopReason, _gradients) = (start, null, 0);
        Each(callback => callback.OnStart(this));
        try
        {
            ReadOwnOutputs(true);
            TrainingResult result = Run(train, test, binding, cancellation);
            Each(callback => callback.OnEnd(this, result));
            return result;
        }
        // Another rank may have been cancelled.
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested || _sharing is not null)
        {
            Each(callback => callback.OnInterrupted(this));
            throw;
        }
        catch (Exception error)
        {
            Each(callback => callback.OnException(this, error));
            throw;
        }
        finally
        {
            ReadOwnOutputs(false);
        }
    }

    // Each rank counts the correct predictions of its share.
    private void ReadOwnOutputs(bool only)
    {
        if (_sharing is not null)
            _sharing.ReadsOwnOutputs = only;
    }

    // Stops if any rank stops, and is cancelled if any is.
    private void Agree(CancellationToken cancellation)
    {
        if (_sharing is null)
            return;
        double[] votes = [StopReason is null ? 0 : 1, cancellation.IsCancellationRequested ? 1 : 0];
        _sharing.Sum(votes);
        if (votes[0] > 0)
            StopReason = _sharing.Exchange(StopReason ?? "").First(reason => reason.Length > 0);
        if (votes[1] > 0)
            throw new OperationCanceledException("A rank was cancelled.");
    }

    private TrainingResult Run(DataLoader train, DataLoader? test, DataBinding binding,
        CancellationToken cancellation)
    {
        var epochs = new List<EpochReport>();
        Evaluation? evaluation = null;
        // The training was interrupted after the last step of an epoch and before the end of its test.
        if (Progress is { Position.Batch: 0, Epochs: [.., { Completed: false } last] })
            Complete(new EpochReport(Progress.Position.Epoch - 1, last.Loss, last.TrainAccuracy, null, 0, 0));
        while (Progress.Position.Epoch <= _options.Epochs && StopReason is null)
            Complete(TrainEpoch(train, binding, cancellation));
        if (test is not null)
            evaluation ??= Evaluation.Of(_executable, test, cancellation);
        return new TrainingResult(epochs, evaluation)
        {
            Stopped = StopReason,
            Averaged = Averages is not { Count: > 0 } || test is null ? null : Averages.Evaluate(test,
                Averages.Averaging.ReestimatesStatistics ? train : null, cancellation),
        };

        // A training that was stopped within an epoch has no results of this epoch.
        void Complete(EpochReport report)
        {
            evaluation = null;
            if (Progress.Position.Batch > 0)
                return;
            evaluation = test is null ? null : Evaluation.Of(_executable, test, cancellation);
            report = report with
            {
                Test = evaluation,
                TestAccuracy = AccuracyOf(evaluation),
                TestLoss = LossOf(evaluation),
            };
            NoteTest(report);
            epochs.Add(report);
            _options.OnEpoch?.Invoke(report);
            Each(callback => callback.OnEpoch(this, report));
            Agree(cancellation);
        }
    }

    private void Each(Action<TrainingCallback> call)
    {
        foreach (TrainingCallback callback in _options.Callbacks)
            call(callback);
    }

    private void CheckAverages(TrainingProgress from)
    {
        if ((Averages?.Count ?? 0) != from.Averaged)
            throw new ArgumentException(Averages is null
                ? "The training averages its weights, but the options have no averaging. Continue with the options "
                    + "that it was started with."
                : from.Averaged == 0
                ? Invariant($"The trainer has averaged the weights of another training {Averages.Count:N0} times. Use ")
                    + $"a new {nameof(Trainer)}, or pass the {nameof(Progress)} of that training to continue it."
                : Invariant($"The training has averaged its weights {from.Averaged:N0} times, but the averages ")
                    + Invariant($"were made {Averages.Count:N0} times. Load the averages of the training first, as by ")
                    + $"{nameof(Serialization.SavedModel.LoadAveragesInto)} of a saved model.", nameof(from));
    }

    private void NoteTest(EpochReport report) => Progress = Progress with
    {
        Epochs = [.. Progress.Epochs.SkipLast(1),
            Progress.Epochs[^1] with
            {
                TestAccuracy = report.TestAccuracy,
                TestLoss = report.TestLoss,
                Completed = true,
            }],
    };

    private EpochReport TrainEpoch(DataLoader train, DataBinding binding, CancellationToken cancellation)
    {
        int epoch = Progress.Position.Epoch, before = Progress.Images;
        long steps = (long)train.BatchCount * _options.Epochs;
        double seconds = 0;
        int stalls = 0;
        TimeSpan waited = TimeSpan.Zero;
        TrainingProgress done = Progress;
        long start = Stopwatch.GetTimestamp();
        // A step of several batches, or of several ranks, is completed before the training is cancelled.
        bool completes = _options.AccumulateBatches > 1 || _sharing is not null;
        foreach (Batch batch in train.From(Progress.Position, completes ? default : cancellation))
        {
            using (batch)
            {
                stalls += batch.Waited > TimeSpan.Zero ? 1 : 0;
                waited += batch.Waited;
                long step = (long)train.BatchCount * (epoch - 1) + batch.Position.Batch;
                var point = new SchedulePoint(step, steps, train.BatchCount) { Results = done.Epochs };
                float learningRate = RateOf(point);
                bool isStep = (batch.Position.Batch + 1) % _options.AccumulateBatches == 0 || batch.Next.Epoch > epoch;
                double batchLoss = Step(batch, binding, learningRate, step, isStep);
                done = After(done, batch, batchLoss, binding);
                if (!isStep)
                    continue;
                if (Averages is not null && Averages.Averaging.IsDue(StepOf(batch.Position, point)))
                {
                    Averages.Update();
                    done = done with { Averaged = Averages.Count };
                }
                Progress = batch.Next.Epoch == epoch ? done : TrainingProgress.Start with
                {
                    Position = batch.Next,
                    Epochs = [.. done.Epochs, new EpochResult(done.Loss, null) { TrainAccuracy = done.Accuracy }],
                    Averaged = done.Averaged,
                };
                seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                var report = new StepReport(epoch, step + 1, steps, batchLoss, done.Loss, done.Accuracy,
                    (done.Images - before) / seconds)
                {
                    Batch = batch.Position.Batch + 1,
                    LearningRate = learningRate,
                    Outputs = ReportsOf(done, binding),
                };
                // A step that leaves non-finite values is not reported to callbacks, which may save it.
                if (batch.Next.Epoch > epoch && _options.StopAtNonFiniteLoss)
                    CheckFinite(batch, learningRate, step + 1);
                _options.OnStep?.Invoke(report);
                Each(callback => callback.OnStep(this, report));
                Agree(cancellation);
                if (StopReason is not null)
                    break;
                if (completes)
                    cancellation.ThrowIfCancellationRequested();
            }
        }
        return new EpochReport(epoch, done.Loss, done.Accuracy, null, seconds, (done.Images - before) / seconds)
        {
            Outputs = ReportsOf(done, binding),
            Stalls = stalls,
            StallSeconds = waited.TotalSeconds,
        };
    }

    // The position of the step of a batch among all steps, of which each has several batches if they are accumulated.
    private SchedulePoint StepOf(LoaderPosition batch, in SchedulePoint point)
    {
        long perEpoch = (point.StepsPerEpoch - 1) / _options.AccumulateBatches + 1;
        return new SchedulePoint(perEpoch * (batch.Epoch - 1) + batch.Batch / _options.AccumulateBatches,
            perEpoch * _options.Epochs, perEpoch)
        { Results = point.Results };
    }

    // The progress after the step of a batch in the same epoch.
    private TrainingProgress After(TrainingProgress before, Batch batch, double loss, DataBinding binding)
    {
        var outputs = new OutputProgress[binding.Outputs.Count];
        double[] counts = CountCorrect(batch, binding);
        for (int i = 0; i < outputs.Length; i++)
        {
            BoundOutput bound = binding.Outputs[i];
            OutputProgress own = before.Outputs.Count > 0 ? before.Outputs[i] : new(NameOf(bound), 0, 0, 0);
            double lossSum = own.LossSum;
            if (bound.HasLoss)
                lossSum += _executable.ReadLoss(bound.Output.Name) * batch.Count;
            outputs[i] = own with
            {
                LossSum = lossSum,
                Predictions = own.Predictions + (long)counts[2 * i],
                Correct = own.Correct + (long)counts[2 * i + 1],
            };
        }
        return before with
        {
            Position = batch.Next,
            Images = before.Images + batch.Count,
            LossSum = before.LossSum + loss * batch.Count,
            Outputs = outputs,
        };
    }

    // The numbers of predictions and of correct ones for each output, over all ranks.
    private double[] CountCorrect(Batch batch, DataBinding binding)
    {
        var counts = new double[2 * binding.Outputs.Count];
        (int first, int samples) = _sharing?.Share.Of(batch.Count) ?? (0, batch.Count);
        for (int i = 0; i < binding.Outputs.Count; i++)
        {
            BoundOutput bound = binding.Outputs[i];
            Span<float> values = binding.Values(bound.OutputIndex, batch.Count);
            ReadOnlySpan<int> labels = batch.Memory.FirstClasses(bound.TargetIndex, batch.Count).Span;
            (int value, int label) = (values.Length / batch.Count, labels.Length / batch.Count);
            (int count, int correct) = new Predictions(bound, values.Slice(first * value, samples * value))
                .CountCorrect(labels.Slice(first * label, samples * label));
            (counts[2 * i], counts[2 * i + 1]) = (count, correct);
        }
        _sharing?.Sum(counts);
        return counts;
    }

    // The inputs of a batch that this rank has read.
    private BatchValues OwnInputs(Batch batch)
    {
        (int first, int samples) = _sharing?.Share.Of(batch.Count) ?? (0, batch.Count);
        IReadOnlyList<Node> inputs = _executable.Graph.Inputs;
        return batch.Inputs.InOrderOf(inputs, "input").Slice(first, samples, inputs);
    }

    private string? NameOf(BoundOutput bound) => _executable.Graph.Outputs.Count == 1 ? null : bound.Output.Name;

    private void CheckOutputs(TrainingProgress from, DataBinding binding)
    {
        string?[] own = [.. from.Outputs.Select(output => output.Output)],
            other = [.. binding.Outputs.Select(NameOf)];
        if (from.Images > 0 && !own.SequenceEqual(other))
            throw new ArgumentException($"The training is within an epoch that has results for {Names(own)}, but the "
                + $"data set has targets for {Names(other)}. Continue with the data set that it was started "
                + "with.", nameof(from));

        static string Names(string?[] outputs) => string.Join(", ", outputs.Select(name => name ?? "the only output"));
    }

    private static OutputReport[] ReportsOf(TrainingProgress progress, DataBinding binding)
        => [.. binding.Outputs.Zip(progress.Outputs, (bound, output) => new OutputReport(bound.Output.Name,
            bound.HasLoss ? output.LossSum / progress.Images : null, output.Accuracy))];

    private static double? AccuracyOf(Evaluation? evaluation)
        => evaluation?.Outputs.OfType<ClassEvaluation>().ToArray() is [var only] ? only.Accuracy : null;

    private static double? LossOf(Evaluation? evaluation)
        => evaluation?.Outputs.OfType<ClassEvaluation>().ToArray() is [var classes] ? classes.CrossEntropy
            : evaluation?.Outputs is [ValueEvaluation values] ? values.MeanSquaredError : null;

    private float RateOf(in SchedulePoint point)
    {
        float rate = (float)_options.Schedule.Rate(_options.LearningRate, point);
        return float.IsFinite(rate)
            ? rate
            : throw new InvalidOperationException($"The learning rate that {_options.Schedule.GetType().Name} returns "
                + $"for step {point.Step + 1:N0} of {point.Steps:N0} is {rate}; it must be finite.");
    }

    private double Step(Batch batch, DataBinding binding, float learningRate, long step, bool isStep)
    {
        double loss = _options.NeedsGradients
            ? AddGradient(batch, binding, learningRate, isStep)
            : _executable.TrainStep(batch.Inputs, binding.TargetsOf(batch), learningRate, binding.Buffers(batch.Count));
        return double.IsFinite(loss) || !_options.StopAtNonFiniteLoss
            ? loss
            : throw new NonFiniteLossException(loss, step + 1, learningRate,
                OriginOf(batch, _executable.SaveState().Pass));
    }

    // Adds the gradient of a batch to those of the batches before it, and makes a step with their mean.
    private double AddGradient(Batch batch, DataBinding binding, float learningRate, bool isStep)
    {
        _executable.Forward(batch.Inputs);
        double loss = _executable.Loss(binding.TargetsOf(batch));
        _executable.ReadOutput(binding.Buffers(batch.Count));
        if (double.IsFinite(loss))
        {
            _executable.Backward(accumulate: _gradients > 0);
            _gradients++;
        }
        if (!isStep || _gradients == 0)
            return loss;
        if (_gradients > 1)
            _executable.ScaleGradients(1f / _gradients);
        if (_options.ClipNorm is { } norm)
            _executable.ClipGradientNorm(norm);
        if (_options.ClipValue is { } value)
            _executable.ClipGradientValue(value);
        _executable.Step(learningRate);
        _gradients = 0;
        return loss;
    }

    // The loss does not reveal the effect of the last step, so the parameters and outputs are checked here.
    private void CheckFinite(Batch batch, float learningRate, long step)
    {
        if (NonFiniteOrigin.InParameters(_executable) is { } origin)
            throw new NonFiniteLossException(step, learningRate, origin);
        int samples = _sharing?.Share.Of(batch.Count).Count ?? batch.Count;
        float[][] outputs = [.. _executable.Graph.Outputs.Select(node => new float[samples * node.Shape.Length])];
        if (samples > 0)
            _executable.Infer(OwnInputs(batch), BatchBuffers.InOrder(outputs));
        double[] bad = [outputs.Any(values => values.Any(value => !float.IsFinite(value))) ? 1 : 0];
        _sharing?.Sum(bad);
        if (bad[0] > 0)
            throw new NonFiniteLossException(step, learningRate, OriginOf(batch, pass: null));
    }

    // With several ranks, the origin that the first rank has found which has one.
    private NonFiniteOrigin OriginOf(Batch batch, long? pass)
    {
        if (_sharing is null)
            return NonFiniteOrigin.Find(_executable, batch.Inputs, pass);
        NonFiniteOrigin own = _sharing.Share.Of(batch.Count).Count == 0 ? NonFiniteOrigin.Unknown
            : NonFiniteOrigin.Find(_executable, OwnInputs(batch), pass);
        IReadOnlyList<string> found
            = _sharing.Exchange(own.Place == NonFinitePlace.Loss ? "" : own.Description);
        int rank = found.ToList().FindIndex(text => text.Length > 0);
        // All ranks have the same parameters.
        return rank < 0 || found.All(text => text == found[0]) ? own
            : own with { Description = $"on rank {rank}, {found[rank]}" };
    }
}
