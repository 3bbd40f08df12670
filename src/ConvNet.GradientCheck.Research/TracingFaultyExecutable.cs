namespace ConvNet.GradientChecking.Research;

/// <summary>An executable that injects a fault into results when they are read, and into the output of the graph when
/// it is shown during a forward pass.</summary>
/// <param name="backend">The backend.</param>
/// <param name="fault">The fault.</param>
/// <param name="inner">The executable, which implements <see cref="ITraces"/>.</param>
/// <param name="rerun">Runs passes again.</param>
internal sealed class TracingFaultyExecutable(FaultyBackend backend, Fault fault, IExecutable inner, Rerun rerun)
    : FaultyExecutable(backend, fault, inner, rerun), ITraces
{
    private readonly ITraces _traced = (ITraces)inner;

    public IReadOnlyList<TracedOperation> TrainingOperations => _traced.TrainingOperations;

    public IReadOnlyList<TracedOperation> InferenceOperations => _traced.InferenceOperations;

    public TraceCallback? Trace
    {
        get;
        set
        {
            _traced.Trace = value is null ? null : tensor => Show(tensor, value);
            field = value;
        }
    }

    // The callback gets a copy: the result that is read from the inner executable gets the fault, too.
    private bool Show(TracedTensor tensor, TraceCallback show)
    {
        Node output = tensor.Operation.Output;
        if (!InForward || !output.IsOutput)
            return show(tensor);
        float[] values = [.. tensor.Values];
        Spoil(values, FaultTarget.Output, output, Graph.Outputs);
        if (!show(new TracedTensor(tensor.Operation, tensor.Kind, tensor.N, values, tensor.IsReplaceable)))
            return false;
        values.CopyTo(tensor.Values);
        return true;
    }
}
