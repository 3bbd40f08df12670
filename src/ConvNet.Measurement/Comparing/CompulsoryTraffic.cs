namespace ConvNet.Measurement;

/// <summary>Estimates the memory traffic of a network from its graph, assuming that every layer reads from and writes
/// to main memory.</summary>
/// <remarks>
/// In the forward pass, a layer reads its inputs and parameters and writes its output. In the backward pass, it reads
/// the gradient of its output, its inputs and its weights, and writes the gradients of its weights and inputs, except
/// that of the images. SGD with momentum reads weights, gradients and velocities, and writes weights and velocities.
/// Each tensor counts once, in float32. Fused layers and caches reduce the actual traffic; workspaces and layout
/// conversions increase it.
/// </remarks>
internal static class CompulsoryTraffic
{
    private const int PerOptimizedWeight = 5;

    /// <summary>Returns the bytes of one call.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="batch">The batch size.</param>
    /// <param name="training">Whether the call is a training step rather than an inference.</param>
    public static double Bytes(Graph graph, int batch, bool training)
    {
        ArgumentNullException.ThrowIfNull(graph);
        double values = 0;
        foreach (Node node in graph.LayerNodes)
        {
            double x = batch * node.Inputs.Sum(input => (double)input.Shape.Length),
                y = (double)batch * node.Shape.Length, w = node.Parameters.Sum(p => (double)p.Length);
            double dx = batch * node.Inputs.Where(input => input.Layer is not null)
                .Sum(input => (double)input.Shape.Length);
            values += x + w + y;
            if (training)
                values += y + x + w + dx + w + PerOptimizedWeight * w;
        }
        return values * sizeof(float);
    }
}
