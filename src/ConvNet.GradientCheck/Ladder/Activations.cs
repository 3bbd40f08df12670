namespace ConvNet.GradientChecking;

/// <summary>What every layer of a graph reads in a forward pass, computed by the reference and rounded to float32
/// between layers.</summary>
internal static class Activations
{
    /// <summary>The inputs and parameters of every layer, in the order of the graph.</summary>
    public static IEnumerable<(Node Node, float[][] X, float[][] W)> Of(Graph graph, GradientCheckOptions options)
    {
        var fill = new Fill(options.Seed);
        var values = new float[graph.Nodes.Count][];
        values[0] = fill.Uniform(0, options.BatchSize * graph.Input.Shape.Length, 1);
        foreach (Node node in graph.Nodes)
        {
            if (node.Layer is null)
                continue;
            float[][] x = [.. node.Inputs.Select(input => values[input.Index])];
            float[][] w = [.. node.Layer.Parameters(node.InputShapes)
                .Select((spec, i) => fill.Parameter(1 + node.Parameters[i].Index, spec))];
            yield return (node, x, w);
            options.Cancellation.ThrowIfCancellationRequested();
            var given = new LayerValues<float>(node.Layer, node.InputShapes, options.BatchSize, x, w, [], node.Index, 0,
                options.Seed);
            values[node.Index] = Array.ConvertAll(new LayerRun<double>(given.To(v => (double)v), backward: false).Y,
                v => (float)v);
        }
    }
}
