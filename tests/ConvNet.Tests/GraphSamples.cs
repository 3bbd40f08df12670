namespace ConvNet.Tests;

/// <summary>Batches for graphs of any number of inputs and outputs.</summary>
internal static class GraphSamples
{
    /// <summary>A squared error at every output; each has its own weight, the first 1.</summary>
    public static Losses SquaredErrors(Graph graph) => Losses.Of(
        [.. graph.Outputs.Select((output, i) => new OutputLoss(output.Name, new MeanSquaredError(), 1f / (1 + i)))]);

    /// <summary>Values for every input, in the order of the graph's.</summary>
    public static float[][] Inputs(Graph graph, int n, int seed)
        => [.. graph.Inputs.Select((input, i) => Samples.Uniform(n * input.Shape.Length, seed + 1000 * i))];

    /// <summary>Memory for every input.</summary>
    public static float[][] InputGradients(Graph graph, int n)
        => [.. graph.Inputs.Select(input => new float[n * input.Shape.Length])];

    /// <summary>Memory for every output.</summary>
    public static float[][] Outputs(Graph graph, int n)
        => [.. graph.Outputs.Select(output => new float[n * output.Shape.Length])];

    /// <summary>Values to compare every output with.</summary>
    public static OutputTargets[] Targets(Graph graph, int n, int seed) => [.. graph.Outputs.Select((output, i)
        => new OutputTargets(output.Name, Samples.Uniform(n * output.Shape.Length, seed + 1000 * i)))];
}
