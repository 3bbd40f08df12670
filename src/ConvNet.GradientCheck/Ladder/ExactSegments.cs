namespace ConvNet.GradientChecking;

/// <summary>Exact mode over a whole network, in segments as long as float32 remains exact, including the updated
/// weights.</summary>
internal static class ExactSegments
{
    /// <summary>Checks every segment on every backend. A layer that always rounds is left to the other modes and
    /// reported as an <see cref="ExactGap"/>.</summary>
    public static void Check(Graph graph, IReadOnlyList<IBackend> backends, GradientCheckOptions options,
        List<LayerReport> reports, List<ExactGap> gaps)
    {
        Node[] nodes = [.. graph.LayerNodes];
        int first = 0;
        while (first < nodes.Length)
        {
            int count = Longest(nodes, first, backends, options, out Segment? segment, out Segment.Values? values,
                out Segment.Truth? truth);
            Node start = nodes[first], end = nodes[first + Math.Max(count, 1) - 1];
            if (count == 0 && gaps.TrueForAll(gap => gap.Layer != start.Name))
                gaps.Add(new ExactGap(start.Name, ReasonFor(start, backends, options)));
            if (count > 0 && first > 0)
                gaps.Add(new ExactGap(start.Name, "with one more layer, values would exceed 2²⁴, up to which float32 "
                    + "represents all integers"));
            first += Math.Max(count, 1);
            if (count == 0)
                continue;
            Segment.Values before = segment!.Integers(new Fill(options.Seed + 1), options.BatchSize);
            string name = count == 1 ? start.Name : $"{start.Name}…{end.Name}";
            foreach (IBackend backend in backends)
            {
                options.Cancellation.ThrowIfCancellationRequested();
                IReadOnlyList<TensorReport> tensors = segment.Check(backend, before, values!, truth!, options.Seed);
                reports.Add(BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), name,
                    "segment", CheckModes.Segments, tensors, backend.Info.InferenceOnly ? ForwardPass.Remark : ""),
                    backend));
            }
        }
    }

    // Doubles the length while the segment is exact, then bisects: every test costs a run of the reference.
    private static int Longest(Node[] nodes, int first, IReadOnlyList<IBackend> backends, GradientCheckOptions options,
        out Segment? segment, out Segment.Values? values, out Segment.Truth? truth)
    {
        (segment, values, truth) = (null, null, null);
        int good = 0, left = nodes.Length - first;
        for (int more = Math.Min(left, 4); more > 0;)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            var candidate = new Segment(nodes[first..(first + good + more)], backends, options);
            Segment.Values given = candidate.Integers(new Fill(options.Seed), options.BatchSize);
            Segment.Truth? result = candidate.Evaluate(given, options.Seed);
            if (result is null)
            {
                more /= 2;
                continue;
            }
            (segment, values, truth) = (candidate, given, result);
            good += more;
            more = Math.Min(more, left - good);
        }
        return good;
    }

    private static string ReasonFor(Node node, IReadOnlyList<IBackend> backends, GradientCheckOptions options)
        => new Segment([node], backends, options).Grain is > 1 and var grain
            ? $"on multiples of {grain}, which the algorithm of {node.Layer!.Kind} needs, values exceed 2²⁴, up to "
                + "which float32 represents all integers"
            : $"{node.Layer!.Kind} rounds in float32";
}
