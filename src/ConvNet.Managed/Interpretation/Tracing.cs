namespace ConvNet.Interpretation;

/// <summary>Runs a network in inference mode and shows the outputs of its operations.</summary>
internal static class Tracing
{
    /// <summary>Receives the output of an operation. It is valid during the call only.</summary>
    public delegate void Show(TracedTensor tensor);

    /// <summary>Runs a network over samples and shows every output.</summary>
    /// <param name="network">The executable.</param>
    /// <param name="samples">The samples, N×C×H×W.</param>
    /// <param name="show">Receives the outputs in the order of the operations.</param>
    public static void Infer(IExecutable network, ReadOnlySpan<float> samples, Show show)
    {
        ITraces traces = network as ITraces ?? throw new NotSupportedException(
            $"{network.GetType().Name} does not show its operations. Use an executable of managed, native or "
            + "torchsharp.");
        TraceCallback? before = traces.Trace;
        traces.Trace = tensor =>
        {
            show(tensor);
            return false;
        };
        try
        {
            int n = samples.Length / network.Graph.Input.Shape.Length;
            network.Infer(samples,
                BatchBuffers.InOrder([.. network.Graph.Outputs.Select(output => new float[n * output.Shape.Length])]));
        }
        finally
        {
            traces.Trace = before;
        }
    }
}
