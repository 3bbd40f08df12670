using System.Numerics.Tensors;
using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Training;

/// <summary>Averages of the parameters and buffers of an executable over its training.</summary>
/// <remarks>
/// A <see cref="Trainer"/> with <see cref="TrainerOptions.Averaging"/> has one. In a loop of your own:
/// <code>var averages = new AveragedWeights(net, new ExponentialAveraging(0.999));
/// net.TrainStep(images, labels, learningRate);
/// averages.Update();
/// averages.CopyTo(inference);</code>
/// The averages are float32 in the order of the parameters' dimensions, so that equal weights give equal averages on
/// every backend. Parameters and, if the averaging asks for it, running means and variances are averaged; other buffers
/// are those of the last average.
/// </remarks>
public sealed class AveragedWeights
{
    private const string StateName = "average";

    private readonly IExecutable _executable;
    private readonly float[][] _values;
    private readonly float[] _read, _change;

    /// <summary>Creates averages, before the first one.</summary>
    /// <param name="executable">The executable whose weights are averaged.</param>
    /// <param name="averaging">The way to average.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public AveragedWeights(IExecutable executable, WeightAveraging averaging)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(averaging);
        (_executable, Averaging) = (executable, averaging);
        _values = [.. executable.Graph.Parameters.Select(p => new float[p.Length])];
        int longest = _values.Select(values => values.Length).DefaultIfEmpty().Max();
        (_read, _change) = (new float[longest], new float[longest]);
    }

    /// <summary>The way to average.</summary>
    public WeightAveraging Averaging { get; }

    /// <summary>The number of times that the weights have been averaged.</summary>
    public long Count { get; private set; }

    /// <summary>Gets the average of a parameter or buffer, in the order of its dimensions; zeros before the first
    /// average.</summary>
    /// <param name="parameter">A parameter or buffer of the graph.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph.</exception>
    public ReadOnlySpan<float> Values(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        parameter.ThrowIfNotOf(_executable.Graph, nameof(parameter));
        return _values[parameter.Index];
    }

    /// <summary>Averages the current weights with those before.</summary>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, or a call of the
    /// executable is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    public void Update()
    {
        float share = Count == 0 ? 1 : (float)Averaging.Share(Count);
        foreach (Parameter p in _executable.Graph.Parameters)
        {
            Span<float> average = _values[p.Index], w = _read.AsSpan(0, p.Length), change = _change.AsSpan(0, p.Length);
            bool averages = p.Trainable || Averaging.AveragesStatistics && IsStatistic(p);
            if (Count == 0 || !averages)
            {
                _executable.Read(p, average);
                continue;
            }
            _executable.Read(p, w);
            TensorPrimitives.Subtract(w, average, change);
            TensorPrimitives.MultiplyAdd(change, share, average, average);
        }
        Count++;
    }

    /// <summary>Writes the averages into an executable of the same graph, for example one for inference.</summary>
    /// <param name="executable">The executable.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">The executable belongs to another graph.</exception>
    /// <exception cref="InvalidOperationException">There is no average yet, or a call of the executable is in
    /// progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    public void CopyTo(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        if (executable.Graph != _executable.Graph)
            throw new ArgumentException("The executable was compiled from another graph. Averages can only be copied "
                + "to executables of the same graph.", nameof(executable));
        if (Count == 0)
            throw new InvalidOperationException("The weights have not been averaged yet. Call Update first; a training "
                + "with stochastic averaging begins with it late.");
        foreach (Parameter p in executable.Graph.Parameters)
            executable.Write(p, _values[p.Index]);
    }

    /// <summary>Evaluates the averaged weights on a data set. The executable keeps its own weights and state.</summary>
    /// <param name="data">The loader of all samples.</param>
    /// <param name="statistics">The training samples with which running statistics are estimated anew before
    /// (<see cref="RunningStatistics"/>) and become part of the averages; null to evaluate the averages as they
    /// are.</param>
    /// <param name="cancellation">Cancels the evaluation between two batches.</param>
    /// <exception cref="InvalidOperationException">There is no average yet, or a call of the executable is in
    /// progress.</exception>
    /// <inheritdoc cref="Evaluation.Of(IExecutable, DataLoader, CancellationToken)"
    /// path="/exception[not(contains(@cref, 'InvalidOperation'))]"/>
    public Evaluation Evaluate(DataLoader data, DataLoader? statistics = null, CancellationToken cancellation = default)
        => Evaluate([data], statistics, cancellation);

    /// <summary>Evaluates the averaged weights on several views of a data set, as
    /// <see cref="Evaluation.Of(IExecutable, IReadOnlyList{DataLoader}, CancellationToken)"/> does. The executable
    /// keeps its own weights and state.</summary>
    /// <param name="views">The loaders of all samples.</param>
    /// <param name="statistics">As for one view.</param>
    /// <param name="cancellation">Cancels the evaluation between two batches.</param>
    /// <exception cref="InvalidOperationException">There is no average yet, or a call of the executable is in
    /// progress.</exception>
    /// <inheritdoc cref="Evaluation.Of(IExecutable, IReadOnlyList{DataLoader}, CancellationToken)"
    /// path="/exception[not(contains(@cref, 'InvalidOperation'))]"/>
    public Evaluation Evaluate(IReadOnlyList<DataLoader> views, DataLoader? statistics = null,
        CancellationToken cancellation = default)
    {
        TrainingState state = _executable.SaveState();
        try
        {
            CopyTo(_executable);
            if (statistics is not null)
            {
                RunningStatistics.Update(_executable, statistics, cancellation);
                foreach (Parameter p in _executable.Graph.Parameters.Where(p => !p.Trainable))
                    _executable.Read(p, _values[p.Index]);
            }
            return Evaluation.Of(_executable, views, cancellation);
        }
        finally
        {
            _executable.LoadState(state);
        }
    }

    /// <summary>Returns the averages as tensors with names such as <c>conv1.weight/average</c>.</summary>
    public IReadOnlyList<NamedTensor> Save() => [.. _executable.Graph.Parameters.Select(p
        => new NamedTensor(NameOf(p), p.Dimensions, [.. _values[p.Index]]))];

    /// <summary>Restores averages that were saved.</summary>
    /// <param name="count">The number of times that the weights had been averaged.</param>
    /// <param name="tensors">The tensors, in any order.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    /// <exception cref="ArgumentException">A tensor is missing or has another length; nothing has been
    /// changed.</exception>
    public void Load(long count, IReadOnlyList<NamedTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        IReadOnlyList<Parameter> parameters = _executable.Graph.Parameters;
        NamedTensor[] found = [.. parameters.Select(p => tensors.FirstOrDefault(t => t.Name == NameOf(p)
            && t.Values.Length == p.Length) ?? throw new ArgumentException(
                $"There is no average \"{NameOf(p)}\" with {p.Length:N0} values. Load the averages of the same graph.",
                nameof(tensors)))];
        for (int i = 0; i < found.Length; i++)
            found[i].Values.CopyTo(_values[i], 0);
        Count = count;
    }

    /// <summary>Returns the name of an average in files.</summary>
    internal static string NameOf(Parameter parameter) => TrainingState.NameOf(parameter, StateName);

    private static bool IsStatistic(Parameter p)
        => p.Role is ParameterRole.RunningMean or ParameterRole.RunningVariance;
}
