namespace ConvNet;

/// <summary>A chain of layers, each of which reads the one before it.</summary>
public static class Sequential
{
    /// <summary>Makes the graph of a chain.</summary>
    /// <param name="input">C, H, W of one sample.</param>
    /// <param name="layers">The layers, first to last.</param>
    /// <exception cref="ArgumentException">A layer cannot take the shape that the one before it gives.</exception>
    public static Graph Of(Shape input, params ReadOnlySpan<Layer> layers)
    {
        var graph = new Graph(input);
        graph.Append(graph.Input, layers);
        return graph;
    }

    /// <summary>Adds a chain of layers behind a node.</summary>
    /// <returns>The last node of the chain.</returns>
    public static Node Append(this Graph graph, Node from, params ReadOnlySpan<Layer> layers)
    {
        ArgumentNullException.ThrowIfNull(graph);
        foreach (Layer layer in layers)
            from = graph.Add(layer, from);
        return from;
    }
}
