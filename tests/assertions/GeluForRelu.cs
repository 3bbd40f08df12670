using ConvNet.Serialization;

namespace ConvNet.Assertions;

/// <summary>A backend with a bug: it computes GELU in place of ReLU.</summary>
internal sealed class GeluForRelu : IBackend
{
    private readonly ManagedBackend _inner = new(threads: 1);

    public BackendInfo Info => _inner.Info;

    public IExecutable Compile(Graph graph, TrainingSpec spec) => _inner.Compile(Wrong(graph), spec);

    public IExecutable CompileInference(Graph graph, int batchSize) => _inner.CompileInference(Wrong(graph), batchSize);

    public void Dispose() => _inner.Dispose();

    private static Graph Wrong(Graph graph)
        => GraphJson.Read(GraphJson.Write(graph).Replace("\"relu\"", "\"gelu\"", StringComparison.Ordinal));
}
