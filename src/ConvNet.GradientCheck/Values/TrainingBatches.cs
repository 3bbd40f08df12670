namespace ConvNet.GradientChecking;

/// <summary>Real values to train a graph with: parameters, and batches with their targets. They depend only on the seed
/// of the training.</summary>
internal sealed class TrainingBatches
{
    private readonly float[][][] _inputs;
    private readonly KeptTargets[] _targets;

    /// <summary>Generates the values.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training specification.</param>
    /// <param name="count">The number of batches.</param>
    public TrainingBatches(Graph graph, TrainingSpec spec, int count)
    {
        var fill = new Fill(spec.Seed);
        int stream = 0;
        Objectives = spec.Losses.For(graph);
        Parameters = [.. graph.LayerNodes.SelectMany(node => node.Layer!.Parameters(node.InputShapes))
            .Select(p => fill.Parameter(stream++, p))];
        _inputs = [.. Batches(_ => graph.Inputs
            .Select(input => fill.Uniform(stream++, spec.BatchSize * input.Shape.Length, 1)).ToArray())];
        _targets = [.. Batches(_ => KeptTargets.Of(Targets.Of([.. Objectives.Select(Drawn)])))];
        OutputTargets Drawn(Objective of)
        {
            int length = spec.BatchSize * of.Loss.TargetsPerSample(of.Output.Shape);
            return of.Loss.Takes == TargetKind.Values
                ? new OutputTargets(of.Output.Name, fill.Uniform(stream++, length, 1))
                : new OutputTargets(of.Output.Name, fill.Labels(stream++, length, of.Output.Shape.C));
        }
        T[] Batches<T>(Func<int, T> make) => [.. Enumerable.Range(0, count).Select(make)];
    }

    /// <summary>The outputs with their losses.</summary>
    public IReadOnlyList<Objective> Objectives { get; }

    /// <summary>The values of each parameter and buffer.</summary>
    public float[][] Parameters { get; }

    /// <summary>Returns the values of each input of a batch.</summary>
    public float[][] Inputs(int batch) => _inputs[batch];

    /// <summary>Returns the targets of a batch.</summary>
    public Targets TargetsOf(int batch) => Kept(batch).Targets;

    /// <summary>Returns the targets of a batch for several calls.</summary>
    public KeptTargets Kept(int batch) => _targets[batch];
}
