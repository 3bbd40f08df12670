namespace ConvNet.GradientChecking;

/// <summary>The values that every layer of a graph reads in a forward pass, computed by the reference and rounded to
/// float32 between layers.</summary>
internal static class Activations
{
    /// <summary>The inputs and parameters of every layer, in the order of the graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="options">The options of the check.</param>
    /// <param name="forwardOnly">Whether the layers run as in inference.</param>
    public static IEnumerable<(Node Node, float[][] X, float[][] W)> Of(Graph graph, GradientCheckOptions options,
        bool forwardOnly = false)
    {
        var fill = new Fill(options.Seed);
        var values = new float[graph.Nodes.Count][];
        for (int i = 0; i < graph.Inputs.Count; i++)
        {
            // The random streams of the parameters lie between that of the first input and those of the other inputs.
            Node input = graph.Inputs[i];
            values[input.Index] = fill.Uniform(i == 0 ? 0 : graph.Parameters.Count + i,
                options.BatchSize * input.Shape.Length, 1);
        }
        foreach (Node node in graph.LayerNodes)
        {
            float[][] x = [.. node.Inputs.Select(input => values[input.Index])];
            float[][] w = [.. node.Layer!.Parameters(node.InputShapes)
                .Select((spec, i) => fill.Parameter(1 + node.Parameters[i].Index, spec))];
            yield return (node, x, w);
            options.Cancellation.ThrowIfCancellationRequested();
            var given = new LayerValues<float>(node.Layer!, node.InputShapes, options.BatchSize, x, w, [], node.Index,
                0, options.Seed)
            {
                Training = !forwardOnly
                    && !options.FreezesLayer(node.Parameters.Where(p => p.Trainable).Select(p => p.Name)),
            };
            values[node.Index] = Array.ConvertAll(new LayerRun<double>(given.To(v => (double)v), backward: false).Y,
                v => (float)v);
        }
    }
}
