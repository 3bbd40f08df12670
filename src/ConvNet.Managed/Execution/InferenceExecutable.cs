using System.Diagnostics;

namespace ConvNet;

/// <summary>The base class of the executables of a backend that computes forward passes only. It keeps the parameters;
/// a derived class computes.</summary>
/// <remarks>Such a backend sets <see cref="BackendInfo.InferenceOnly"/>, and its <see cref="IBackend.Compile"/> throws
/// <see cref="NotSupportedException"/>.</remarks>
public abstract class InferenceExecutable : Executable
{
    private readonly float[][] _values;

    /// <summary>Validates the graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="backendDisposed">Returns whether the backend has been disposed.</param>
    /// <inheritdoc cref="Executable(Graph, int, TrainingSpec, Func{bool})" path="/exception"/>
    protected InferenceExecutable(Graph graph, int batchSize, Func<bool> backendDisposed)
        : base(graph, batchSize, null, backendDisposed)
    {
        _values = [.. graph.Parameters.Select(parameter => new float[parameter.Length])];
        foreach (Parameter parameter in graph.Parameters)
            Array.Fill(_values[parameter.Index], parameter.Initial.Value ?? 0);
    }

    /// <summary>The values of a parameter or buffer, in the order of its dimensions. They must not be
    /// changed.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    protected float[] ValuesOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return _values[parameter.Index];
    }

    /// <summary>Called after a parameter or buffer has been written.</summary>
    protected virtual void ParametersChanged()
    {
    }

    /// <inheritdoc/>
    protected sealed override void ReadCore(Parameter parameter, Span<float> values)
        => ValuesOf(parameter).CopyTo(values);

    /// <inheritdoc/>
    protected sealed override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
    {
        values.CopyTo(ValuesOf(parameter));
        ParametersChanged();
    }

    /// <inheritdoc/>
    protected sealed override void ForwardCore(BatchValues input, int n) => throw Trains();

    /// <inheritdoc/>
    protected sealed override double LossCore(int index, Targets targets) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void BackwardCore(BatchValues outputGradient, bool accumulate) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void StepCore(float learningRate) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void KeepBuffersCore() => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ExchangeBuffersCore() => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ReadOutputCore(int index, Span<float> values) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ReadGradientCore(Parameter parameter, Span<float> values) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ReadInputGradientCore(int index, Span<float> values) => throw Trains();

    /// <inheritdoc/>
    protected sealed override Span<float> BucketCore(int bucket, bool accumulate) => throw Trains();

    /// <inheritdoc/>
    protected sealed override double GradientSquaresCore(Parameter parameter) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ScaleGradientsCore(float factor) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ClampGradientsCore(float most) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ReadStateCore(Parameter parameter, int index, Span<float> values) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values,
        long steps) => throw Trains();

    /// <inheritdoc/>
    protected sealed override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets) => throw Trains();

    // The base class refuses every training call of an executable without a training specification.
    private static UnreachableException Trains() => new();
}
