using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>The loss of one sample of a data set.</summary>
/// <param name="Sample">The index of the sample in the data, from 0.</param>
/// <param name="Loss">Its loss.</param>
public readonly record struct SampleLoss(int Sample, double Loss);

/// <summary>The losses of the samples of a data set, by which the worst mistakes and wrong labels are found.</summary>
/// <example><code>
/// foreach ((int sample, double loss) in SampleLosses.Of(net, test).Largest(10))
///     Console.WriteLine($"{sample}: {loss}");
/// </code></example>
public sealed class SampleLosses
{
    private SampleLosses(IReadOnlyList<SampleLoss> all) => All = all;

    /// <summary>The losses of all samples, in the order of the loader.</summary>
    public IReadOnlyList<SampleLoss> All { get; }

    /// <summary>Computes the losses in inference mode, as <see cref="IExecutable.InferLosses"/> does.</summary>
    /// <param name="executable">The network, compiled for training.</param>
    /// <param name="data">The loader of the samples; its first epoch is used.</param>
    /// <param name="cancellation">Cancels the run between two batches.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="data"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The data does not match the network and its losses, or the network was
    /// compiled for inference only.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, or another call of the
    /// network is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The network or its backend is disposed.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static SampleLosses Of(IExecutable executable, DataLoader data, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(executable);
        if (executable.Spec is null)
            throw new ArgumentException("The executable was compiled for inference only and has no loss. Use Compile "
                + "for training.", nameof(executable));
        var binding = DataBinding.ForTraining(executable, data);
        var all = new List<SampleLoss>(data.SampleCount);
        var losses = new double[data.LargestBatch];
        foreach (Batch batch in data.From(LoaderPosition.Start, cancellation))
        {
            using (batch)
            {
                executable.InferLosses(batch.Inputs, binding.TargetsOf(batch), losses.AsSpan(0, batch.Count));
                for (int i = 0; i < batch.Count; i++)
                    all.Add(new SampleLoss(batch.Samples[i], losses[i]));
            }
        }
        return new SampleLosses(all);
    }

    /// <summary>Returns the samples with the largest losses, the largest first. A NaN counts as the largest; equal
    /// losses are in the order of the samples.</summary>
    /// <param name="count">The number of samples; fewer are returned if there are fewer.</param>
    public IReadOnlyList<SampleLoss> Largest(int count) =>
    [
        .. All.OrderByDescending(each => double.IsNaN(each.Loss)).ThenByDescending(each => each.Loss)
            .ThenBy(each => each.Sample).Take(count),
    ];
}
