namespace ConvNet;

/// <summary>A chain of layers, each of which reads the one before it.</summary>
public static class Sequential
{
    /// <summary>Creates the graph of a chain of layers.</summary>
    /// <param name="input">The shape C, H, W of one sample.</param>
    /// <param name="layers">The layers, first to last.</param>
    /// <exception cref="ArgumentException">A layer does not accept the output shape of the preceding one.</exception>
    public static Graph Of(Shape input, params ReadOnlySpan<Layer> layers)
    {
        var graph = new Graph(input);
        graph.Append(graph.Input, layers);
        return graph;
    }

    /// <summary>Appends a chain of layers to a node.</summary>
    /// <returns>The last node of the chain.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    public static Node Append(this Graph graph, Node from, params ReadOnlySpan<Layer> layers)
    {
        ArgumentNullException.ThrowIfNull(graph);
        foreach (Layer layer in layers)
            from = graph.Add(layer, from);
        return from;
    }
}
