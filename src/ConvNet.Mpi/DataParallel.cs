using ConvNet.Serialization;

namespace ConvNet.Mpi;

/// <summary>An executable over whole batches, of which this rank computes its share.</summary>
internal sealed partial class DataParallel : IExecutable, ISharesBatches, IDeclaresAlgorithms
{
    private readonly Executable _inner;
    private readonly ICommunicator _communicator;
    private readonly int _mostGathered;
    private readonly IReadOnlyList<Objective> _objectives;
    private readonly Node[] _objectiveNodes;
    private bool _isSynchronized;

    // After a training step without KeepGradients. The executable of this rank has gradients to add up nevertheless.
    private bool _hasNoGradients;
    private int _samples, _offset;

    /// <summary>Shares the batches of an executable with other ranks.</summary>
    /// <param name="inner">The executable of this rank.</param>
    /// <param name="spec">How the graph is trained by all ranks.</param>
    /// <param name="objectives">The losses of the whole batch.</param>
    /// <param name="communicator">The ranks.</param>
    /// <param name="options">The options.</param>
    public DataParallel(Executable inner, TrainingSpec spec, IReadOnlyList<Objective> objectives,
        ICommunicator communicator, DataParallelOptions options)
    {
        (_inner, Spec, _objectives, _communicator) = (inner, spec, objectives, communicator);
        _mostGathered = options.MostGathered;
        _objectiveNodes = [.. objectives.Select(objective => objective.Output)];
        _isSynchronized = communicator.Ranks == 1;
        Share = new BatchShare(communicator.Rank, communicator.Ranks);
        Pass = new SharedPass(communicator, objectives, options);
        inner.Sharing = Pass;
    }

    public Graph Graph => _inner.Graph;

    public int BatchSize => Spec.BatchSize;

    public TrainingSpec Spec { get; }

    public BatchShare Share { get; }

    public bool ReadsOwnOutputs { get; set; }

    /// <summary>What is exchanged with the other ranks.</summary>
    public SharedPass Pass { get; }

    // The index of the first sample of this rank in a batch, and the number of its samples.
    private (int First, int Count) Own => Share.Of(_samples);

    public SumAlgorithm AlgorithmOf(Node node, SumPass pass)
        => (_inner as IDeclaresAlgorithms)?.AlgorithmOf(node, pass) ?? SumAlgorithm.Direct;

    public void Forward(BatchValues input)
    {
        input = Begin(input);
        _inner.Forward(input);
    }

    public double Loss(Targets targets)
    {
        if (_samples > 0)
            targets = StartTargets(targets);
        return _inner.Loss(targets);
    }

    public double ReadLoss(string output) => _inner.ReadLoss(output);

    public void Backward(bool accumulate = false)
    {
        _inner.Backward(accumulate);
        _hasNoGradients = false;
    }

    public void Backward(BatchValues outputGradient, bool accumulate = false)
    {
        if (_samples == 0)
        {
            _inner.Backward(outputGradient, accumulate);
            return;
        }
        _hasNoGradients = false;
        outputGradient = outputGradient.InOrderOf(_objectiveNodes, "output with a loss", all: false);
        Executable.CheckGradientLengths(outputGradient, _samples, _objectiveNodes);
        (int first, int count) = Own;
        _inner.Backward(count > 0 ? outputGradient.Slice(first, count, _objectiveNodes)
            : BatchValues.InOrder([.. _objectiveNodes.Select(node => new float[node.Shape.Length])]), accumulate);
    }

    public void Step(float learningRate)
    {
        CheckHasGradients(nameof(Step));
        _inner.Step(learningRate);
    }

    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
    {
        if (!float.IsFinite(learningRate))
            return _inner.TrainStep(input, targets, learningRate, output);
        output = output.IsEmpty ? output : output.InOrderOf(Graph.Outputs, "output");
        int n = Executable.CountSamples(input.InOrderOf(Graph.Inputs, "input"), Graph, BatchSize);
        targets.CheckFor(_objectives, n);
        if (!output.IsEmpty)
            Executable.CheckOutputLengths(output, n, Graph);
        input = Begin(input);
        targets = StartTargets(targets);
        _hasNoGradients = !Spec.KeepGradients;
        if (output.IsEmpty)
            return _inner.TrainStep(input, targets, learningRate);
        if (WritesInPlace)
            return _inner.TrainStep(input, targets, learningRate, OwnPart(output));
        float[][] own = MemoryForPass(output, Graph.Outputs);
        double loss = _inner.TrainStep(input, targets, learningRate, BatchBuffers.InOrder(own));
        WriteOutputs(own, output);
        return loss;
    }

    public void ReadOutput(BatchBuffers output)
    {
        if (_samples == 0)
        {
            _inner.ReadOutput(output);
            return;
        }
        output = output.InOrderOf(Graph.Outputs, "output");
        Executable.CheckOutputLengths(output, _samples, Graph);
        if (WritesInPlace)
        {
            _inner.ReadOutput(OwnPart(output));
            return;
        }
        float[][] own = MemoryForPass(output, Graph.Outputs);
        _inner.ReadOutput(BatchBuffers.InOrder(own));
        WriteOutputs(own, output);
    }

    public void ReadInputGradient(BatchBuffers values)
    {
        if (_samples == 0)
        {
            _inner.ReadInputGradient(values);
            return;
        }
        values = values.InOrderOf(Graph.Inputs, "input");
        Executable.CheckGradientLengths(values, _samples, Graph);
        float[][] own = MemoryForPass(values, Graph.Inputs);
        _inner.ReadInputGradient(BatchBuffers.InOrder(own));
        Gather(own, values, Graph.Inputs, _samples);
    }

    public void Read(Parameter parameter, Span<float> values) => _inner.Read(parameter, values);

    public void Write(Parameter parameter, ReadOnlySpan<float> values) => _inner.Write(parameter, values);

    public void ReadGradient(Parameter parameter, Span<float> values)
    {
        if (!Spec.KeepGradients)
            throw new InvalidOperationException("There are no gradients to read: the executable was compiled with "
                + "KeepGradients: false. Compile it with KeepGradients: true.");
        _inner.ReadGradient(parameter, values);
    }

    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
    {
        CheckHasGradients(nameof(WriteGradient));
        _inner.WriteGradient(parameter, values);
    }

    public void ScaleGradients(float factor)
    {
        CheckHasGradients(nameof(ScaleGradients));
        _inner.ScaleGradients(factor);
    }

    public double ClipGradientNorm(float maxNorm)
    {
        CheckHasGradients(nameof(ClipGradientNorm));
        return _inner.ClipGradientNorm(maxNorm);
    }

    public void ClipGradientValue(float maxValue)
    {
        CheckHasGradients(nameof(ClipGradientValue));
        _inner.ClipGradientValue(maxValue);
    }

    public int SampleOffset
    {
        get => _offset;
        set
        {
            _inner.SampleOffset = value;
            _offset = value;
        }
    }

    public GradientReadyCallback? GradientReady
    {
        get => _inner.GradientReady;
        set
        {
            if (value is not null && !Spec.KeepGradients)
                throw new InvalidOperationException("There are no gradients to report: the executable was compiled "
                    + "with KeepGradients: false. Compile it with KeepGradients: true.");
            _inner.GradientReady = value;
        }
    }

    public bool IsFrozen(Parameter parameter) => _inner.IsFrozen(parameter);

    public void Freeze(params IEnumerable<Parameter> parameters) => _inner.Freeze(parameters);

    public void Unfreeze(params IEnumerable<Parameter> parameters) => _inner.Unfreeze(parameters);

    public TrainingState SaveState() => _inner.SaveState();

    public void LoadState(TrainingState state) => _inner.LoadState(state);

    public void Dispose() => _inner.Dispose();

    public void Sum(Span<double> values) => _communicator.Sum(values);

    public IReadOnlyList<string> Exchange(string text) => _communicator.Exchange(text);

    private void CheckHasGradients(string what)
    {
        if (_hasNoGradients)
            throw new InvalidOperationException(
                $"{what} needs gradients. Call Backward first; TrainStep with KeepGradients: false leaves none.");
    }

    // Begins a pass over a whole batch, and returns the samples of this rank. A rank without samples makes a pass too,
    // over zeros that do not count, so that all ranks count the same passes.
    private BatchValues Begin(BatchValues input)
    {
        input = input.InOrderOf(Graph.Inputs, "input");
        int n = Executable.CountSamples(input, Graph, BatchSize);
        Synchronize();
        (int first, int count) = Share.Of(n);
        _inner.SampleOffset = _offset + first;
        Pass.Begin(n, count);
        _samples = n;
        return count > 0 ? input.Slice(first, count, Graph.Inputs)
            : BatchValues.InOrder([.. Graph.Inputs.Select(node => new float[node.Shape.Length])]);
    }

    private Targets StartTargets(Targets targets)
    {
        targets.CheckFor(_objectives, _samples);
        (int first, int count) = Own;
        Targets own = count > 0 ? targets.Slice(first, count, _samples)
            : targets.Weighted(default).Slice(0, 1, _samples);
        bool counts = count > 0 && Counts(own);
        Pass.StartDivisors(own, count, counts);
        return counts ? own : own.Weighted(default);
    }

    // Weights of a share may all be zero. A weighted mean of them is not defined, but they do not count anyway.
    private bool Counts(Targets own)
    {
        foreach (Node output in _objectiveNodes)
        {
            if (own.For(output).SampleWeights is { IsEmpty: false } weights && !weights.ContainsAnyExcept(0f))
                return false;
        }
        return true;
    }

    // All ranks begin with the state of rank 0.
    private void Synchronize()
    {
        if (_isSynchronized)
            return;
        TrainingState state = _inner.SaveState();
        string own = $"step {state.Step}, pass {state.Pass}, frozen {string.Join(' ', state.Frozen)}, "
            + string.Join(' ', state.Tensors.Select(tensor => $"{tensor.Name}:{tensor.Values.Length}"));
        IReadOnlyList<string> all = _communicator.Exchange(own);
        if (all.Index().FirstOrDefault(each => each.Item != all[0]) is { Item: not null, Index: var rank })
            throw new InvalidOperationException($"Rank {rank} has another network, or has made other steps, than rank "
                + $"0: {Excerpt.Of(all[rank])} instead of {Excerpt.Of(all[0])}. Start all ranks with the same program "
                + "and files.");
        var tensors = new List<NamedTensor>();
        foreach (NamedTensor tensor in state.Tensors)
        {
            float[] values = [.. tensor.Values];
            _communicator.Broadcast<float>(values, root: 0);
            tensors.Add(tensor with { Values = values });
        }
        if (Share.Rank > 0)
            _inner.LoadState(state with { Tensors = tensors });
        _isSynchronized = true;
    }
}
