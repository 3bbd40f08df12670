namespace ConvNet;

/// <content>Gradients that are reported during the backward pass.</content>
public abstract partial class Executable
{
    private GradientReadyCallback? _gradientReady;
    private Dictionary<Parameter, int> _bucketOf = [];
    private int[] _awaited = [];
    private int _reported;
    private bool _reports, _adds;
    private int? _callbackThread;

    /// <inheritdoc/>
    public GradientReadyCallback? GradientReady
    {
        get => _gradientReady;
        set
        {
            using Hold hold = Enter();
            CheckTraining();
            if (value is not null && !Spec!.KeepGradients)
                throw new InvalidOperationException("There are no gradients to report: the executable was compiled "
                    + "with KeepGradients: false. Compile it with KeepGradients: true.");
            _gradientReady = value;
        }
    }

    /// <summary>The parameters of each bucket of gradients, in the order in which buckets are reported.</summary>
    protected IReadOnlyList<IReadOnlyList<Parameter>> Buckets { get; private set; }

    /// <summary>Whether the backward pass reports gradients. If so, <see cref="BucketCore"/> accumulates the previous
    /// gradients bucket by bucket.</summary>
    protected bool ReportsGradients => _reports;

    /// <summary>Called by a backward pass when the gradient of a parameter is final. Gradients that have not been
    /// reported by the end of the pass are reported then.</summary>
    /// <param name="parameter">The parameter.</param>
    protected void GradientIsFinal(Parameter parameter)
    {
        if (!_reports || !_bucketOf.Remove(parameter, out int bucket))
            return;
        _awaited[bucket]--;
        while (_reported < Buckets.Count && _awaited[_reported] == 0)
            Report(_reported++);
    }

    /// <summary>Gets the contiguous gradients of a bucket for reading and writing.</summary>
    /// <param name="bucket">The index of the bucket.</param>
    /// <param name="accumulate">Whether the gradients of previous passes are added first.</param>
    protected abstract Span<float> BucketCore(int bucket, bool accumulate);

    /// <summary>Called after a bucket has been reported. A backend that handed out a copy writes the changes
    /// back.</summary>
    /// <param name="bucket">The index of the bucket.</param>
    protected virtual void BucketReportedCore(int bucket)
    {
    }

    /// <summary>Reads a gradient of a bucket that is being reported.</summary>
    internal void ReadGradientOf(IReadOnlyList<Parameter> bucket, Parameter parameter, Span<float> values)
    {
        CheckInBucket(bucket, parameter, values.Length);
        ReadGradientCore(parameter, values);
    }

    /// <summary>Writes a gradient of a bucket that is being reported.</summary>
    internal void WriteGradientOf(IReadOnlyList<Parameter> bucket, Parameter parameter, ReadOnlySpan<float> values)
    {
        CheckInBucket(bucket, parameter, values.Length);
        WriteGradientCore(parameter, values);
    }

    private void BackwardAndReport(BatchValues outputGradient, bool accumulate)
    {
        bool isShared = Sharing is not null;
        if (isShared)
            KeepEarlier(accumulate);
        accumulate &= !isShared;
        (_reports, _adds, _reported) = (isShared || _gradientReady is not null, accumulate, 0);
        if (_reports)
        {
            _bucketOf = Buckets.SelectMany((bucket, index) => bucket.Select(p => (p, index)))
                .ToDictionary(each => each.p, each => each.index);
            _awaited = [.. Buckets.Select(bucket => bucket.Count)];
        }
        try
        {
            BackwardCore(outputGradient, accumulate);
            for (; _reports && _reported < Buckets.Count; _reported++)
                Report(_reported);
            if (isShared)
                FinishSums();
        }
        finally
        {
            _reports = false;
        }
    }

    private void Report(int bucket)
    {
        Span<float> values = BucketCore(bucket, _adds);
        if (Sharing is not null)
        {
            Sharing.StartSum(bucket, values);
            return;
        }
        CallBack(bucket, values);
        BucketReportedCore(bucket);
    }

    private void CallBack(int bucket, Span<float> values)
    {
        _callbackThread = Environment.CurrentManagedThreadId;
        try
        {
            _gradientReady!(new GradientBucket(this, bucket, Buckets.Count, Buckets[bucket], values));
        }
        finally
        {
            _callbackThread = null;
        }
    }

    private void CheckInBucket(IReadOnlyList<Parameter> bucket, Parameter parameter, int length)
    {
        CheckParameter(parameter, length, "values");
        if (!bucket.Contains(parameter))
            throw new ArgumentException(
                $"{parameter.Name} is not in this bucket, which contains "
                + $"{string.Join(", ", bucket.Select(p => p.Name))}.", nameof(parameter));
    }
}
