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
    /// <param name="spec">The maximum sizes of the buckets.</param>
    public static IReadOnlyList<IReadOnlyList<Parameter>> Of(Graph graph, FrozenParameters frozen, TrainingSpec spec)
    {
        var buckets = new List<List<Parameter>>();
        long room = 0;
        foreach (Parameter parameter in graph.Nodes.Reverse().SelectMany(node => node.Parameters).Where(frozen.Trains))
        {
            long size = sizeof(float) * (long)parameter.Length;
            if (size > room)
            {
                room = buckets.Count == 0 ? spec.FirstGradientBucketBytes ?? spec.GradientBucketBytes
                    : spec.GradientBucketBytes;
                buckets.Add([]);
            }
            buckets[^1].Add(parameter);
            room -= size;
        }
        return buckets;
    }
}
