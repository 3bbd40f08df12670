namespace ConvNet;

/// <summary>Divides the gradients of a graph into buckets, which are reported during a backward pass.</summary>
internal static class GradientBuckets
{
    /// <summary>Gets the buckets in the order in which they are reported.</summary>
    /// <remarks>
    /// They follow the nodes in reverse order, as a backward pass does, and are the same on every backend. A parameter
    /// that is larger than a bucket gets a bucket of its own. If the first bucket is smaller than the others, so is the
    /// last.
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
            long size = BytesOf(parameter);
            if (size > room)
            {
                room = buckets.Count == 0 ? spec.FirstGradientBucketBytes ?? spec.GradientBucketBytes
                    : spec.GradientBucketBytes;
                buckets.Add([]);
            }
            buckets[^1].Add(parameter);
            room -= size;
        }
        if (spec.FirstGradientBucketBytes is { } least && buckets.Count > 0)
            DivideLast(buckets, least);
        return buckets;
    }

    // What follows a bucket has to wait for the last one, which is complete only when the pass ends.
    private static void DivideLast(List<List<Parameter>> buckets, long most)
    {
        List<Parameter> last = buckets[^1];
        int from = last.Count;
        long size = 0;
        while (from > 0 && size + BytesOf(last[from - 1]) <= most)
            size += BytesOf(last[--from]);
        if (from == 0 || from == last.Count)
            return;
        buckets.Add(last[from..]);
        last.RemoveRange(from, last.Count - from);
    }

    private static long BytesOf(Parameter parameter) => sizeof(float) * (long)parameter.Length;
}
