using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ConvNet.Profiling;

namespace ConvNet;

/// <summary>A graph compiled for the managed backend. The nodes run in order over one arena, then in reverse
/// order.</summary>
/// <typeparam name="T">The type of all arithmetic.</typeparam>
public sealed class ManagedPlan<T> : Executable, IProfiles, ITraces
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly T[][] _values, _kept;
    private readonly ParameterOptions[] _options;
    private readonly int _threads;
    private readonly NodeTracing _tracing;
    private T[][] _buckets, _optimizerState;
    private Memory<T>[] _gradients;
    private T[][]? _before;
    private float[] _given = [], _reported = [];
    private ManagedPass<T>? _training, _inference;

    internal ManagedPlan(Graph graph, int batchSize, TrainingSpec? spec, int threads, Func<bool> backendDisposed)
        : base(graph, batchSize, spec, backendDisposed)
    {
        _threads = threads;
        _tracing = new NodeTracing(graph, spec is not null);
        _options = spec is null ? [] : [.. graph.Parameters.Select(spec.Optimizer.OptionsOf)];
        CheckSizes(Frozen);
        try
        {
            _values = [.. graph.Parameters.Select(InitialValues)];
            _kept = [.. graph.Parameters.Select(p => new T[spec is null || p.Trainable ? 0 : p.Length])];
        }
        catch (OutOfMemoryException error)
        {
            long asked = graph.Parameters.Sum(p => (long)p.Length);
            throw MemoryNeed.Of<T>(graph, batchSize).Exceeded(asked * Unsafe.SizeOf<T>(), error);
        }
        (_buckets, _optimizerState) = spec is null ? ([], []) : GradientsAndState(Frozen, Buckets);
        _gradients = GradientsIn(_buckets, Buckets);
        if (spec is null)
            _inference = Pass(null, FrozenParameters.None, []);
        else
            _training = Pass(spec, Frozen, _gradients);
    }

    /// <summary>The values of a parameter or buffer, in the order of its dimensions.</summary>
    public ReadOnlySpan<T> Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>The gradient of a parameter after a backward pass.</summary>
    public ReadOnlySpan<T> Gradient(Parameter parameter) => _gradients[parameter.Index].Span;

    /// <summary>The memory of a parameter's values, for a caller that writes values of the plan's own type.</summary>
    internal Span<T> Writable(Parameter parameter) => _values[parameter.Index];

    /// <summary>The values of the inputs in the plan's own type, in the order of the graph's inputs. They replace those
    /// that a training pass is given; null if there are none.</summary>
    internal IReadOnlyList<T[]>? OwnInputs { get; set; }

    /// <inheritdoc/>
    public Recording Record()
    {
        using Hold hold = Enter();
        return (_training ?? Inference).Record(BatchSize, Spec, _threads);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TracedOperation> TrainingOperations => _tracing.Training;

    /// <inheritdoc/>
    public IReadOnlyList<TracedOperation> InferenceOperations => _tracing.Inference;

    /// <inheritdoc/>
    public TraceCallback? Trace
    {
        get => _tracing.Callback;
        set
        {
            using Hold hold = Enter();
            _tracing.Callback = value;
        }
    }

    /// <summary>The output of a node in the last training pass. Its memory may be reused once it is no longer
    /// needed.</summary>
    public ReadOnlySpan<T> Activation(Node node) => _training!.Value(node, N);

    /// <summary>The gradient of an input from the last backward pass; empty if no loss depends on it.</summary>
    internal ReadOnlySpan<T> InputGradient(Node input) => _training!.InputGradient(input, N);

    private ManagedPass<T> Inference
        => _inference ??= Pass(null, FrozenParameters.None, []);

    /// <summary>Whether the arena is filled with NaN before every forward pass, so that tests detect reads of stale
    /// data.</summary>
    internal bool PoisonArena { get; set; }

    /// <inheritdoc/>
    internal override bool SharesStatistics => true;

    /// <inheritdoc/>
    protected override void ForwardCore(BatchValues input, int n)
    {
        if (PoisonArena)
            _training!.Poison();
        WriteInputs(_training!, input, n);
        for (int i = 0; i < OwnInputs?.Count; i++)
            OwnInputs[i].CopyTo(_training!.Value(Graph.Inputs[i], n));
        _training!.Forward(n, training: true, PassNumber, FirstSample, _tracing.Active, Statistics);
    }

    /// <inheritdoc/>
    protected override double LossCore(int index, Targets targets)
    {
        using PartTimer timer = _training!.TimeLoss();
        (Node output, Loss loss, _) = Objectives[index];
        Span<T> gradient = _training.LossGradient(output, N);
        T value = loss.Evaluate(new LossFrame<T>(output.Shape, _training.Value(output, N), targets, gradient));
        if (LossFactor(index) is not 1 and var factor)
            TensorPrimitives.Multiply(gradient, T.CreateChecked(factor), gradient);
        return double.CreateChecked(value);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
    {
        for (int i = 0; !outputGradient.IsEmpty && i < Objectives.Count; i++)
        {
            Span<T> gradient = _training!.LossGradient(Objectives[i].Output, N);
            if (outputGradient[i].IsEmpty)
                gradient.Clear();
            else
                TensorPrimitives.ConvertChecked(outputGradient[i], gradient);
        }
        _before = accumulate ? Copy(_buckets) : null;
        _training!.Backward(N, PassNumber, FirstSample, ReportsGradients ? GradientIsFinal : null, _tracing.Active,
            Statistics);
        for (int i = 0; accumulate && !ReportsGradients && i < _buckets.Length; i++)
            AddBefore(i);
    }

    /// <inheritdoc/>
    protected override Span<float> BucketCore(int bucket, bool accumulate)
    {
        if (accumulate)
            AddBefore(bucket);
        T[] values = _buckets[bucket];
        if (typeof(T) == typeof(float))
            return MemoryMarshal.Cast<T, float>(values.AsSpan());
        (_given, _reported) = (new float[values.Length], new float[values.Length]);
        TensorPrimitives.ConvertChecked<T, float>(values, _given);
        _given.CopyTo(_reported, 0);
        return _reported;
    }

    /// <inheritdoc/>
    protected override void BucketReportedCore(int bucket)
    {
        // Values of a single-precision copy that were not changed keep their full precision.
        for (int i = 0; i < _given.Length; i++)
        {
            if (!_given[i].Equals(_reported[i]))
                _buckets[bucket][i] = T.CreateChecked(_reported[i]);
        }
    }

    /// <inheritdoc/>
    protected override void StepCore(float learningRate)
    {
        using PartTimer timer = _training!.TimeUpdate();
        (T[][] Values, T[][] State)? before = Spec!.Optimizer.MayThrow ? (Copy(_values), Copy(_optimizerState)) : null;
        try
        {
            foreach (Parameter p in Graph.Parameters.Where(Frozen.Trains))
                Step(p, learningRate);
        }
        catch when (before is not null)
        {
            for (int i = 0; i < _values.Length; i++)
            {
                before.Value.Values[i].CopyTo(_values[i], 0);
                before.Value.State[i].CopyTo(_optimizerState[i], 0);
            }
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void KeepBuffersCore()
    {
        foreach (Parameter p in Graph.Parameters.Where(p => !p.Trainable))
            _values[p.Index].CopyTo(_kept[p.Index], 0);
    }

    /// <inheritdoc/>
    protected override void ExchangeBuffersCore()
    {
        // The arrays are kept, because the passes refer to them.
        foreach (Parameter p in Graph.Parameters.Where(p => !p.Trainable))
        {
            T[] values = _values[p.Index], kept = _kept[p.Index];
            for (int i = 0; i < values.Length; i++)
                (values[i], kept[i]) = (kept[i], values[i]);
        }
    }

    /// <inheritdoc/>
    protected override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        if (_training!.IsRecorded)
            throw RecordedMeanwhile();
        CheckSizes(frozen);
        (T[][] values, T[][] state) = GradientsAndState(frozen, buckets);
        Memory<T>[] gradients = GradientsIn(values, buckets);
        ManagedPass<T> training = Pass(Spec, frozen, gradients);
        foreach (Parameter p in Graph.Parameters.Where(p => Frozen.Trains(p) && frozen.Trains(p)))
            state[p.Index] = _optimizerState[p.Index];
        (_buckets, _gradients, _optimizerState, _training) = (values, gradients, state, training);
    }

    /// <inheritdoc/>
    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
        ManagedPass<T> pass = Inference;
        WriteInputs(pass, input, n);
        pass.Forward(n, training: false, pass: 0, firstSample: 0, _tracing.Active);
        for (int i = 0; i < Graph.Outputs.Count; i++)
        {
            if (!output[i].IsEmpty)
                TensorPrimitives.ConvertChecked<T, float>(pass.Value(Graph.Outputs[i], n), output[i]);
        }
    }

    /// <inheritdoc/>
    protected override void ReadOutputCore(int index, Span<float> values)
        => TensorPrimitives.ConvertChecked<T, float>(_training!.Value(Graph.Outputs[index], N), values);

    /// <inheritdoc/>
    protected override void ReadCore(Parameter parameter, Span<float> values)
        => TensorPrimitives.ConvertChecked<T, float>(Values(parameter), values);

    /// <inheritdoc/>
    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
        => TensorPrimitives.ConvertChecked(values, _values[parameter.Index]);

    /// <inheritdoc/>
    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        => TensorPrimitives.ConvertChecked(Gradient(parameter), values);

    /// <inheritdoc/>
    protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
        => TensorPrimitives.ConvertChecked(values, _gradients[parameter.Index].Span);

    /// <inheritdoc/>
    protected override double GradientSquaresCore(Parameter parameter)
    {
        double squares = 0;
        foreach (T g in Gradient(parameter))
            squares += double.CreateChecked(g) * double.CreateChecked(g);
        return squares;
    }

    /// <inheritdoc/>
    protected override void ScaleGradientsCore(float factor)
    {
        foreach (T[] gradient in _buckets)
            TensorPrimitives.Multiply(gradient, T.CreateChecked(factor), gradient);
    }

    /// <inheritdoc/>
    protected override void ClampGradientsCore(float most)
    {
        T highest = T.CreateChecked(most);
        foreach (T[] gradient in _buckets)
        {
            foreach (ref T g in gradient.AsSpan())
                g = g < -highest ? -highest : g > highest ? highest : g;
        }
    }

    /// <inheritdoc/>
    protected override void ReadStateCore(Parameter parameter, int index, Span<float> values)
        => TensorPrimitives.ConvertChecked<T, float>(State(parameter)[index], values);

    /// <inheritdoc/>
    protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps)
        => TensorPrimitives.ConvertChecked(values, State(parameter)[index]);

    /// <inheritdoc/>
    protected override void ReadInputGradientCore(int index, Span<float> values)
    {
        if (InputGradient(Graph.Inputs[index]) is { IsEmpty: false } gradient)
            TensorPrimitives.ConvertChecked(gradient, values);
        else
            values.Clear();
    }

    private void WriteInputs(ManagedPass<T> pass, BatchValues input, int n)
    {
        for (int i = 0; i < Graph.Inputs.Count; i++)
            TensorPrimitives.ConvertChecked(input[i], pass.Value(Graph.Inputs[i], n));
    }

    private int Copies => Spec?.Optimizer.StateNames.Count ?? 0;

    private ManagedPass<T> Pass(TrainingSpec? spec, FrozenParameters frozen, Memory<T>[] gradients)
        => new(Graph, BatchSize, spec, spec is null ? [] : Objectives, frozen, _values, gradients, _threads);

    private void CheckSizes(FrozenParameters frozen)
    {
        bool IsTooLarge(Parameter p) => Math.Max(p.Length, (long)Copies * Trained(p, frozen)) > Array.MaxLength;
        if (Graph.Parameters.FirstOrDefault(IsTooLarge) is { } large)
        {
            throw new NotSupportedException(
                $"The managed backend cannot run {large.Node}: the {large.Length:N0} values of {large}, "
                + $"or the optimiser's state of them, exceed its limit of {Array.MaxLength:N0}.");
        }
    }

    private (T[][] Buckets, T[][] State) GradientsAndState(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        try
        {
            return ([.. buckets.Select(bucket => new T[bucket.Sum(p => p.Length)])],
                [.. Graph.Parameters.Select(p => new T[Copies * Trained(p, frozen)])]);
        }
        catch (OutOfMemoryException error)
        {
            long asked = Graph.Parameters.Sum(p => (1L + Copies) * Trained(p, frozen));
            throw MemoryNeed.Of<T>(Graph, BatchSize).Exceeded(asked * Unsafe.SizeOf<T>(), error);
        }
    }

    // The memory of each parameter's gradient within its bucket; empty for parameters without a gradient.
    private Memory<T>[] GradientsIn(T[][] values, IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
        var gradients = new Memory<T>[Graph.Parameters.Count];
        for (int i = 0; i < values.Length; i++)
        {
            int start = 0;
            foreach (Parameter p in buckets[i])
            {
                gradients[p.Index] = values[i].AsMemory(start, p.Length);
                start += p.Length;
            }
        }
        return gradients;
    }

    private void AddBefore(int bucket) => TensorPrimitives.Add(_before![bucket], _buckets[bucket], _buckets[bucket]);

    private static int Trained(Parameter p, FrozenParameters frozen) => frozen.Trains(p) ? p.Length : 0;

    private StateSpans<T> State(Parameter p) => new(_optimizerState[p.Index], Spec!.Optimizer.StateNames.Count);

    private void Step(Parameter p, float learningRate)
    {
        Optimizer optimizer = Spec!.Optimizer;
        try
        {
            optimizer.Move<T>(_options[p.Index].At(StepNumber, learningRate), p, Gradient(p), _values[p.Index],
                State(p));
        }
        catch (Exception error) when (FailurePlace.Note(error, $"{p.Name} ({optimizer.GetType().Name})"))
        {
            throw;
        }
    }

    private static T[] InitialValues(Parameter parameter)
    {
        var values = new T[parameter.Length];
        if (!parameter.Trainable)
            Array.Fill(values, T.CreateChecked(parameter.Initial.Value!.Value));
        return values;
    }

    private static T[][] Copy(T[][] values) => Array.ConvertAll(values, array => (T[])array.Clone());
}
