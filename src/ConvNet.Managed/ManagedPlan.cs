using System.Numerics;
using System.Numerics.Tensors;
using ConvNet.Diagnostics;

namespace ConvNet;

/// <summary>A graph compiled for the managed backend: nodes run in order over one arena, then in reverse.</summary>
/// <typeparam name="T">The element type of all arithmetic.</typeparam>
public sealed class ManagedPlan<T> : Executable, IProfiles
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly T[][] _values, _gradients, _optimizerState;
    private readonly int _threads;
    private readonly ManagedPass<T>? _training;
    private ManagedPass<T>? _inference;

    internal ManagedPlan(Graph graph, int batchSize, TrainingSpec? spec, int threads, Func<bool> backendDisposed)
        : base(graph, batchSize, spec, backendDisposed)
    {
        _threads = threads;
        _values = [.. graph.Parameters.Select(p => new T[p.Length])];
        _gradients = [.. graph.Parameters.Select(p => new T[spec is not null && p.Trainable ? p.Length : 0])];
        _optimizerState = [.. graph.Parameters.Select(p => new T[spec is not null && p.Trainable ? p.Length * spec.Optimizer.StateSlots : 0])];
        if (spec is not null)
            _training = new ManagedPass<T>(graph, batchSize, spec, _values, _gradients, threads);
    }

    /// <summary>The values of a parameter or buffer, in the order of its dimensions, to read and to change.</summary>
    public Span<T> Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>The gradient of a parameter after a backward pass.</summary>
    public ReadOnlySpan<T> Gradient(Parameter parameter) => _gradients[parameter.Index];

    /// <inheritdoc/>
    public Recording Record()
    {
        using Hold hold = Enter();
        return (_training ?? Inference).Record(BatchSize, Spec, _threads);
    }

    /// <summary>The values of a node of the last training pass. Its memory may serve others once nothing needs it.</summary>
    internal ReadOnlySpan<T> Activation(Node node) => _training!.Value(node, N);

    /// <summary>The gradient of the images of the last backward pass.</summary>
    internal ReadOnlySpan<T> InputGradient => _training!.InputGradient(N);

    /// <summary>Runs forward from the values in <see cref="InputValues"/> instead of from float images.</summary>
    internal void ForwardInPlace(int n) => _training!.Forward(n, training: true, ForwardCount);

    private ManagedPass<T> Inference => _inference ??= new ManagedPass<T>(Graph, BatchSize, null, _values, [], _threads);

    /// <summary>The images as the plan holds them, to be changed before <see cref="ForwardInPlace"/>.</summary>
    internal Span<T> InputValues => _training!.Value(Graph.Input, BatchSize);

    /// <summary>Fills the arena with NaN before every forward pass: a test that nothing stale is read.</summary>
    internal bool PoisonArena { get; set; }

    /// <inheritdoc/>
    protected override void ForwardCore(ReadOnlySpan<float> images, int n)
    {
        if (PoisonArena)
            _training!.Poison();
        TensorPrimitives.ConvertChecked(images, _training!.Value(Graph.Input, n));
        _training.Forward(n, training: true, ForwardCount);
    }

    /// <inheritdoc/>
    protected override double LossCore(ReadOnlySpan<int> labels)
    {
        using PartTimer timer = _training!.TimeLoss();
        return double.CreateChecked(Spec!.Loss.Evaluate(_training.Value(Output, N), labels, _training.OutputGradient(N)));
    }

    /// <inheritdoc/>
    protected override double LossCore(ReadOnlySpan<float> targets)
    {
        using PartTimer timer = _training!.TimeLoss();
        return double.CreateChecked(Spec!.Loss.Evaluate(_training.Value(Output, N), targets, _training.OutputGradient(N)));
    }

    /// <inheritdoc/>
    protected override void BackwardCore(ReadOnlySpan<float> outputGradient, bool accumulate)
    {
        if (!outputGradient.IsEmpty)
            TensorPrimitives.ConvertChecked(outputGradient, _training!.OutputGradient(N));
        T[][]? before = accumulate ? [.. _gradients.Select(g => g.ToArray())] : null;
        _training!.Backward(N, ForwardCount - 1);
        for (int i = 0; before is not null && i < before.Length; i++)
            TensorPrimitives.Add(before[i], _gradients[i], _gradients[i]);
    }

    /// <inheritdoc/>
    protected override void StepCore(float learningRate)
    {
        using PartTimer timer = _training!.TimeUpdate();
        foreach (Parameter p in Graph.Parameters)
        {
            if (p.Trainable)
                Spec!.Optimizer.Step<T>(p, learningRate, _gradients[p.Index], _values[p.Index], _optimizerState[p.Index]);
        }
    }

    /// <inheritdoc/>
    protected override void InferCore(ReadOnlySpan<float> images, int n, Span<float> scores)
    {
        ManagedPass<T> pass = Inference;
        TensorPrimitives.ConvertChecked(images, pass.Value(Graph.Input, n));
        pass.Forward(n, training: false, 0);
        TensorPrimitives.ConvertChecked<T, float>(pass.Value(Output, n), scores);
    }

    /// <inheritdoc/>
    protected override void ReadScoresCore(Span<float> scores) => TensorPrimitives.ConvertChecked<T, float>(_training!.Value(Output, N), scores);

    /// <inheritdoc/>
    protected override void ReadCore(Parameter parameter, Span<float> values) => TensorPrimitives.ConvertChecked<T, float>(Values(parameter), values);

    /// <inheritdoc/>
    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values) => TensorPrimitives.ConvertChecked(values, Values(parameter));

    /// <inheritdoc/>
    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        => TensorPrimitives.ConvertChecked(Gradient(parameter), values);

    /// <inheritdoc/>
    protected override void ReadInputGradientCore(Span<float> values) => TensorPrimitives.ConvertChecked(InputGradient, values);
}
