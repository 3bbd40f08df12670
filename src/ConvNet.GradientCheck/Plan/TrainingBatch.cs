namespace ConvNet.GradientChecking;

/// <summary>The inputs of a pass, in the order of the graph's inputs, and its targets.</summary>
/// <param name="N">The number of samples.</param>
/// <param name="Inputs">The values of the inputs.</param>
/// <param name="Kept">The targets.</param>
internal sealed record TrainingBatch(int N, float[][] Inputs, KeptTargets Kept)
{
    private const int TargetRange = 2;

    /// <summary>Makes a batch of real numbers.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="objectives">The outputs that have a loss.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="seed">The seed.</param>
    public static TrainingBatch Real(Graph graph, IReadOnlyList<Objective> objectives, int n, ulong seed)
    {
        var fill = new Fill(seed);
        return new(n, [.. graph.Inputs.Select((input, i) => fill.Uniform(i, n * input.Shape.Length, 1))],
            TargetsOf(objectives, n, fill, graph.Inputs.Count, (stream, length) => fill.Uniform(stream, length, 1)));
    }

    /// <summary>Makes a batch of whole numbers.</summary>
    public static TrainingBatch Whole(Graph graph, IReadOnlyList<Objective> objectives, int n, WholeNumbers numbers,
        ulong seed)
    {
        var fill = new Fill(seed);
        return new(n, [.. graph.Inputs.Select(numbers.Input)], TargetsOf(objectives, n, fill, graph.Inputs.Count,
            (stream, length) => fill.Integers(stream, length, TargetRange)));
    }

    /// <summary>The values by input node.</summary>
    public Dictionary<Node, float[]> ByNode(Graph graph) => graph.Inputs.Zip(Inputs)
        .ToDictionary(pair => pair.First, pair => pair.Second);

    private static KeptTargets TargetsOf(IReadOnlyList<Objective> objectives, int n, Fill fill, int first,
        Func<int, int, float[]> values) => KeptTargets.Of(Targets.Of([.. objectives.Select((of, i) =>
        {
            int length = n * of.Loss.TargetsPerSample(of.Output.Shape);
            return of.Loss.Takes == TargetKind.Values
                ? new OutputTargets(of.Output.Name, values(first + i, length))
                : new OutputTargets(of.Output.Name, fill.Labels(first + i, length, of.Output.Shape.C));
        })]));
}
