using ConvNet.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace ConvNet.Tests.Onnx;

/// <summary>Runs the ONNX model of a graph in ONNX Runtime: forward passes only.</summary>
/// <param name="threads">The number of threads of an operator.</param>
/// <param name="optimizes">Whether ONNX Runtime may fuse operators and change memory layouts, as it does by
/// default.</param>
/// <param name="export">The options of the export.</param>
internal sealed class OnnxRuntimeBackend(int threads = 1, bool optimizes = true, OnnxExportOptions? export = null)
    : IBackend
{
    private bool _disposed;

    public BackendInfo Info { get; } = new("onnxruntime", OrtEnv.Instance().GetVersionString(),
        optimizes ? "optimized" : "plain", threads, Library: null)
    { InferenceOnly = true };

    public IExecutable Compile(Graph graph, TrainingSpec spec) => throw new NotSupportedException(
        "onnxruntime computes forward passes only. Use CompileInference, or managed, native or torchsharp to train.");

    public IExecutable CompileInference(Graph graph, int batchSize)
    {
        foreach (Node node in graph.LayerNodes)
        {
            // ONNX and torch allow it where it is below the dilation.
            if (node.Layer is ConvTranspose2d { Window: var window, OutputPadding: var more }
                && (more.H >= window.Stride.H || more.W >= window.Stride.W) && more != 0)
                throw new NotSupportedException($"{node.Name}: onnxruntime refuses an output padding of {more}, "
                    + $"because it is not below the stride {window.Stride}. Use managed, native or torchsharp.");
        }
        // Names a layer without ONNX nodes before any parameter is written.
        _ = OnnxExport.Write(graph, parameter => new float[parameter.Length], export);
        return new OnnxRuntimeExecutable(graph, batchSize, Options, export, () => _disposed);
    }

    public void Dispose() => _disposed = true;

    private SessionOptions Options() => new()
    {
        IntraOpNumThreads = threads,
        ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
        GraphOptimizationLevel = optimizes ? GraphOptimizationLevel.ORT_ENABLE_ALL
            : GraphOptimizationLevel.ORT_DISABLE_ALL,
        LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
    };
}

/// <summary>A session of ONNX Runtime. The parameters are constants of its model, so that a new session replaces it
/// when they have changed.</summary>
internal sealed class OnnxRuntimeExecutable(Graph graph, int batchSize, Func<SessionOptions> options,
    OnnxExportOptions? export, Func<bool> backendDisposed) : InferenceExecutable(graph, batchSize, backendDisposed)
{
    private InferenceSession? _session;

    protected override void ParametersChanged()
    {
        _session?.Dispose();
        _session = null;
    }

    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
        if (_session is null)
        {
            using SessionOptions chosen = options();
            _session = new InferenceSession(OnnxExport.Write(Graph, ValuesOf, export), chosen);
        }
        var inputs = new List<OrtValue>();
        try
        {
            for (int i = 0; i < Graph.Inputs.Count; i++)
            {
                long[] sizes = [.. _session.InputMetadata[_session.InputNames[i]].Dimensions
                    .Select(size => (long)size)];
                sizes[0] = n;
                inputs.Add(OrtValue.CreateTensorValueFromMemory(input[i].ToArray(), sizes));
            }
            using var run = new RunOptions();
            using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(run,
                [.. _session.InputNames], inputs, [.. Graph.Outputs.Select(node => node.Name)]);
            for (int i = 0; i < Graph.Outputs.Count; i++)
            {
                if (!output[i].IsEmpty)
                    results[i].GetTensorDataAsSpan<float>().CopyTo(output[i]);
            }
        }
        finally
        {
            inputs.ForEach(value => value.Dispose());
        }
    }

    protected override void Dispose(bool disposing)
    {
        _session?.Dispose();
        base.Dispose(disposing);
    }
}
