namespace ConvNet;

/// <summary>Adds several layers to a graph at once: chains, and the parts of a division.</summary>
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

    /// <summary>Divides the channels of a node into consecutive parts.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="from">The node to divide.</param>
    /// <param name="channels">The number of channels of each part; their sum is that of the node.</param>
    /// <returns>One <see cref="Slice"/> for each part.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> or <paramref name="from"/> is null.</exception>
    /// <exception cref="ArgumentException">A part has no channels, or the sum of the parts is not the number of
    /// channels of the node.</exception>
    public static Node[] Split(this Graph graph, Node from, params ReadOnlySpan<int> channels)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(from);
        long sum = 0;
        foreach (int part in channels)
            sum += part;
        if (sum != from.Shape.C || channels.ContainsAnyExceptInRange(1, int.MaxValue))
        {
            throw new ArgumentException($"\"{from.Name}\" has {from.Shape.C} channels, which cannot be divided into "
                + $"{string.Join(" + ", channels.ToArray())} = {sum}. Pass parts of at least one channel with this "
                + "sum.", nameof(channels));
        }
        var parts = new Node[channels.Length];
        int start = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = graph.Add(new Slice(SliceAxis.Channels, start, channels[i]), from);
            start += channels[i];
        }
        return parts;
    }
}
