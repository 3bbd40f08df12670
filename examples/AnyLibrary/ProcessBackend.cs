using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using ConvNet.GradientChecking;

namespace ConvNet.Examples;

/// <summary>A backend whose layers are computed by a child program, with any library and in any language.</summary>
/// <remarks>
/// A request is one line of JSON on the child's standard input, followed by tensors: float32, little-endian, each as
/// long as <c>tensors</c> says. The JSON holds the layer, the shapes of its inputs and the batch size as in a case file
/// of the gradient check, and <c>pass</c>: <c>support</c>; <c>forward</c>, with the inputs and parameters; or
/// <c>backward</c>, with the inputs, the parameters and the gradient of the output. The child answers with the line
/// <c>ok</c> and the results, each as long as <c>results</c> says: the output; or the gradients of the inputs and
/// parameters. If it cannot, it answers with a line that says why.
/// </remarks>
public sealed class ProcessBackend : IBackend
{
    private readonly Process _child;
    private bool _disposed;

    /// <summary>Starts the child program.</summary>
    public ProcessBackend(string name, string program, params IEnumerable<string> arguments)
    {
        Info = new BackendInfo(name, "1", "process", 1, program);
        _child = Process.Start(new ProcessStartInfo(program, arguments)
        { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    public BackendInfo Info { get; }

    public IExecutable Compile(Graph graph, TrainingSpec spec) => spec.Optimizer is Sgd { Momentum: 0, WeightDecay: 0 }
        ? new ProcessExecutable(graph, spec.BatchSize, spec, this, () => _disposed)
        : throw new NotSupportedException($"{spec.Optimizer} is not supported. Use plain SGD.");

    public IExecutable CompileInference(Graph graph, int batchSize)
        => new ProcessExecutable(graph, batchSize, null, this, () => _disposed);

    public void Dispose()
    {
        _disposed = true;
        _child.StandardInput.Close();
        _child.WaitForExit();
        _child.Dispose();
    }

    /// <summary>Sends a request and returns the results.</summary>
    internal float[][] Ask(string pass, Node node, int n, int[] results, params float[][] tensors)
    {
        JsonNode request = JsonNode.Parse(GradientCaseFile.Write(
            new LayerGradientCase(node.Layer!, node.InputShapes, new GradientCheckOptions { BatchSize = n })))!;
        request["pass"] = pass;
        request["tensors"] = new JsonArray([.. tensors.Select(tensor => JsonValue.Create(tensor.Length))]);
        request["results"] = new JsonArray([.. results.Select(length => JsonValue.Create(length))]);
        Stream input = _child.StandardInput.BaseStream, output = _child.StandardOutput.BaseStream;
        input.Write(Encoding.UTF8.GetBytes($"{request.ToJsonString()}\n"));
        foreach (float[] tensor in tensors)
            input.Write(MemoryMarshal.AsBytes(tensor.AsSpan()));
        input.Flush();
        if (ReadLine(output) is var line && line != "ok")
            throw new NotSupportedException($"{Info.Name} cannot compute {node.Name} ({node.Layer}): {line}");
        float[][] got = Array.ConvertAll(results, length => new float[length]);
        foreach (float[] tensor in got)
            output.ReadExactly(MemoryMarshal.AsBytes(tensor.AsSpan()));
        return got;
    }

    private static string ReadLine(Stream stream)
    {
        var line = new List<byte>();
        for (int next = stream.ReadByte(); next != '\n'; next = stream.ReadByte())
            line.Add(next >= 0 ? (byte)next : throw new EndOfStreamException("The child program has ended."));
        return Encoding.UTF8.GetString([.. line]);
    }
}

/// <summary>A graph whose layers are computed one after another by the child program of a backend.</summary>
internal sealed class ProcessExecutable : Executable
{
    private readonly ProcessBackend _backend;
    private readonly float[][] _w, _dw, _lossGradients; // By parameter, by parameter, by loss.
    private float[][] _y = [], _dy = [];                // By node.

    public ProcessExecutable(Graph graph, int batchSize, TrainingSpec? spec, ProcessBackend backend,
        Func<bool> backendDisposed) : base(graph, batchSize, spec, backendDisposed)
    {
        if (graph.Parameters.FirstOrDefault(parameter => !parameter.Trainable) is { } buffer)
            throw new NotSupportedException($"{buffer.Name}: layers with buffers are not supported.");
        foreach (Node node in graph.LayerNodes)
            backend.Ask("support", node, batchSize, []);
        _backend = backend;
        (_w, _dw) = (Zeros(graph.Parameters.Select(p => p.Length)), Zeros(graph.Parameters.Select(p => p.Length)));
        _lossGradients = new float[Objectives.Count][];
    }

    protected override void ForwardCore(BatchValues input, int n) => _y = Forward(input, n);

    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
        float[][] y = Forward(input, n);
        for (int i = 0; i < Graph.Outputs.Count; i++)
            y[Graph.Outputs[i].Index].AsSpan(0, output[i].Length).CopyTo(output[i]);
    }

    private float[][] Forward(BatchValues input, int n)
    {
        var y = new float[Graph.Nodes.Count][];
        for (int i = 0; i < Graph.Inputs.Count; i++)
            y[Graph.Inputs[i].Index] = input[i].ToArray();
        foreach (Node node in Graph.LayerNodes)
            y[node.Index] = _backend.Ask("forward", node, n, [n * node.Shape.Length], [.. Reads(node, y)])[0];
        return y;
    }

    protected override double LossCore(int index, Targets targets)
    {
        (Node output, Loss loss, float weight) = Objectives[index];
        float[] y = _y[output.Index], dy = _lossGradients[index] = new float[y.Length];
        float value = loss.Evaluate(new LossFrame<float>(output.Shape, y, targets, dy));
        TensorPrimitives.Multiply(dy, weight, dy);
        return value;
    }

    protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
    {
        _dy = Zeros(Graph.Nodes.Select(node => N * node.Shape.Length));
        for (int i = 0; i < Objectives.Count; i++)
        {
            ReadOnlySpan<float> given = outputGradient.IsEmpty ? _lossGradients[i] : outputGradient[i];
            Add(given, _dy[Objectives[i].Output.Index].AsSpan(0, given.Length));
        }
        if (!accumulate)
            Array.ForEach(_dw, Array.Clear);
        foreach (Node node in Graph.LayerNodes.Reverse())
        {
            float[][] into = [.. node.Inputs.Select(x => _dy[x.Index]), .. node.Parameters.Select(p => _dw[p.Index])];
            float[][] got = _backend.Ask("backward", node, N, Array.ConvertAll(into, tensor => tensor.Length),
                [.. Reads(node, _y), _dy[node.Index]]);
            for (int i = 0; i < into.Length; i++)
                Add(got[i], into[i]);
        }
    }

    protected override void StepCore(float learningRate)
    {
        foreach (Parameter p in Graph.Parameters.Where(Frozen.Trains))
            TensorPrimitives.MultiplyAdd(_dw[p.Index], -learningRate, _w[p.Index], _w[p.Index]);
    }

    protected override void ReadOutputCore(int index, Span<float> values)
        => _y[Graph.Outputs[index].Index].CopyTo(values);

    protected override void ReadCore(Parameter parameter, Span<float> values) => _w[parameter.Index].CopyTo(values);

    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
        => values.CopyTo(_w[parameter.Index]);

    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        => _dw[parameter.Index].CopyTo(values);

    protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
        => values.CopyTo(_dw[parameter.Index]);

    protected override void ReadInputGradientCore(int index, Span<float> values)
        => _dy[Graph.Inputs[index].Index].CopyTo(values);

    protected override double GradientSquaresCore(Parameter parameter)
        => _dw[parameter.Index].Sum(value => (double)value * value);

    protected override void ScaleGradientsCore(float factor)
        => Array.ForEach(_dw, dw => TensorPrimitives.Multiply(dw, factor, dw));

    protected override void ClampGradientsCore(float most)
        => Array.ForEach(_dw, dw => TensorPrimitives.Clamp(dw, -most, most, dw));

    protected override Span<float> BucketCore(int bucket, bool accumulate)
        => throw new NotSupportedException("GradientReady is not supported.");

    // There are no buffers, plain SGD has no state, and frozen parameters are only left out of the step.
    protected override void KeepBuffersCore() { }

    protected override void ExchangeBuffersCore() { }

    protected override void ReadStateCore(Parameter parameter, int index, Span<float> values) { }

    protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps) { }

    protected override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    { }

    private IEnumerable<float[]> Reads(Node node, float[][] y)
        => [.. node.Inputs.Select(x => y[x.Index]), .. node.Parameters.Select(p => _w[p.Index])];

    private static float[][] Zeros(IEnumerable<int> lengths) => [.. lengths.Select(length => new float[length])];

    private static void Add(ReadOnlySpan<float> values, Span<float> to) => TensorPrimitives.Add(values, to, to);
}
