namespace ConvNet.Training;

/// <summary>The results of one output of a network.</summary>
public abstract class OutputEvaluation
{
    private readonly NotFiniteSamples _notFinite = new();

    private protected OutputEvaluation(string output) => Output = output;

    /// <summary>The name of the output.</summary>
    public string Output { get; }

    /// <summary>The number of samples with a NaN or infinite value.</summary>
    public int NotFinite => _notFinite.Count;

    /// <summary>The index of the first such sample in the data, from 0; null if there is none.</summary>
    public int? FirstNotFinite => _notFinite.First;

    /// <summary>Adds the results of samples of a batch.</summary>
    /// <param name="values">Their values of the output.</param>
    /// <param name="bound">The output and its target.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="first">The index of the first of them in the batch.</param>
    /// <param name="notFinite">Receives true for each of them with a NaN or infinite value.</param>
    internal void Add(ReadOnlySpan<float> values, BoundOutput bound, Data.Batch batch, int first, Span<bool> notFinite)
    {
        int length = bound.Output.Shape.Length, count = values.Length / length;
        for (int i = 0; i < count; i++)
        {
            if (IsFinite(values.Slice(i * length, length)))
                continue;
            notFinite[i] = true;
            _notFinite.Add(batch.Samples[first + i]);
        }
        AddPredictions(values, bound, batch, first, count);
    }

    /// <summary>Adds the results of the other ranks.</summary>
    internal void AddUp(ISharesBatches sharing)
    {
        _notFinite.AddUp(sharing);
        double[] totals = Totals;
        sharing.Sum(totals);
        Totals = totals;
    }

    // All numbers that samples are added to. Counts are exact in double precision.
    private protected abstract double[] Totals { get; set; }

    private protected abstract void AddPredictions(ReadOnlySpan<float> values, BoundOutput bound, Data.Batch batch,
        int first, int count);

    private static bool IsFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                return false;
        }
        return true;
    }
}

/// <summary>The results of an output that classifies samples or pixels, per class.</summary>
/// <remarks>A prediction with a NaN or infinite score names no class. It counts as wrong and is not part of the
/// confusion matrix.</remarks>
public sealed class ClassEvaluation : OutputEvaluation
{
    private readonly long[,] _counts;
    private readonly long[] _truths, _ranks;
    private readonly double[] _crossEntropies;

    internal ClassEvaluation(string output, int classes)
        : base(output) => (_counts, _truths, _ranks, _crossEntropies) = (new long[classes, classes], new long[classes],
            new long[classes], new double[classes]);

    /// <summary>The number of classes.</summary>
    public int Classes => _counts.GetLength(0);

    /// <summary>The number of predictions: one for each sample, or one for each pixel.</summary>
    public long Count { get; private set; }

    /// <summary>The number of correct predictions.</summary>
    public long Correct { get; private set; }

    /// <summary>The fraction of correct predictions, from 0 to 1.</summary>
    public double Accuracy => (double)Correct / Count;

    /// <summary>The mean cross-entropy of all predictions: −log of the probability that the softmax of the scores gives
    /// to the true class. It has no label smoothing and no class weights, whatever the network was trained
    /// with.</summary>
    public double CrossEntropy => _crossEntropies.Sum() / Count;

    /// <summary>An entry of the confusion matrix: the number of predictions of <paramref name="guess"/> for the class
    /// <paramref name="truth"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class.</exception>
    public long this[int truth, int guess]
        => (uint)truth < (uint)Classes && (uint)guess < (uint)Classes ? _counts[truth, guess]
            : throw new ArgumentOutOfRangeException((uint)truth < (uint)Classes ? nameof(guess) : nameof(truth),
                $"The classes are 0 to {Classes - 1}, but the confusion of class {truth} with class {guess} was read.");

    /// <summary>The results of each class.</summary>
    public IReadOnlyList<ClassMetrics> PerClass => [.. Enumerable.Range(0, Classes).Select(of
        => new ClassMetrics(of, _truths[of], Enumerable.Range(0, Classes).Sum(truth => _counts[truth, of]),
            _counts[of, of])
        { CrossEntropy = _truths[of] == 0 ? 0 : _crossEntropies[of] / _truths[of] })];

    /// <summary>The mean F1 of the classes that occur in the data.</summary>
    public double MacroF1 => Mean(each => each.F1);

    /// <summary>The mean intersection over union of the classes that occur in the data, as segmentation is measured
    /// with.</summary>
    public double MeanIntersectionOverUnion => Mean(each => each.IntersectionOverUnion);

    /// <summary>Returns the fraction of predictions whose class is among those with the largest scores.</summary>
    /// <param name="k">The number of classes that count as named, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="k"/> is less than 1.</exception>
    public double TopAccuracy(int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        return (double)_ranks.Take(k).Sum() / Count;
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ClassEvaluation), (nameof(Output), Output),
        (nameof(Count), Count), (nameof(Accuracy), Accuracy), (nameof(CrossEntropy), CrossEntropy));

    private double Mean(Func<ClassMetrics, double> metric)
        => PerClass.Where(each => each.Count > 0).Select(metric).DefaultIfEmpty(0).Average();

    private protected override double[] Totals
    {
        get => [Count, Correct, .. _truths, .. _ranks, .. _crossEntropies, .. _counts.Cast<long>()];
        set
        {
            (Count, Correct) = ((long)value[0], (long)value[1]);
            int classes = Classes;
            for (int i = 0; i < classes; i++)
            {
                (_truths[i], _ranks[i]) = ((long)value[2 + i], (long)value[2 + classes + i]);
                _crossEntropies[i] = value[2 + 2 * classes + i];
                for (int guess = 0; guess < classes; guess++)
                    _counts[i, guess] = (long)value[2 + (3 + i) * classes + guess];
            }
        }
    }

    private protected override void AddPredictions(ReadOnlySpan<float> values, BoundOutput bound, Data.Batch batch,
        int first, int count)
    {
        ReadOnlySpan<int> labels = batch.Memory.FirstClasses(bound.TargetIndex, batch.Count).Span;
        int length = labels.Length / batch.Count;
        labels = labels.Slice(first * length, count * length);
        var predictions = new Predictions(bound, values);
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == bound.Target.IgnoredClass)
                continue;
            Count++;
            _truths[labels[i]]++;
            _crossEntropies[labels[i]] += predictions.CrossEntropyOf(i, labels[i]);
            if (predictions[i] is not { } guess)
                continue;
            _ranks[predictions.RankOf(i, labels[i])]++;
            _counts[labels[i], guess]++;
            Correct += guess == labels[i] ? 1 : 0;
        }
    }
}

/// <summary>The results of an output that is compared with values.</summary>
public sealed class ValueEvaluation : OutputEvaluation
{
    private double _squares, _distances;

    internal ValueEvaluation(string output)
        : base(output)
    {
    }

    /// <summary>The number of values.</summary>
    public long Count { get; private set; }

    /// <summary>The mean of (y − t)² over all values.</summary>
    public double MeanSquaredError => _squares / Count;

    /// <summary>The mean of |y − t| over all values.</summary>
    public double MeanAbsoluteError => _distances / Count;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ValueEvaluation), (nameof(Output), Output),
        (nameof(Count), Count), (nameof(MeanSquaredError), MeanSquaredError),
        (nameof(MeanAbsoluteError), MeanAbsoluteError));

    private protected override double[] Totals
    {
        get => [Count, _squares, _distances];
        set => (Count, _squares, _distances) = ((long)value[0], value[1], value[2]);
    }

    private protected override void AddPredictions(ReadOnlySpan<float> values, BoundOutput bound, Data.Batch batch,
        int first, int count)
    {
        int length = bound.Output.Shape.Length;
        ReadOnlySpan<float> targets = batch.Memory.FirstValues(bound.TargetIndex, batch.Count).Span
            .Slice(first * length, count * length);
        Count += targets.Length;
        for (int i = 0; i < targets.Length; i++)
        {
            double distance = (double)values[i] - targets[i];
            _squares += distance * distance;
            _distances += Math.Abs(distance);
        }
    }
}

/// <summary>The classes that an output names: those with the largest scores; ties go to the first class.</summary>
internal readonly ref struct Predictions
{
    private readonly ReadOnlySpan<float> _scores;
    private readonly int _classes, _pixels;
    private readonly int? _ignored;

    /// <summary>Reads the predictions of a batch.</summary>
    /// <param name="bound">The output and its target.</param>
    /// <param name="scores">The values of the output.</param>
    public Predictions(BoundOutput bound, ReadOnlySpan<float> scores)
        : this(scores, bound.Output.Shape.Length / bound.Target.Length, bound.Target.Length)
    {
        _ignored = bound.Target.IgnoredClass;
    }

    /// <summary>Reads predictions.</summary>
    /// <param name="scores">N×C×H×W scores.</param>
    /// <param name="classes">The number of scores of each prediction.</param>
    /// <param name="pixels">The number of predictions for each sample.</param>
    public Predictions(ReadOnlySpan<float> scores, int classes, int pixels)
    {
        _scores = scores;
        (_classes, _pixels) = (classes, pixels);
    }

    /// <summary>The class that a prediction names; null if a score is not finite. −0 equals +0, as in numeric
    /// comparison.</summary>
    /// <param name="index">The index of the prediction in the batch.</param>
    public int? this[int index]
    {
        get
        {
            (int sample, int pixel) = Math.DivRem(index, _pixels);
            ReadOnlySpan<float> own = _scores[(sample * _classes * _pixels + pixel)..];
            int best = 0;
            for (int i = 0; i < _classes; i++)
            {
                if (!float.IsFinite(own[i * _pixels]))
                    return null;
                if (own[i * _pixels] > own[best * _pixels])
                    best = i;
            }
            return best;
        }
    }

    /// <summary>Returns log Σ exp(sᵢ) − s of the scores sᵢ and the score s of a class. It is not finite if a score is
    /// NaN or +∞, or if s is −∞.</summary>
    /// <param name="index">The index of the prediction in the batch.</param>
    /// <param name="of">The class.</param>
    public double CrossEntropyOf(int index, int of)
    {
        (int sample, int pixel) = Math.DivRem(index, _pixels);
        ReadOnlySpan<float> own = _scores[(sample * _classes * _pixels + pixel)..];
        double largest = double.NegativeInfinity, sum = 0;
        for (int i = 0; i < _classes; i++)
            largest = Math.Max(largest, own[i * _pixels]);
        for (int i = 0; i < _classes; i++)
            sum += Math.Exp(own[i * _pixels] - largest);
        return double.IsFinite(sum) ? Math.Log(sum) + (largest - own[of * _pixels]) : double.NaN;
    }

    /// <summary>Returns the number of classes whose scores come before that of a class; ties go to the first
    /// class.</summary>
    /// <param name="index">The index of the prediction in the batch.</param>
    /// <param name="of">The class.</param>
    public int RankOf(int index, int of)
    {
        (int sample, int pixel) = Math.DivRem(index, _pixels);
        ReadOnlySpan<float> own = _scores[(sample * _classes * _pixels + pixel)..];
        float score = own[of * _pixels];
        int rank = 0;
        for (int i = 0; i < _classes; i++)
            rank += own[i * _pixels] > score || i < of && own[i * _pixels] == score ? 1 : 0;
        return rank;
    }

    /// <summary>Counts the predictions that have a label, and those that are equal to it.</summary>
    public (int Count, int Correct) CountCorrect(ReadOnlySpan<int> labels)
    {
        int count = 0, correct = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == _ignored)
                continue;
            count++;
            correct += this[i] == labels[i] ? 1 : 0;
        }
        return (count, correct);
    }
}
