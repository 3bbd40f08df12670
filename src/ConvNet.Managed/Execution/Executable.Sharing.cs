namespace ConvNet;

/// <content>Passes over a share of a batch, which are combined with those of other executables.</content>
public abstract partial class Executable
{
    // The gradients of earlier batches, to which those of a shared batch are added.
    private float[][] _earlier = [];

    /// <summary>What combines the passes with those of other executables; null if this one computes whole
    /// batches.</summary>
    internal IPassSharing? Sharing { get; set; }

    /// <summary>Whether layers with statistics of the batch can use those of a batch that executables
    /// share.</summary>
    internal virtual bool SharesStatistics => false;

    /// <summary>What adds up statistics of the batch within layers; null if those of this executable are
    /// used.</summary>
    internal IStatisticsExchange? Statistics => Sharing?.Statistics;

    /// <summary>Gets the factor of a loss in the gradient of the current pass: its weight, and for a share of a batch
    /// what the loss of the whole batch is divided by.</summary>
    /// <param name="index">The index of the output in <see cref="Objectives"/>.</param>
    protected float LossFactor(int index)
        => Sharing is null ? Objectives[index].Weight : Objectives[index].Weight * Sharing.LossScale(index);

    // Frozen layers do not update their buffers, and statistics of the whole batch are the same in all executables.
    private void ShareBuffers()
    {
        Parameter[] buffers = Sharing is null ? [] : [.. Graph.Parameters.Where(p => !p.Trainable
            && !Frozen.Contains(p.Node) && !(Statistics is not null && p.Node.Layer!.SharesStatistics))];
        if (buffers.Length == 0)
            return;
        var all = new double[buffers.Sum(p => p.Length)];
        int start = 0;
        foreach (Parameter buffer in buffers)
        {
            var values = new float[buffer.Length];
            ReadCore(buffer, values);
            for (int i = 0; i < values.Length; i++)
                all[start + i] = values[i];
            start += values.Length;
        }
        Sharing!.ShareBuffers(all);
        start = 0;
        foreach (Parameter buffer in buffers)
        {
            WriteCore(buffer, Array.ConvertAll(all[start..(start + buffer.Length)], value => (float)value));
            start += buffer.Length;
        }
    }

    // Backends accumulate gradients in place. Those of earlier batches are already sums over all ranks, so they are
    // added after the sum.
    private void KeepEarlier(bool accumulate)
    {
        _earlier = new float[accumulate ? Buckets.Count : 0][];
        for (int i = 0; i < _earlier.Length; i++)
            _earlier[i] = BucketCore(i, accumulate: false).ToArray();
    }

    private void FinishSums()
    {
        for (int bucket = 0; bucket < Buckets.Count; bucket++)
        {
            Span<float> values = BucketCore(bucket, accumulate: false);
            Sharing!.FinishSum(bucket, values);
            for (int i = 0; _earlier.Length > 0 && i < values.Length; i++)
                values[i] += _earlier[bucket][i];
            if (_gradientReady is not null)
                CallBack(bucket, values);
            BucketReportedCore(bucket);
        }
        _earlier = [];
    }
}
