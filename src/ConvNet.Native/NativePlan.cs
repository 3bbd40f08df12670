using ConvNet.Native;
using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using ConvNet.Profiling;

namespace ConvNet;

/// <summary>A graph compiled for the native backend: lists of kernel calls over preplanned memory.</summary>
public sealed class NativePlan : Executable, IDeclaresAlgorithms, IProfiles, ITraces
{
    private readonly NativeBackend _backend;
    private readonly ThreadsLease? _threads;
    private ParameterStore _parameters;
    private NativePass? _training, _inference;
    private TraceCallback? _trace;
    private bool _prepared;

    /// <summary>Plans a graph. <see cref="Allocate"/> allocates the memory that it needs to run.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="spec">The training specification. Null for inference only.</param>
    /// <param name="backend">The backend.</param>
    internal NativePlan(Graph graph, int batchSize, TrainingSpec? spec, NativeBackend backend)
        : base(graph, batchSize, spec, () => backend.IsDisposed)
    {
        (_backend, _threads) = (backend, backend.LeaseThreads());
        NativeLimits.Check(graph, batchSize);
        (NativePass pass, _parameters) = PlanAll(Frozen, Buckets);
        _training = spec is null ? null : pass;
        _inference = spec is null ? pass : null;
    }

    /// <summary>Allocates all of the memory, or none if it is insufficient.</summary>
    /// <exception cref="InsufficientMemoryException">The memory is insufficient.</exception>
    internal void Allocate()
    {
        try
        {
            TakeMemory(_training ?? _inference!, _parameters);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private void TakeMemory(NativePass pass, ParameterStore parameters)
    {
        (long values, long gradients, long state) = parameters.Bytes;
        try
        {
            parameters.Allocate();
            pass.Allocate();
        }
        catch (OutOfMemoryException error)
        {
            parameters.Dispose();
            pass.Dispose();
            throw MemoryNeed.Of<float>(Graph, BatchSize).Exceeded(values + gradients + state + pass.Bytes, error);
        }
    }

    /// <summary>Describes the algorithm of every layer, the reason for its choice, and the memory use. Describes the
    /// training pass, or the inference pass if the executable does not train.</summary>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public PlanDescription Explain() => (_training ?? _inference!).Explain();

    /// <inheritdoc/>
    public SumAlgorithm AlgorithmOf(Node node, SumPass pass) => (_training ?? _inference!).AlgorithmOf(node, pass);

    /// <inheritdoc/>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public Recording Record()
    {
        using Hold hold = Enter();
        return (_training ?? Inference).Record();
    }

    /// <inheritdoc/>
    public IReadOnlyList<TracedOperation> TrainingOperations => _training?.Operations ?? [];

    /// <inheritdoc/>
    /// <remarks>An executable that also trains plans its inference pass at first use.</remarks>
    /// <exception cref="InsufficientMemoryException">The memory for the inference pass is insufficient.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    /// <exception cref="NotSupportedException">The kernels do not support a size of a layer.</exception>
    /// <exception cref="InvalidOperationException">The executable is in use by another caller.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    public IReadOnlyList<TracedOperation> InferenceOperations
    {
        get
        {
            if (_inference is { } planned)
                return planned.Operations;
            using Hold hold = Enter();
            return Inference.Operations;
        }
    }

    /// <inheritdoc/>
    public TraceCallback? Trace
    {
        get => _trace;
        set
        {
            using Hold hold = Enter();
            _trace = value;
            foreach (NativePass? pass in (ReadOnlySpan<NativePass?>)[_training, _inference])
                pass?.Trace = value;
        }
    }

    /// <summary>The training pass.</summary>
    internal NativePass Training => _training!;

    /// <summary>The inference pass. If the executable also trains, it is created at first use.</summary>
    internal NativePass Inference => _inference ??= Evaluation();

    /// <summary>Whether to fill the arenas with NaN before every forward pass, to test that no stale value is
    /// read.</summary>
    internal bool PoisonArena { get; set; }

    /// <inheritdoc/>
    internal override bool SharesStatistics => true;

    /// <inheritdoc/>
    protected override void ForwardCore(BatchValues input, int n)
    {
        if (PoisonArena)
            Training.Poison();
        Training.Forward(input, new Run(_backend.Context, n, PassNumber, FirstSample, Statistics: Statistics));
    }

    /// <inheritdoc/>
    protected override double LossCore(int index, Targets targets)
    {
        using PartTimer timer = Training.TimeLoss();
        return Training.Loss(index, targets, N, LossFactor(index));
    }

    /// <inheritdoc/>
    protected override void SampleLossesCore(int index, ReadOnlySpan<float> values, Targets targets,
        Span<double> losses)
    {
        if (Training.LossStep(index) is { HasKernel: true } step)
            step.EvaluateSamples(_backend.Context, values, targets, losses);
        else
            base.SampleLossesCore(index, values, targets, losses);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
    {
        for (int i = 0; !outputGradient.IsEmpty && i < Objectives.Count; i++)
        {
            if (outputGradient[i].IsEmpty)
                Training.LossGradient(i, N).Clear();
            else
                outputGradient[i].CopyTo(Training.LossGradient(i, N));
        }
        _parameters.NeedGradients();
        if (accumulate)
            _parameters.KeepGradients();
        var run = new Run(_backend.Context, N, PassNumber, FirstSample, Statistics: Statistics);
        if (ReportsGradients)
        {
            Training.Backward(run, GradientIsFinal);
            return;
        }
        Training.Backward(run);
        if (accumulate)
            _parameters.AddKeptGradients();
    }

    /// <inheritdoc/>
    protected override Span<float> BucketCore(int bucket, bool accumulate) => _parameters.Bucket(bucket, accumulate);

    /// <inheritdoc/>
    protected override void StepCore(float learningRate)
    {
        using PartTimer timer = Training.TimeUpdate();
        _parameters.Step(StepNumber, learningRate);
        _prepared = false;
    }

    /// <inheritdoc/>
    protected override void BackwardAndStepCore(float learningRate)
    {
        BackwardWithStepInside(learningRate);
        _prepared = false;
        if (_parameters.RestFloats == 0)
            return;
        using PartTimer timer = Training.TimeUpdate();
        _parameters.StepRest(StepNumber, learningRate);
    }

    private void BackwardWithStepInside(float learningRate)
    {
        // The callback may throw when some parameters have been updated.
        bool mayThrow = _trace is not null && !_parameters.KeepsGradients;
        if (mayThrow)
            _parameters.KeepTrained();
        try
        {
            Training.Backward(new Run(_backend.Context, N, PassNumber, FirstSample,
                new StepInside(StepNumber, learningRate)));
        }
        catch when (mayThrow)
        {
            _parameters.RestoreTrained();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void KeepBuffersCore() => _parameters.KeepBuffers();

    /// <inheritdoc/>
    protected override void ExchangeBuffersCore() => _parameters.ExchangeBuffers();

    /// <inheritdoc/>
    protected override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        if (Training.IsRecorded)
            throw RecordedMeanwhile();
        (NativePass training, ParameterStore parameters) = PlanAll(frozen, buckets);
        TakeMemory(training, parameters);
        parameters.CopyFrom(_parameters, Graph);
        FreeMemory();
        (_training, _inference, _parameters, _prepared) = (training, null, parameters, false);
        training.Trace = _trace;
    }

    /// <inheritdoc/>
    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
        NativePass pass = Inference;
        if (PoisonArena)
            pass.Poison();
        if (!_prepared)
            pass.Prepare();
        _prepared = true;
        pass.Forward(input, new Run(_backend.Context, n, 0));
        for (int i = 0; i < Graph.Outputs.Count; i++)
        {
            if (!output[i].IsEmpty)
                pass.ReadOutput(i, output[i]);
        }
    }

    /// <inheritdoc/>
    protected override void ReadOutputCore(int index, Span<float> values) => Training.ReadOutput(index, values);

    /// <inheritdoc/>
    protected override void ReadCore(Parameter parameter, Span<float> values) => _parameters.Read(parameter, values);

    /// <inheritdoc/>
    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
    {
        _parameters.Write(parameter, values);
        _prepared = false;
    }

    /// <inheritdoc/>
    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        => _parameters.ReadGradient(parameter, values);

    /// <inheritdoc/>
    protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
        => _parameters.WriteGradient(parameter, values);

    /// <inheritdoc/>
    protected override double GradientSquaresCore(Parameter parameter) => _parameters.GradientSquares(parameter);

    /// <inheritdoc/>
    protected override void ScaleGradientsCore(float factor) => _parameters.ScaleGradients(factor);

    /// <inheritdoc/>
    protected override void ClampGradientsCore(float most) => _parameters.ClampGradients(most);

    /// <inheritdoc/>
    protected override void ReadStateCore(Parameter parameter, int index, Span<float> values)
        => _parameters.ReadState(parameter, index, values);

    /// <inheritdoc/>
    protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps)
        => _parameters.WriteState(parameter, index, values);

    /// <inheritdoc/>
    protected override void ReadInputGradientCore(int index, Span<float> values)
        => Training.ReadInputGradient(index, values);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            FreeMemory();
            _threads?.Dispose();
        }
        base.Dispose(disposing);
    }

    private void FreeMemory()
    {
        _training?.Dispose();
        _inference?.Dispose();
        _parameters.Dispose();
    }

    private (NativePass Pass, ParameterStore Parameters) PlanAll(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        ParameterStore? parameters = null;
        NativePass pass = Plan(Spec is null ? PassKind.Inference : PassKind.Training, frozen,
            primitives => parameters = new ParameterStore(Graph, primitives, frozen, Spec?.Optimizer, buckets,
                Spec?.KeepGradients ?? false, _backend.Context));
        return (pass, parameters!);
    }

    private NativePass Evaluation()
    {
        NativePass pass = Plan(PassKind.Evaluation, FrozenParameters.None, _ => _parameters);
        try
        {
            pass.Allocate();
            pass.Trace = _trace;
            return pass;
        }
        catch (OutOfMemoryException error)
        {
            pass.Dispose();
            throw MemoryNeed.Of<float>(Graph, BatchSize).Exceeded(pass.Bytes, error);
        }
    }

    private NativePass Plan(PassKind kind, FrozenParameters frozen,
        Func<IEnumerable<Primitive>, ParameterStore> parameters)
    {
        TrainingSpec? training = kind == PassKind.Training ? Spec : null;
        return NativePass.Plan(Graph,
            new PassSpec(kind, BatchSize, training, training is null ? [] : Objectives, frozen, _backend.Fuse,
                _backend.Algorithms, _backend.Context), parameters);
    }
}
