using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Training;

/// <summary>The running statistics of batch normalisation.</summary>
public static class RunningStatistics
{
    /// <summary>Estimates the running statistics of a network anew, for its current weights: each becomes the mean over
    /// all batches of a data set.</summary>
    /// <remarks>
    /// The batches are those of the first epoch of the loader, with its transforms. Frozen layers keep their
    /// statistics. The rest of the executable's state is unchanged, except that a pass in progress is discarded.
    /// PyTorch: swa_utils.update_bn.
    /// </remarks>
    /// <param name="executable">The network, compiled for training.</param>
    /// <param name="data">The loader.</param>
    /// <param name="cancellation">Cancels the estimate between two batches; the statistics are then unchanged.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The data does not match the network.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, the network was compiled
    /// for inference only, or a call of it is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The network or its backend is disposed.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The estimate was cancelled.</exception>
    public static void Update(IExecutable executable, DataLoader data, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(data);
        Estimate[] estimates = [.. executable.Graph.LayerNodes.Where(node => Updates(executable, node))
            .SelectMany(node => node.Parameters.Where(p => !p.Trainable)).Select(p => new Estimate(p))];
        if (estimates.Length == 0)
            return;
        DataBinding.ForTraining(executable, data);
        TrainingState state = executable.SaveState();
        try
        {
            // Several ranks make all passes together.
            foreach (Batch batch in data.From(LoaderPosition.Start,
                executable is ISharesBatches ? default : cancellation))
            {
                using (batch)
                {
                    foreach (Estimate estimate in estimates)
                        estimate.Clear(executable);
                    executable.Forward(batch.Inputs);
                    foreach (Estimate estimate in estimates)
                        estimate.Add(executable, batch.Count);
                }
            }
            Dictionary<string, float[]> found = estimates.ToDictionary(each => each.Parameter.Name, each => each.Mean);
            state = state with
            {
                Tensors = [.. state.Tensors.Select(tensor => found.TryGetValue(tensor.Name, out float[]? mean)
                    ? new NamedTensor(tensor.Name, tensor.Dimensions, mean) : tensor)],
            };
        }
        finally
        {
            executable.LoadState(state);
        }
    }

    // Whether a training pass updates running statistics of a node.
    private static bool Updates(IExecutable executable, Node node)
        => node.Parameters.Any(p => p.Role is ParameterRole.RunningMean or ParameterRole.RunningVariance)
            && !(node.Parameters.Any(p => p.Trainable)
                && node.Parameters.Where(p => p.Trainable).All(executable.IsFrozen));

    // A buffer. If its layer gives a batch the weight m, a pass from zeros leaves m times the batch's own statistics.
    // Otherwise the layer averages all batches by itself.
    private sealed class Estimate(Parameter parameter)
    {
        private readonly float? _weight = parameter.Node.Layer!.StatisticsMomentum;
        private readonly double[] _mean = new double[parameter.Length];
        private readonly float[] _read = new float[parameter.Length];
        private int _count;

        public Parameter Parameter => parameter;

        public float[] Mean => Array.ConvertAll(_mean, value => (float)value);

        public void Clear(IExecutable executable)
        {
            if (_count > 0 && _weight is null)
                return;
            Array.Clear(_read);
            executable.Write(parameter, _read);
        }

        public void Add(IExecutable executable, int samples)
        {
            // A channel with a single value has no variance, and the layer does not update it.
            if (parameter.Role == ParameterRole.RunningVariance
                && samples * parameter.Node.Inputs[0].Shape.Area == 1)
                return;
            executable.Read(parameter, _read);
            _count++;
            for (int i = 0; i < _mean.Length; i++)
                _mean[i] = _weight is { } weight
                    ? _mean[i] + (_read[i] / (double)weight - _mean[i]) / _count : _read[i];
        }
    }
}
