namespace ConvNet.Onnx;

/// <summary>Brings nodes into an order in which each reads earlier ones only.</summary>
internal static class NodeOrder
{
    /// <summary>Returns the nodes in such an order; the order of the file, if it is one.</summary>
    /// <param name="nodes">The nodes.</param>
    /// <param name="given">The names of the values that exist before.</param>
    /// <exception cref="InvalidDataException">A value is computed twice or not at all, or nodes read each other in a
    /// cycle.</exception>
    public static List<OnnxNode> Sorted(IReadOnlyList<OnnxNode> nodes, HashSet<string> given)
    {
        var producers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < nodes.Count; i++)
        {
            foreach (string output in nodes[i].Outputs.Where(output => output.Length > 0))
            {
                if (given.Contains(output) || !producers.TryAdd(output, i))
                    throw new InvalidDataException($"the value \"{Excerpt.Of(output)}\" is defined twice; the second "
                        + $"time by {nodes[i].Place}.");
            }
        }
        int[][] reads = [.. nodes.Select(node => ProducersOf(node, producers, given))];
        List<int>[] readers = [.. nodes.Select(_ => new List<int>())];
        int[] missing = [.. reads.Select(each => each.Length)];
        for (int i = 0; i < nodes.Count; i++)
        {
            foreach (int producer in reads[i])
                readers[producer].Add(i);
        }
        var ready = new PriorityQueue<int, int>(Enumerable.Range(0, nodes.Count).Where(i => missing[i] == 0)
            .Select(i => (i, i)));
        var sorted = new List<OnnxNode>(nodes.Count);
        while (ready.TryDequeue(out int next, out _))
        {
            sorted.Add(nodes[next]);
            foreach (int reader in readers[next])
            {
                if (--missing[reader] == 0)
                    ready.Enqueue(reader, reader);
            }
        }
        return sorted.Count == nodes.Count ? sorted : throw new InvalidDataException("the graph has a cycle, through "
            + $"{nodes[Array.FindIndex(missing, count => count > 0)].Place}.");
    }

    private static int[] ProducersOf(OnnxNode node, Dictionary<string, int> producers, HashSet<string> given)
    {
        var found = new HashSet<int>();
        foreach (string input in node.Inputs.Where(input => input.Length > 0 && !given.Contains(input)))
        {
            if (!producers.TryGetValue(input, out int producer))
                throw new InvalidDataException($"{node.Place} reads \"{Excerpt.Of(input)}\", which nothing computes.");
            found.Add(producer);
        }
        return [.. found];
    }
}
