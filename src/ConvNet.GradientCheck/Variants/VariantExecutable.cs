using ConvNet.Serialization;

namespace ConvNet.GradientChecking;

/// <summary>Runs a graph with several thread counts and returns the results of the first. The variant compares the
/// others with it.</summary>
internal class VariantExecutable(BackendVariant variant, IExecutable[] executables) : IExecutable,
    IDeclaresAlgorithms
{
    private delegate void Reader(IExecutable executable, Span<float> values);

    private delegate void BatchReader(IExecutable executable, BatchBuffers values);

    public Graph Graph => executables[0].Graph;

    public int BatchSize => executables[0].BatchSize;

    public TrainingSpec? Spec => executables[0].Spec;

    public SumAlgorithm AlgorithmOf(Node node, SumPass pass)
        => (executables[0] as IDeclaresAlgorithms)?.AlgorithmOf(node, pass) ?? SumAlgorithm.Direct;

    public void Forward(BatchValues input)
    {
        foreach (IExecutable each in executables)
            each.Forward(input);
    }

    public double Loss(Targets targets)
    {
        var losses = new double[executables.Length];
        for (int i = 0; i < losses.Length; i++)
            losses[i] = executables[i].Loss(targets);
        return Agreed(losses);
    }

    public double ReadLoss(string output) => Agreed([.. executables.Select(each => each.ReadLoss(output))]);

    public void Backward(bool accumulate = false) => Array.ForEach(executables, each => each.Backward(accumulate));

    public void Backward(BatchValues outputGradient, bool accumulate = false)
    {
        foreach (IExecutable each in executables)
            each.Backward(outputGradient, accumulate);
    }

    public void Step(float learningRate) => Array.ForEach(executables, each => each.Step(learningRate));

    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
    {
        foreach (IExecutable each in executables)
            each.WriteGradient(parameter, values);
    }

    public void ScaleGradients(float factor) => Array.ForEach(executables, each => each.ScaleGradients(factor));

    public double ClipGradientNorm(float maxNorm)
        => Agreed([.. executables.Select(each => each.ClipGradientNorm(maxNorm))]);

    public void ClipGradientValue(float maxValue)
        => Array.ForEach(executables, each => each.ClipGradientValue(maxValue));

    public int SampleOffset
    {
        get => executables[0].SampleOffset;
        set => Array.ForEach(executables, each => each.SampleOffset = value);
    }

    public GradientReadyCallback? GradientReady
    {
        get => executables[0].GradientReady;
        set => executables[0].GradientReady = value;
    }

    public bool IsFrozen(Parameter parameter) => executables[0].IsFrozen(parameter);

    public void Freeze(params IEnumerable<Parameter> parameters)
        => Array.ForEach(executables, each => each.Freeze(parameters));

    public void Unfreeze(params IEnumerable<Parameter> parameters)
        => Array.ForEach(executables, each => each.Unfreeze(parameters));

    public TrainingState SaveState() => executables[0].SaveState();

    public void LoadState(TrainingState state) => Array.ForEach(executables, each => each.LoadState(state));

    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
    {
        output = output.InOrderOf(Graph.Outputs, "output");
        var losses = new double[executables.Length];
        losses[0] = executables[0].TrainStep(input, targets, learningRate, output);
        for (int i = 1; i < losses.Length; i++)
        {
            float[][] others = output.IsEmpty ? [] : output.Others(Graph.Outputs.Count);
            losses[i] = executables[i].TrainStep(input, targets, learningRate,
                output.IsEmpty ? default : BatchBuffers.InOrder(others));
            Compare("y", Graph.Outputs, i, output, others);
        }
        return Agreed(losses);
    }

    public void Infer(BatchValues input, BatchBuffers output)
    {
        float[][] copies = input.InOrderOf(Graph.Inputs, "input").ToArrays(Graph.Inputs.Count);
        Read("inferred output", Graph.Outputs, "output", output,
            (each, values) => each.Infer(BatchValues.InOrder(copies), values));
    }

    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
    {
        executables[0].InferLosses(input, targets, losses);
        var others = new double[losses.Length];
        for (int i = 1; i < executables.Length; i++)
        {
            executables[i].InferLosses(input, targets, others);
            variant.Compare("losses of samples", i, Array.ConvertAll(losses.ToArray(), loss => (float)loss),
                Array.ConvertAll(others, loss => (float)loss));
        }
    }

    public void ReadOutput(BatchBuffers output)
        => Read("y", Graph.Outputs, "output", output, (each, values) => each.ReadOutput(values));

    public void Read(Parameter parameter, Span<float> values)
        => Read(parameter.Name, values, (each, own) => each.Read(parameter, own));

    public void Write(Parameter parameter, ReadOnlySpan<float> values)
    {
        foreach (IExecutable each in executables)
            each.Write(parameter, values);
    }

    public void ReadGradient(Parameter parameter, Span<float> values)
        => Read($"gradient of {parameter.Name}", values, (each, own) => each.ReadGradient(parameter, own));

    public void ReadInputGradient(BatchBuffers values)
        => Read("dx", Graph.Inputs, "input", values, (each, own) => each.ReadInputGradient(own));

    public void Dispose() => Array.ForEach(executables, each => each.Dispose());

    private void Read(string tensor, Span<float> values, Reader read)
    {
        read(executables[0], values);
        var other = new float[values.Length];
        for (int i = 1; i < executables.Length; i++)
        {
            read(executables[i], other);
            variant.Compare(tensor, i, values, other);
        }
    }

    private void Read(string tensor, IReadOnlyList<Node> nodes, string what, BatchBuffers values, BatchReader read)
    {
        values = values.InOrderOf(nodes, what);
        read(executables[0], values);
        for (int i = 1; i < executables.Length; i++)
        {
            float[][] others = values.Others(nodes.Count);
            read(executables[i], BatchBuffers.InOrder(others));
            Compare(tensor, nodes, i, values, others);
        }
    }

    private void Compare(string tensor, IReadOnlyList<Node> nodes, int executable, BatchBuffers values,
        float[][] others)
    {
        for (int i = 0; i < others.Length; i++)
            variant.Compare(nodes.Count == 1 ? tensor : $"{tensor} of {nodes[i].Name}", executable, values[i],
                others[i]);
    }

    // The loss is a double. Only its float32 value must be equal.
    private double Agreed(double[] losses)
    {
        for (int i = 1; i < losses.Length; i++)
            variant.Compare("loss", i, [(float)losses[0]], [(float)losses[i]]);
        return losses[0];
    }
}
