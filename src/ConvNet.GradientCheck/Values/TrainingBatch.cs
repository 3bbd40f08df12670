namespace ConvNet.GradientChecking;

/// <summary>The inputs of a pass, in the order of the graph's inputs, and its targets. They depend only on a
/// seed.</summary>
/// <param name="N">The number of samples.</param>
/// <param name="Inputs">The values of the inputs.</param>
/// <param name="Kept">The targets.</param>
internal sealed record TrainingBatch(int N, float[][] Inputs, KeptTargets Kept)
{
    private const int TargetRange = 2;

    /// <summary>The targets.</summary>
    public Targets Targets => Kept.Targets;

    /// <summary>Makes a batch of real numbers.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="objectives">The outputs that have a loss.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">The first random stream; as many are used as there are inputs and objectives.</param>
    public static TrainingBatch Real(Graph graph, IReadOnlyList<Objective> objectives, int n, ulong seed,
        int stream = 0)
    {
        var fill = new Fill(seed);
        return new(n, [.. graph.Inputs.Select((input, i) => fill.Uniform(stream + i, n * input.Shape.Length, 1))],
            DrawnTargets.OfAll(objectives, (of, i)
                => DrawnTargets.Real(of.Loss, of.Output.Shape, n, fill, stream + graph.Inputs.Count + i)));
    }

    /// <summary>Makes a batch of whole numbers.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="objectives">The outputs that have a loss.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="input">Returns the values of an input.</param>
    /// <param name="seed">The seed of the targets.</param>
    public static TrainingBatch Whole(Graph graph, IReadOnlyList<Objective> objectives, int n,
        Func<Node, float[]> input, ulong seed)
    {
        var fill = new Fill(seed);
        return new(n, [.. graph.Inputs.Select(input)], DrawnTargets.OfAll(objectives, (of, i)
            => DrawnTargets.Whole(of.Loss, of.Output.Shape, n, fill, graph.Inputs.Count + i, TargetRange)));
    }

    /// <summary>The values by input node.</summary>
    public Dictionary<Node, float[]> ByNode(Graph graph) => graph.Inputs.Zip(Inputs)
        .ToDictionary(pair => pair.First, pair => pair.Second);
}
