using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace ConvNet;

/// <summary>A graph compiled for libtorch: nodes as calls, parameters as tensors.</summary>
/// <remarks>
/// Every call opens a dispose scope, so that the tensors it creates are freed when it ends. The outputs and the losses
/// are kept until the backward pass has used them. Parameters, buffers and batch memory live as long as the plan.
/// While the plan is traced, torch also retains the gradients of all outputs. They are shown in reverse order after its
/// backward pass, which is otherwise unchanged. The gradients of a forward pass that was not traced are not shown.
/// </remarks>
internal sealed class TorchSharpPlan : Executable, ITraces
{
    private readonly TorchRuntime _runtime;
    private readonly Tensor[] _parameters;
    private readonly Lowering _lowering;
    private readonly TorchCall?[] _calls;
    private readonly int[][] _inputs, _lastReads;
    private readonly Tensor[][] _arguments;
    private readonly HostBuffer<float>[] _inputValues;
    private readonly TorchObjectives _objectives;
    private readonly bool[] _frozenNodes;
    private Tensor[]? _buckets;
    private ExceptionDispatchInfo? _callbackFailure;
    private int _finalFrom;
    private OptimizerGroup[] _groups = [];
    private GroupOptimizer? _optimizer;
    private readonly NativeMemoryPressure _pressure;
    private readonly float[][] _keptBuffers;
    private readonly Tensor?[] _outputs, _traced;
    private readonly NodeTracing _tracing;
    private HostBuffer<float>[] _inferenceInputs = [];

    internal TorchSharpPlan(Graph graph, int batchSize, TrainingSpec? spec, TorchRuntime runtime,
        Func<bool> backendDisposed)
        : base(graph, batchSize, spec, backendDisposed)
    {
        _runtime = runtime;
        _lowering = new Lowering(graph, batchSize, spec?.Seed ?? 0, runtime);
        _inputs = [.. graph.Nodes.Select(node => node.Inputs.Select(input => input.Index).ToArray())];
        _lastReads = LastReads(graph);
        _arguments = Array.ConvertAll(_inputs, inputs => new Tensor[inputs.Length]);
        (_outputs, _traced) = (new Tensor?[graph.Outputs.Count], new Tensor?[graph.Nodes.Count]);
        _tracing = new NodeTracing(graph, spec is not null);
        _pressure = new NativeMemoryPressure(NativeBytes());
        using TorchScope scope = OpenScope();
        try
        {
            _frozenNodes = new bool[graph.Nodes.Count];
            _parameters = [.. graph.Parameters.Select(p => Allocate(p, spec is not null))];
            _calls = [.. graph.Nodes.Select(node => node.Layer is null ? null
                : _lowering.Lower(node, [.. node.Parameters.Select(Of)]).Call)];
            _inputValues = spec is null ? [] : BuffersFor(graph.Inputs, spec.InputGradient);
            _objectives = new TorchObjectives(Objectives, batchSize, OutputOf, LossFactor);
            _keptBuffers = [.. graph.Parameters.Select(p => new float[spec is null || p.Trainable ? 0 : p.Length])];
        }
        catch (Exception error) when (IsOutOfMemory(error))
        {
            long asked = Objectives.Sum(objective => (long)batchSize * objective.Output.Shape.Length)
                + (spec is null ? 0 : graph.Inputs.Sum(input => (long)batchSize * input.Shape.Length))
                + graph.Parameters.Sum(p => (long)p.Length);
            throw MemoryNeed.Of<float>(graph, batchSize).Exceeded(sizeof(float) * asked, error);
        }
        if (spec is null)
            return;
        (_groups, _optimizer) = OptimizerOf(Frozen);
        SetFrozen(Frozen);
    }

    public IReadOnlyList<TracedOperation> TrainingOperations => _tracing.Training;

    public IReadOnlyList<TracedOperation> InferenceOperations => _tracing.Inference;

    public TraceCallback? Trace
    {
        get => _tracing.Callback;
        set
        {
            using Hold hold = Enter();
            _tracing.Callback = value;
        }
    }

    internal override bool SharesStatistics => true;

    protected override void ForwardCore(BatchValues input, int n)
    {
        using TorchScope scope = OpenScope();
        EndPass();
        SharedStatistics? statistics = Statistics is null ? null : new SharedStatistics(Statistics, error
            => _callbackFailure ??= ExceptionDispatchInfo.Capture(error));
        Tensor[] values = Run(_inputValues, input, new Pass(n, Training: true, PassNumber, FirstSample, statistics));
        for (int i = 0; i < _outputs.Length; i++)
            _outputs[i] = values[Graph.Outputs[i].Index].DetachFromDisposeScope();
    }

    protected override double LossCore(int index, Targets targets)
    {
        using TorchScope scope = OpenScope();
        return _objectives.Evaluate(index, targets);
    }

    protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
    {
        using TorchScope scope = OpenScope();
        (_finalFrom, _callbackFailure) = (Graph.Nodes.Count, null);
        if (ReportsGradients)
            PutGradientsInBuckets(accumulate);
        else
            ForgetGradients(accumulate);
        for (int i = 0; Spec!.InputGradient && i < _inputValues.Length; i++)
            InputOfPass(i).grad = null;
        _objectives.Differentiate(outputGradient);
        // The gradients of outputs that were not given are zero.
        if (outputGradient.IsNamed)
            CompleteGradients();
        if (_callbackFailure is null)
            ShowGradients();
        EndPass();
        _callbackFailure?.Throw();
    }

    protected override Span<float> BucketCore(int bucket, bool accumulate) => _buckets![bucket].Floats();

    protected override void StepCore(float learningRate)
    {
        using TorchScope scope = OpenScope();
        if (_optimizer is null)
            return;
        _optimizer.SetLearningRate(StepNumber, learningRate);
        _optimizer.step();
    }

    protected override void KeepBuffersCore()
    {
        foreach (Parameter parameter in Graph.Parameters.Where(p => !p.Trainable))
            Of(parameter).Floats().CopyTo(_keptBuffers[parameter.Index]);
    }

    protected override void ExchangeBuffersCore()
    {
        foreach (Parameter parameter in Graph.Parameters.Where(p => !p.Trainable))
        {
            Span<float> values = Of(parameter).Floats(), kept = _keptBuffers[parameter.Index];
            for (int i = 0; i < values.Length; i++)
                (values[i], kept[i]) = (kept[i], values[i]);
        }
    }

    protected override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        using TorchScope scope = OpenScope();
        (OptimizerGroup[] groups, GroupOptimizer? optimizer) = OptimizerOf(frozen);
        if (optimizer is not null)
            optimizer.Steps = StepNumber - 1;
        foreach (Parameter p in Graph.Parameters.Where(p => Frozen.Trains(p) && frozen.Trains(p)))
        {
            for (int i = 0; i < Spec!.Optimizer.StateNames.Count; i++)
                optimizer!.StateOf(Of(p), i).copy_(_optimizer!.StateOf(Of(p), i));
        }
        EndPass();
        _optimizer?.Dispose();
        (_groups, _optimizer) = (groups, optimizer);
        FreeBuckets();
        SetFrozen(frozen);
    }

    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
        using TorchScope scope = OpenScope();
        using IDisposable noGrad = no_grad();
        if (_inferenceInputs.Length == 0)
            _inferenceInputs = BuffersFor(Graph.Inputs);
        Tensor[] values = Run(_inferenceInputs, input, new Pass(n, Training: false, 0, 0));
        for (int i = 0; i < _outputs.Length; i++)
        {
            if (!output[i].IsEmpty)
                values[Graph.Outputs[i].Index].ReadFloats(output[i]);
        }
    }

    protected override void SampleLossesCore(int index, ReadOnlySpan<float> values, Targets targets,
        Span<double> losses)
    {
        using TorchScope scope = OpenScope();
        using IDisposable noGrad = no_grad();
        _objectives.EvaluateSamples(index, values, targets, losses);
    }

    protected override void ReadOutputCore(int index, Span<float> values) => _outputs[index]!.ReadFloats(values);

    protected override void ReadCore(Parameter parameter, Span<float> values) => Of(parameter).ReadFloats(values);

    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
        => Of(parameter).WriteFloats(values);

    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        => ReadGradient(Of(parameter), values);

    protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
    {
        using TorchScope scope = OpenScope();
        Tensor parameterTensor = Of(parameter), gradient = zeros(parameterTensor.shape, ScalarType.Float32, CPU);
        gradient.WriteFloats(values);
        if (parameterTensor.grad is { } there)
            there.copy_(gradient);
        else
            parameterTensor.grad = gradient;
    }

    protected override double GradientSquaresCore(Parameter parameter)
    {
        using TorchScope scope = OpenScope();
        return Of(parameter).grad!.to(ScalarType.Float64).square().sum().item<double>();
    }

    protected override void ScaleGradientsCore(float factor)
    {
        using TorchScope scope = OpenScope();
        using Scalar scalar = factor;
        foreach (Tensor gradient in Gradients())
            gradient.mul_(scalar);
    }

    protected override void ClampGradientsCore(float most)
    {
        using TorchScope scope = OpenScope();
        using Scalar lowest = -most, highest = most;
        foreach (Tensor gradient in Gradients())
            gradient.clamp_(lowest, highest);
    }

    protected override void ReadStateCore(Parameter parameter, int index, Span<float> values)
        => _optimizer!.StateOf(Of(parameter), index).ReadFloats(values);

    protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps)
    {
        using TorchScope scope = OpenScope();
        _optimizer!.StateOf(Of(parameter), index).WriteFloats(values);
        _optimizer.Steps = steps;
    }

    protected override void ReadInputGradientCore(int index, Span<float> values)
        => ReadGradient(InputOfPass(index), values);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        EndPass();
        _optimizer?.Dispose();
        FreeBuckets();
        Array.ForEach(_parameters, parameter => parameter.Dispose());
        _lowering.Dispose();
        _objectives.Dispose();
        foreach (HostBuffer<float> buffer in (HostBuffer<float>[])[.. _inputValues, .. _inferenceInputs])
            buffer.Dispose();
        _pressure.Dispose();
    }

    private IEnumerable<Tensor> Gradients() => Graph.Parameters.Where(Frozen.Trains).Select(p => Of(p).grad!);

    private Tensor InputOfPass(int index) => _inputValues[index].First(N * Graph.Inputs[index].Shape.Length);

    private Tensor OutputOf(Objective objective)
    {
        int index = 0;
        while (Graph.Outputs[index] != objective.Output)
            index++;
        return _outputs[index]!;
    }

    private HostBuffer<float>[] BuffersFor(IEnumerable<Node> nodes, bool requiresGradient = false)
        => [.. nodes.Select(node
            => new HostBuffer<float>(BatchSize * node.Shape.Length, ScalarType.Float32, requiresGradient))];

    // Thrown for the runtime's arrays, or by torch's own allocator, which has no exception type for it.
    private static bool IsOutOfMemory(Exception error) => error is OutOfMemoryException
        || error is ExternalException && error.Message.Contains("memory", StringComparison.Ordinal);

    private static Tensor Allocate(Parameter parameter, bool training)
    {
        long[] size = [.. parameter.Dimensions.Select(extent => (long)extent)];
        Tensor values = zeros(size, ScalarType.Float32, CPU);
        if (!parameter.Trainable)
            values.Floats().Fill(parameter.Initial.Value!.Value);
        return parameter.Trainable && training
            ? new TorchParameter(values).DetachFromDisposeScope()
            : values.DetachFromDisposeScope();
    }

    private (OptimizerGroup[] Groups, GroupOptimizer? Optimizer) OptimizerOf(FrozenParameters frozen)
    {
        OptimizerGroup[] groups = [.. Graph.Parameters.Where(frozen.Trains).GroupBy(Spec!.Optimizer.OptionsOf)
            .Select(group => new OptimizerGroup([.. group], [.. group.Select(p => (TorchParameter)Of(p))], group.Key))];
        try
        {
            // Torch rejects an optimiser without parameters.
            return (groups, groups.Length == 0 ? null : TorchOptimizers.Of(Spec.Optimizer)(groups));
        }
        catch (Exception error) when (IsOutOfMemory(error))
        {
            long asked = Spec.Optimizer.StateNames.Count * groups.Sum(group => group.Tensors.Sum(t => t.numel()));
            throw MemoryNeed.Of<float>(Graph, BatchSize).Exceeded(sizeof(float) * asked, error);
        }
    }

    private void SetFrozen(FrozenParameters frozen)
    {
        foreach (Parameter p in Graph.Parameters.Where(p => p.Trainable))
            (Of(p).grad, Of(p).requires_grad) = (null, frozen.Trains(p));
        foreach (Node node in Graph.Nodes)
            _frozenNodes[node.Index] = frozen.Contains(node);
    }

    // Estimates the memory that torch holds from a forward pass to its backward pass: every value, the same amount
    // again for what autograd keeps, and the parameters with gradients and state. The actual amount may be smaller.
    private long NativeBytes()
    {
        long parameters = Graph.Parameters.Sum(p => (long)p.Length),
            values = Graph.Nodes.Sum(node => (long)node.Shape.Length) * BatchSize;
        return sizeof(float)
            * (Spec is null ? parameters : (2 + Spec.Optimizer.StateNames.Count) * parameters + 2 * values);
    }

    private Tensor Of(Parameter parameter) => _parameters[parameter.Index];

    private TorchScope OpenScope() => new(_runtime.Info.Threads);

    private Tensor[] Run(HostBuffer<float>[] buffers, BatchValues input, Pass pass)
    {
        var values = new Tensor[Graph.Nodes.Count];
        for (int i = 0; i < buffers.Length; i++)
        {
            input[i].CopyTo(buffers[i].Values);
            values[Graph.Inputs[i].Index] = _lowering.Input(buffers[i].First(input[i].Length), Graph.Inputs[i].Shape);
        }
        for (int i = 0; i < values.Length; i++)
        {
            if (_calls[i] is not { } call)
                continue;
            Tensor[] read = _arguments[i];
            for (int x = 0; x < read.Length; x++)
                read[x] = values[_inputs[i][x]];
            bool watched = pass.Training && GradientReady is not null && read[0].requires_grad
                && Graph.Nodes[i].Parameters.Any(Frozen.Trains);
            if (watched)
                read[0] = Watch(read[0], i);
            values[i] = call(read, _frozenNodes[i] ? pass with { Training = false } : pass);
            if (watched)
                read[0].Dispose();
            if (_tracing.Active is { } trace)
                Show(trace, values[i], Graph.Nodes[i], pass);
            foreach (int last in _lastReads[i])
            {
                if (!ReferenceEquals(values[last], _traced[last]))
                    values[last].Dispose();
            }
        }
        return values;
    }

    private void Show(NodeTracing trace, Tensor y, Node node, Pass pass)
    {
        trace.ShowOutput(node, pass.N, Copy(y, pass.N, node), isReplaceable: false, pass.Training);
        if (!pass.Training || !y.requires_grad)
            return;
        y.retain_grad();
        _traced[node.Index] = y.DetachFromDisposeScope();
    }

    private void ShowGradients()
    {
        if (_tracing.Active is not { } trace)
            return;
        foreach (Node node in Graph.LayerNodes.Reverse())
        {
            // A gradient is missing if no given gradient of an output depends on the node.
            using Tensor? gradient = _traced[node.Index]?.grad;
            if (gradient is not null)
                trace.ShowGradient(node, N, Copy(gradient, N, node), isReplaceable: false);
        }
    }

    private static Span<float> Copy(Tensor tensor, int n, Node node)
    {
        var values = new float[n * node.Shape.Length];
        tensor.ReadFloats(values);
        return values;
    }

    // The identity, which reports when the backward pass reaches the point before a node. Autograd runs later functions
    // first and stores each gradient before anything else. At this point, the gradients of the node and of all later
    // nodes are final.
    private Tensor Watch(Tensor x, int node) => GradientWatch.apply(x, (Action)(() =>
    {
        if (_callbackFailure is not null)
            return;
        try
        {
            while (_finalFrom > node)
            {
                foreach (Parameter parameter in Graph.Nodes[--_finalFrom].Parameters)
                    GradientIsFinal(parameter);
            }
        }
        catch (Exception error)
        {
            // An exception must not propagate through libtorch, which cannot handle .NET exceptions.
            _callbackFailure = ExceptionDispatchInfo.Capture(error);
        }
    }));

    private void ForgetGradients(bool accumulate)
    {
        foreach (Parameter parameter in Graph.Parameters.Where(p => Frozen.Trains(p) && !accumulate))
            Of(parameter).grad = null;
    }

    // Autograd accumulates into existing gradients in place.
    private void PutGradientsInBuckets(bool accumulate)
    {
        _buckets ??= [.. Buckets.Select(bucket => zeros([bucket.Sum(p => (long)p.Length)], ScalarType.Float32, CPU)
            .DetachFromDisposeScope())];
        for (int i = 0; i < _buckets.Length; i++)
        {
            long start = 0;
            foreach (Parameter parameter in Buckets[i])
            {
                Tensor own = Of(parameter), view = _buckets[i].narrow(0, start, parameter.Length).view(own.shape);
                if (accumulate && own.grad is { } gradient)
                    view.copy_(gradient);
                else
                    view.zero_();
                own.grad = view;
                start += parameter.Length;
            }
        }
    }

    private void CompleteGradients()
    {
        foreach (Parameter parameter in Graph.Parameters.Where(Frozen.Trains))
        {
            using Tensor? gradient = Of(parameter).grad;
            if (gradient is null)
                Of(parameter).grad = zeros_like(Of(parameter));
        }
    }

    private void FreeBuckets()
    {
        Array.ForEach(_buckets ?? [], bucket => bucket.Dispose());
        _buckets = null;
    }

    // For each node, the values that no later node reads. Autograd keeps those that it needs. The others are freed.
    private static int[][] LastReads(Graph graph)
    {
        var reader = new int[graph.Nodes.Count];
        foreach (Node node in graph.Nodes)
        {
            foreach (Node input in node.Inputs)
                reader[input.Index] = node.Index;
        }
        ILookup<int, int> read = Enumerable.Range(0, reader.Length)
            .Where(value => reader[value] > 0 && !graph.Nodes[value].IsOutput)
            .ToLookup(value => reader[value]);
        return [.. graph.Nodes.Select(node => read[node.Index].ToArray())];
    }

    private void EndPass()
    {
        foreach (Tensor? ended in (Tensor?[])[.. _outputs, .. _traced])
            ended?.Dispose();
        _objectives.EndPass();
        Array.Clear(_outputs);
        Array.Clear(_traced);
    }

    // An input that no loss depends on has no gradient in torch. It is read as zero.
    private static void ReadGradient(Tensor tensor, Span<float> values)
    {
        using Tensor? gradient = tensor.grad;
        if (gradient is null)
            values.Clear();
        else
            gradient.ReadFloats(values);
    }
}
