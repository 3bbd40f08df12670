namespace ConvNet.Measurement;

/// <summary>What a network must move to and from memory if every layer does it for itself: an estimate from the graph
/// alone.</summary>
/// <remarks>
/// Forward, a layer reads its inputs and its parameters and writes its output. Backward, it reads the gradient of its
/// output, its inputs and its weights, and writes the gradients of its inputs, but for the images', and of its weights.
/// SGD with momentum reads weights, gradients and velocities and writes weights and velocities. Everything counts once,
/// in float32. Backends that fuse layers, and caches that hold what the next layer reads, move less; workspaces and
/// copies between layouts are more.
/// </remarks>
public static class CompulsoryTraffic
{
    private const int PerOptimizedWeight = 5;

    /// <summary>Bytes of one call.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="batch">Images of a call.</param>
    /// <param name="training">A training step, or else an inference.</param>
    public static double Bytes(Graph graph, int batch, bool training)
    {
        ArgumentNullException.ThrowIfNull(graph);
        double values = 0;
        foreach (Node node in graph.Nodes.Skip(1))
        {
            double x = batch * node.Inputs.Sum(input => (double)input.Shape.Length),
                y = (double)batch * node.Shape.Length, w = node.Parameters.Sum(p => (double)p.Length);
            double dx = batch * node.Inputs.Where(input => input != graph.Input)
                .Sum(input => (double)input.Shape.Length);
            values += x + w + y;
            if (training)
                values += y + x + w + dx + w + PerOptimizedWeight * w;
        }
        return values * sizeof(float);
    }
}
