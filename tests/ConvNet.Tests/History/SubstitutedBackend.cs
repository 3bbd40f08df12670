using ConvNet.Serialization;

namespace ConvNet.Tests.History;

/// <summary>A backend that runs other layers and losses than the graph has, with the same parameters and shapes: a
/// library with a defect.</summary>
/// <param name="inner">The backend that runs them. The caller keeps ownership.</param>
/// <param name="layers">Returns the layer to run in place of a layer.</param>
/// <param name="losses">Returns the loss to run in place of a loss; null for the same.</param>
internal sealed class SubstitutedBackend(IBackend inner, Func<Layer, Layer> layers, Func<Loss, Loss>? losses = null)
    : IBackend
{
    public BackendInfo Info => inner.Info with { Name = "substituted", Option = null };

    public IExecutable Compile(Graph graph, TrainingSpec spec)
    {
        TrainingSpec own = losses is null ? spec : spec with
        {
            Losses = Losses.Of([.. spec.Losses.Select(of => of with { Loss = losses(of.Loss) })]),
        };
        return new SubstitutedExecutable(graph, spec, inner.Compile(Copy(graph), own));
    }

    public IExecutable CompileInference(Graph graph, int batchSize)
        => new SubstitutedExecutable(graph, null, inner.CompileInference(Copy(graph), batchSize));

    public void Dispose()
    {
    }

    private Graph Copy(Graph graph) => GraphCases.Replace(graph, node => layers(node.Layer!));
}

/// <summary>An executable of a copy of a graph, used with the nodes and parameters of the original.</summary>
internal sealed class SubstitutedExecutable(Graph graph, TrainingSpec? spec, IExecutable inner) : IExecutable
{
    public Graph Graph => graph;

    public int BatchSize => inner.BatchSize;

    public TrainingSpec? Spec => spec;

    public int SampleOffset
    {
        get => inner.SampleOffset;
        set => inner.SampleOffset = value;
    }

    public GradientReadyCallback? GradientReady
    {
        get => inner.GradientReady;
        set => inner.GradientReady = value;
    }

    public void Forward(BatchValues input) => inner.Forward(input);

    public double Loss(Targets targets) => inner.Loss(targets);

    public double ReadLoss(string output) => inner.ReadLoss(output);

    public void Backward(bool accumulate = false) => inner.Backward(accumulate);

    public void Backward(BatchValues outputGradient, bool accumulate = false)
        => inner.Backward(outputGradient, accumulate);

    public void Step(float learningRate) => inner.Step(learningRate);

    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
        => inner.TrainStep(input, targets, learningRate, output);

    public void Infer(BatchValues input, BatchBuffers output) => inner.Infer(input, output);

    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
        => inner.InferLosses(input, targets, losses);

    public void ReadOutput(BatchBuffers output) => inner.ReadOutput(output);

    public void Read(Parameter parameter, Span<float> values) => inner.Read(Own(parameter), values);

    public void Write(Parameter parameter, ReadOnlySpan<float> values) => inner.Write(Own(parameter), values);

    public void ReadGradient(Parameter parameter, Span<float> values) => inner.ReadGradient(Own(parameter), values);

    public void ReadInputGradient(BatchBuffers values) => inner.ReadInputGradient(values);

    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
        => inner.WriteGradient(Own(parameter), values);

    public void ScaleGradients(float factor) => inner.ScaleGradients(factor);

    public double ClipGradientNorm(float maxNorm) => inner.ClipGradientNorm(maxNorm);

    public void ClipGradientValue(float maxValue) => inner.ClipGradientValue(maxValue);

    public bool IsFrozen(Parameter parameter) => inner.IsFrozen(Own(parameter));

    public void Freeze(params IEnumerable<Parameter> parameters) => inner.Freeze(parameters.Select(Own));

    public void Unfreeze(params IEnumerable<Parameter> parameters) => inner.Unfreeze(parameters.Select(Own));

    public TrainingState SaveState() => inner.SaveState();

    public void LoadState(TrainingState state) => inner.LoadState(state);

    public void Dispose() => inner.Dispose();

    private Parameter Own(Parameter parameter) => inner.Graph.Parameters.Single(own => own.Name == parameter.Name);
}
