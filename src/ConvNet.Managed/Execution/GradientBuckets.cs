namespace ConvNet;

/// <summary>Divides the gradients of a graph into buckets, which are reported during a backward pass.</summary>
internal static class GradientBuckets
{
    /// <summary>Gets the buckets in the order in which they are reported.</summary>
    /// <remarks>
    /// They follow the nodes in reverse order, as a backward pass does, and are the same on every backend. A parameter
    /// that is larger than a bucket gets a bucket of its own.
    /// </remarks>
    /// <param name="graph">The graph.</param>
    /// <param name="frozen">The parameters that have no gradient.</param>
    /// <param name="bytes">The maximum size of a bucket in bytes.</param>
    public static IReadOnlyList<IReadOnlyList<Parameter>> Of(Graph graph, FrozenParameters frozen, int bytes)
    {
        var buckets = new List<List<Parameter>>();
        long room = 0;
        foreach (Parameter parameter in graph.Nodes.Reverse().SelectMany(node => node.Parameters).Where(frozen.Trains))
        {
            long size = sizeof(float) * (long)parameter.Length;
            if (size > room)
            {
                buckets.Add([]);
                room = bytes;
            }
            buckets[^1].Add(parameter);
            room -= size;
        }
        return buckets;
    }
}
