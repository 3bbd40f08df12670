namespace ConvNet.GradientChecking;

/// <summary>Real values to train a graph with: parameters, and batches with their targets. They depend only on the seed
/// of the training.</summary>
internal sealed class TrainingBatches
{
    private readonly TrainingBatch[] _batches;

    /// <summary>Generates the values.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training specification.</param>
    /// <param name="count">The number of batches.</param>
    public TrainingBatches(Graph graph, TrainingSpec spec, int count)
    {
        var fill = new Fill(spec.Seed);
        Objectives = spec.Losses.For(graph);
        Parameters = [.. graph.LayerNodes.SelectMany(node => node.Layer!.Parameters(node.InputShapes))
            .Select((p, stream) => fill.Parameter(stream, p))];
        _batches = [.. Enumerable.Range(0, count).Select(batch => TrainingBatch.Real(graph, Objectives, spec.BatchSize,
            spec.Seed, Parameters.Length + batch * (graph.Inputs.Count + Objectives.Count)))];
    }

    /// <summary>The outputs with their losses.</summary>
    public IReadOnlyList<Objective> Objectives { get; }

    /// <summary>The values of each parameter and buffer.</summary>
    public float[][] Parameters { get; }

    /// <summary>Returns a batch.</summary>
    public TrainingBatch this[int batch] => _batches[batch];
}
