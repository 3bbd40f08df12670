using System.Numerics.Tensors;

namespace ConvNet.Interpretation;

/// <summary>The probabilities of the classes that a network assigns to images.</summary>
public static class ClassScores
{
    /// <summary>Whether a network has one output, a vector of scores.</summary>
    /// <param name="graph">The graph.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    public static bool Has(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        return graph.Outputs is [{ Shape: { H: 1, W: 1, C: > 1 } }];
    }

    /// <summary>Computes the probabilities: the softmax of the outputs, or the outputs themselves if their layer is a
    /// softmax.</summary>
    /// <param name="network">An executable with one output, a vector of scores.</param>
    /// <param name="samples">The samples as the network reads them, N×C×H×W values.</param>
    /// <returns>N×classes probabilities.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="network"/> is null.</exception>
    /// <exception cref="ArgumentException">The output is not a vector of scores, or the samples are not what
    /// <see cref="IExecutable.Infer"/> takes.</exception>
    /// <exception cref="InvalidOperationException">The network has several inputs, or a parameter has not been
    /// written.</exception>
    public static float[] Of(IExecutable network, ReadOnlySpan<float> samples)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (!Has(network.Graph))
            throw new ArgumentException("The network has no probabilities of classes: its outputs are "
                + $"{string.Join(" and ", network.Graph.Outputs.Select(output => output.Shape))}, not a vector of "
                + "scores, C×1×1.", nameof(network));
        Node output = network.Graph.Output;
        int classes = output.Shape.C;
        var scores = new float[samples.Length / network.Graph.Input.Shape.Length * classes];
        network.Infer(samples, scores);
        for (int at = 0; at < scores.Length; at += classes)
        {
            if (output.Layer is not { GivesProbabilities: true })
                ToProbabilities(scores.AsSpan(at, classes));
        }
        return scores;
    }

    // p_i = exp(s_i − max s) / Σ_j exp(s_j − max s)
    private static void ToProbabilities(Span<float> scores)
    {
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.SoftMax<float>(scores, scores);
    }
}
