using ConvNet.Serialization;

namespace ConvNet.GradientChecking.Research;

/// <summary>An executable that injects a fault into results when they are read. Accumulated gradients remain
/// correct.</summary>
internal class FaultyExecutable(FaultyBackend backend, Fault fault, IExecutable inner, Rerun rerun)
    : IExecutable, IDeclaresAlgorithms
{
    private readonly Random _random = new(fault.Seed);
    private int _passes;
    private TrainingPass? _pass, _before;

    public Graph Graph => inner.Graph;

    public int BatchSize => inner.BatchSize;

    public TrainingSpec? Spec => inner.Spec;

    public SumAlgorithm AlgorithmOf(Node node, SumPass pass) => (inner as IDeclaresAlgorithms)?.AlgorithmOf(node, pass)
        ?? SumAlgorithm.Direct;

    public void Forward(BatchValues input)
    {
        float[][] state = [.. Graph.Parameters.Select(ReadRight)];
        (_before, _pass) = (_pass, new TrainingPass(_passes++, state,
            input.InOrderOf(Graph.Inputs, "input").ToArrays(Graph.Inputs.Count)));
        backend.Injected = 0;
        InForward = true;
        try
        {
            inner.Forward(input);
        }
        finally
        {
            InForward = false;
        }
    }

    public double Loss(Targets targets)
    {
        double loss = inner.Loss(targets);
        _pass = _pass! with { Targets = KeptTargets.Of(targets) };
        return Spoilt(loss);
    }

    public void Backward(bool accumulate = false)
    {
        inner.Backward(accumulate);
        _pass = _pass! with { Accumulates = accumulate };
    }

    public double ReadLoss(string output) => inner.ReadLoss(output);

    public void Backward(BatchValues outputGradient, bool accumulate = false)
    {
        inner.Backward(outputGradient, accumulate);
        BatchValues ordered = outputGradient.InOrderOf(NodesWithLoss, "output with a loss", all: false);
        _pass = _pass! with
        {
            OutputGradient = ordered.ToArrays(NodesWithLoss.Length),
            Accumulates = accumulate,
        };
    }

    public void Step(float learningRate) => inner.Step(learningRate);

    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
        => inner.WriteGradient(parameter, values);

    public void ScaleGradients(float factor) => inner.ScaleGradients(factor);

    public double ClipGradientNorm(float maxNorm) => inner.ClipGradientNorm(maxNorm);

    public void ClipGradientValue(float maxValue) => inner.ClipGradientValue(maxValue);

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

    public bool IsFrozen(Parameter parameter) => inner.IsFrozen(parameter);

    public void Freeze(params IEnumerable<Parameter> parameters) => inner.Freeze(parameters);

    public void Unfreeze(params IEnumerable<Parameter> parameters) => inner.Unfreeze(parameters);

    public TrainingState SaveState() => inner.SaveState();

    public void LoadState(TrainingState state) => inner.LoadState(state);

    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
    {
        _passes++;
        return inner.TrainStep(input, targets, learningRate, output);
    }

    public void Infer(BatchValues input, BatchBuffers output) => inner.Infer(input, output);

    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
        => inner.InferLosses(input, targets, losses);

    public void ReadOutput(BatchBuffers output)
    {
        inner.ReadOutput(output);
        Spoil(output.InOrderOf(Graph.Outputs, "output"), FaultTarget.Output, Graph.Outputs);
    }

    public void ReadInputGradient(BatchBuffers values)
    {
        inner.ReadInputGradient(values);
        if (!_pass!.Accumulates)
            Spoil(values.InOrderOf(Graph.Inputs, "input"), FaultTarget.InputGradient, Graph.Inputs);
    }

    public void ReadGradient(Parameter parameter, Span<float> values)
    {
        inner.ReadGradient(parameter, values);
        if (!_pass!.Accumulates)
            Spoil(values, parameter.Role == ParameterRole.Bias ? FaultTarget.BiasGradient : FaultTarget.WeightGradient,
                parameter);
    }

    public void Read(Parameter parameter, Span<float> values)
    {
        inner.Read(parameter, values);
        if (!parameter.Trainable && _pass is not null)
            Spoil(values, FaultTarget.Buffer, parameter);
    }

    public void Write(Parameter parameter, ReadOnlySpan<float> values) => inner.Write(parameter, values);

    public void Dispose() => inner.Dispose();

    /// <summary>Whether a forward pass whose results get the fault is in progress.</summary>
    protected bool InForward { get; private set; }

    /// <summary>Injects the fault into the values of an input or output of the graph if they get it.</summary>
    /// <param name="values">The values, N×C×H×W.</param>
    /// <param name="target">The result that they are.</param>
    /// <param name="node">The input or output.</param>
    /// <param name="nodes">The inputs or outputs of the graph, of which only one gets the fault.</param>
    protected void Spoil(Span<float> values, FaultTarget target, Node node, IReadOnlyList<Node> nodes)
    {
        if (nodes[fault.Seed % nodes.Count] == node)
            Spoil(values, target, null, node);
    }

    private double Spoilt(double loss)
    {
        float[] value = [(float)loss];
        return Spoil(value, FaultTarget.Loss, null) ? value[0] : loss;
    }

    private void Spoil(BatchBuffers values, FaultTarget target, IReadOnlyList<Node> nodes)
    {
        for (int i = 0; i < nodes.Count; i++)
        {
            if (!values[i].IsEmpty)
                Spoil(values[i], target, nodes[i], nodes);
        }
    }

    private bool Spoil(Span<float> values, FaultTarget target, Parameter? parameter, Node? node = null)
    {
        if (target != fault.Target)
            return false;
        float[] right = values.ToArray(),
            wrong = new FaultySpot(fault, _random, rerun, Graph, _pass!, _before, parameter, node).Spoilt(right);
        int injected = 0;
        for (int i = 0; i < right.Length; i++)
        {
            if (wrong[i] == right[i])
                continue;
            injected++;
            backend.InjectedAt = i;
        }
        backend.Injected += injected;
        wrong.CopyTo(values);
        return injected > 0;
    }

    private Node[] NodesWithLoss => [.. Spec!.Losses.For(Graph).Select(objective => objective.Output)];

    private float[] ReadRight(Parameter parameter)
    {
        var values = new float[parameter.Length];
        inner.Read(parameter, values);
        return values;
    }
}
