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

    /// <summary>Appends a chain of named layers to a node.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="from">The node that the first layer reads.</param>
    /// <param name="prefix">The part that all names have in common: a layer <c>0</c> under <c>features</c> becomes the
    /// node <c>features.0</c>. Empty for none.</param>
    /// <param name="layers">The layers with their names, first to last.</param>
    /// <returns>The last node of the chain.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> or <paramref name="prefix"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">A name is already in use, or a layer does not accept its input.</exception>
    public static Node Append(this Graph graph, Node from, string prefix,
        params ReadOnlySpan<(string Name, Layer Layer)> layers)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(prefix);
        foreach ((string name, Layer layer) in layers)
            from = graph.Add(prefix.Length == 0 ? name : $"{prefix}.{name}", layer, from);
        return from;
    }
}
