namespace ConvNet;

/// <summary>The base class of all executables. It validates every call before anything is computed, so that a derived
/// backend only needs to assert.</summary>
/// <remarks>
/// Each call locks the executable for its caller and reports errors before anything is changed. If a pass throws or
/// its loss is not finite, the parameters, the buffers and the optimiser's state keep the values they had before it.
/// </remarks>
public abstract partial class Executable : IExecutable
{
    private const int Free = 0, Held = 1, Disposed = 2;

    private enum Phase { Idle, Forwarded, Evaluated, Differentiated }

    private readonly Func<bool> _backendDisposed;
    private readonly HashSet<Parameter> _unwritten;
    private readonly Node[] _objectiveNodes;
    private readonly double[] _losses;
    private Phase _phase;
    private int _state;
    private long _nextPass, _steps;
    private int _sampleOffset;
    private bool _hasGradients, _hasInputGradient, _hasLosses, _tookBack, _buffersWritten;

    // What has changed the parameters since the last forward pass, and why gradients cannot be accumulated.
    private string? _changedBy, _cannotAdd;

    /// <summary>Validates the graph and how it is to be compiled.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="spec">How the graph is trained; null for inference only.</param>
    /// <param name="backendDisposed">Returns whether the backend has been disposed.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backendDisposed"/> is null.</exception>
    /// <inheritdoc cref="IBackend.Compile" path="/exception[starts-with(@cref, 'T:System.Argument')]"/>
    protected Executable(Graph graph, int batchSize, TrainingSpec? spec, Func<bool> backendDisposed)
    {
        ArgumentNullException.ThrowIfNull(backendDisposed);
        Objectives = Check(graph, batchSize, spec);
        (Graph, BatchSize, Spec, _backendDisposed) = (graph, batchSize, spec, backendDisposed);
        _objectiveNodes = [.. Objectives.Select(objective => objective.Output)];
        _losses = new double[Objectives.Count];
        _unwritten = [.. graph.Parameters.Where(parameter => parameter.Trainable)];
        Frozen = spec is null ? FrozenParameters.None : FrozenParameters.Of(graph, spec);
        Buckets = spec is null ? [] : GradientBuckets.Of(graph, Frozen, spec);
    }

    /// <inheritdoc/>
    public Graph Graph { get; }

    /// <inheritdoc/>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public TrainingSpec? Spec { get; }

    /// <summary>The outputs that have a loss, in the order of the graph's outputs; empty for inference only.</summary>
    protected IReadOnlyList<Objective> Objectives { get; }

    /// <summary>The number of samples in the batch of the last forward pass.</summary>
    protected int N { get; private set; }

    /// <summary>The index of the last training forward pass, from 0. It keys the random masks of the pass.</summary>
    /// <remarks>The index of a pass that throws is not used again; that of a pass whose loss is not finite
    /// is.</remarks>
    protected long PassNumber { get; private set; }

    /// <summary>The index of the pass's first sample in the whole batch. It keys the random masks of the
    /// pass.</summary>
    protected int FirstSample { get; private set; }

    /// <summary>The number of the current or next step, from 1.</summary>
    protected long StepNumber => _steps + 1;

    /// <inheritdoc/>
    public int SampleOffset
    {
        get => _sampleOffset;
        set
        {
            using Hold hold = Enter();
            _sampleOffset = value >= 0
                ? value
                : throw new ArgumentOutOfRangeException(nameof(value),
                    $"The sample offset is {value}; it must be at least 0, the index of the first sample of the "
                        + "batch.");
        }
    }

    /// <inheritdoc/>
    public void Forward(BatchValues input)
    {
        using Hold hold = Enter();
        CheckTraining();
        input = input.InOrderOf(Graph.Inputs, "input");
        ForwardChecked(input, CountSamples(input));
    }

    /// <inheritdoc/>
    public double Loss(Targets targets)
    {
        using Hold hold = Enter();
        CheckForwarded();
        targets.CheckFor(Objectives, N);
        return LossChecked(targets);
    }

    /// <inheritdoc/>
    public double ReadLoss(string output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using Hold hold = Enter();
        CheckTraining();
        int index = NamedTensors.IndexOf(output, _objectiveNodes, "output with a loss");
        return _hasLosses
            ? _losses[index]
            : throw new InvalidOperationException("There is no loss to read. Call Loss or TrainStep, and read the "
                + "loss before the next Forward.");
    }

    /// <inheritdoc/>
    public void Backward(bool accumulate = false)
    {
        using Hold hold = Enter();
        CheckEvaluated();
        CheckBackward(accumulate);
        BackwardChecked(default, accumulate);
    }

    /// <inheritdoc/>
    public void Backward(BatchValues outputGradient, bool accumulate = false)
    {
        using Hold hold = Enter();
        CheckPassed();
        outputGradient = outputGradient.InOrderOf(_objectiveNodes, "output with a loss", all: false);
        CheckGradientLengths(outputGradient, N, _objectiveNodes);
        CheckBackward(accumulate);
        BackwardChecked(outputGradient, accumulate);
    }

    /// <inheritdoc/>
    public void Step(float learningRate)
    {
        using Hold hold = Enter();
        StepChecked(learningRate);
    }

    /// <inheritdoc/>
    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
    {
        using Hold hold = Enter();
        CheckTraining();
        CheckRate(learningRate);
        input = input.InOrderOf(Graph.Inputs, "input");
        int n = CountSamples(input);
        targets.CheckFor(Objectives, n);
        if (!output.IsEmpty)
        {
            output = output.InOrderOf(Graph.Outputs, "output");
            CheckOutputLengths(output, n);
        }
        return TrainStepChecked(input, n, targets, learningRate, output);
    }

    /// <inheritdoc/>
    public void Infer(BatchValues input, BatchBuffers output)
    {
        using Hold hold = Enter();
        input = input.InOrderOf(Graph.Inputs, "input");
        output = output.InOrderOf(Graph.Outputs, "output");
        int n = CountSamples(input);
        CheckOutputLengths(output, n);
        CheckWritten();
        InferCore(input, n, output);
    }

    /// <inheritdoc/>
    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
    {
        using Hold hold = Enter();
        CheckTraining();
        input = input.InOrderOf(Graph.Inputs, "input");
        int n = CountSamples(input);
        targets.CheckFor(Objectives, n);
        if (losses.Length != n)
            throw WrongLength(losses.Length, n, nameof(losses), $"a batch of {n} samples");
        CheckWritten();
        float[][] outputs = [.. Graph.Outputs.Select(output
            => new float[_objectiveNodes.Contains(output) ? n * output.Shape.Length : 0])];
        InferCore(input, n, BatchBuffers.InOrder(outputs));
        losses.Clear();
        var own = new double[n];
        for (int i = 0; i < Objectives.Count; i++)
        {
            Node output = _objectiveNodes[i];
            SampleLossesCore(i, outputs[NamedTensors.IndexOf(output.Name, Graph.Outputs, "output")],
                targets.For(output), own);
            for (int sample = 0; sample < n; sample++)
                losses[sample] += Objectives[i].Weight * own[sample];
        }
    }

    /// <inheritdoc/>
    public void ReadOutput(BatchBuffers output)
    {
        using Hold hold = Enter();
        CheckHasOutput();
        output = output.InOrderOf(Graph.Outputs, "output");
        CheckOutputLengths(output, N);
        ReadOutputs(output);
    }

    /// <inheritdoc/>
    public void Read(Parameter parameter, Span<float> values)
    {
        using Hold hold = Enter();
        CheckParameter(parameter, values.Length, nameof(values));
        if (_unwritten.Contains(parameter))
            CheckWritten();
        ReadCore(parameter, values);
    }

    /// <inheritdoc/>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
    {
        using Hold hold = Enter();
        CheckParameter(parameter, values.Length, nameof(values));
        if (_hasGradients && _cannotAdd is null && Changes(parameter, values))
            _cannotAdd = $"{parameter.Name} has been written since they were computed";
        WriteCore(parameter, values);
        _unwritten.Remove(parameter);
        _changedBy = nameof(Write);
        _buffersWritten |= !parameter.Trainable;
    }

    /// <inheritdoc/>
    public void ReadGradient(Parameter parameter, Span<float> values)
    {
        using Hold hold = Enter();
        CheckParameter(parameter, values.Length, nameof(values));
        CheckTraining();
        CheckHasGradient(parameter);
        CheckKeepsGradients();
        ReadGradientCore(parameter, values);
    }

    /// <inheritdoc/>
    public void ReadInputGradient(BatchBuffers values)
    {
        using Hold hold = Enter();
        CheckTraining();
        CheckHasInputGradient();
        values = values.InOrderOf(Graph.Inputs, "input");
        CheckGradientLengths(values, N, Graph);
        for (int i = 0; i < Graph.Inputs.Count; i++)
        {
            if (!values[i].IsEmpty)
                ReadInputGradientCore(i, values[i]);
        }
    }

    /// <summary>Frees the resources of the executable.</summary>
    /// <exception cref="InvalidOperationException">
    /// A call by another caller is in progress; that call completes normally.
    /// </exception>
    public void Dispose()
    {
        int before = Interlocked.CompareExchange(ref _state, Disposed, Free);
        if (before == Held)
            throw new InvalidOperationException("The executable is in use by another caller. Dispose it when that "
                + "call has ended.");
        if (before == Disposed)
            return;
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the resources of the derived executable.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    private bool Changes(Parameter parameter, ReadOnlySpan<float> values)
    {
        if (!parameter.Trainable)
            return false;
        var before = new float[parameter.Length];
        ReadCore(parameter, before);
        return !values.SequenceEqual(before);
    }

    /// <summary>Locks the executable for its caller until the returned value is disposed.</summary>
    internal Hold Enter()
    {
        int before = Interlocked.CompareExchange(ref _state, Held, Free);
        if (before == Held && _callbackThread == Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("A backward pass is in progress. Its GradientReady callback may use "
                + "only the bucket that it receives, not the executable.");
        if (before == Held)
            throw new InvalidOperationException("The executable is in use by another caller. Compile one executable "
                + "for each caller.");
        if (before == Disposed)
            throw new ObjectDisposedException(GetType().Name, "The executable is disposed.");
        if (!_backendDisposed())
            return new Hold(this);
        Volatile.Write(ref _state, Free);
        throw new ObjectDisposedException(GetType().Name, "The backend of this executable is disposed.");
    }

    /// <summary>Unlocks the executable when disposed.</summary>
    internal readonly ref struct Hold(Executable executable)
    {
        public void Dispose() => Volatile.Write(ref executable._state, Free);
    }
}
