namespace ConvNet;

/// <summary>The replacement for libtorch in a build without it (TorchProvider=None). It is never available.</summary>
internal abstract class TorchRuntime
{
    public abstract BackendInfo Info { get; }

    public static TorchRuntime Load(int threads, ChannelPadding padding) => throw new DllNotFoundException(
        "The torchsharp backend was built without libtorch (TorchProvider=None). Run eng/setup torch, then build "
            + "again.");

    public abstract PlanDescription Explain(Graph graph, int batchSize, TrainingSpec? spec);

    public abstract IExecutable Compile(Graph graph, int batchSize, TrainingSpec? spec, Func<bool> backendDisposed);
}
