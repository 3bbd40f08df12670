namespace ConvNet.GradientChecking;

/// <summary>What a traced pass ran on.</summary>
/// <param name="Pass">The tensors of the pass.</param>
/// <param name="Parameter">Returns the values that a parameter or buffer had before the pass.</param>
/// <param name="Trains">Whether a node ran as in training.</param>
/// <param name="PassNumber">The number of the pass, which keys random masks.</param>
/// <param name="Seed">The seed of random masks.</param>
/// <param name="AlgorithmOf">The algorithm that computed a pass of a node.</param>
/// <param name="Cache">Keeps results that several backends share.</param>
/// <param name="Draw">The seed of the sample.</param>
/// <param name="Budget">The number of terms of each sampled tensor.</param>
internal sealed record PassFacts(TracedPass Pass, Func<Parameter, float[]> Parameter, Func<Node, bool> Trains,
    long PassNumber, ulong Seed, Func<Node, SumPass, SumAlgorithm> AlgorithmOf, TruthCache Cache, ulong Draw,
    long Budget)
{
    /// <summary>The largest number of multiply-adds of an operation that is computed in full on whole numbers.
    /// </summary>
    public const long MostMultiplyAdds = 1 << 29;

}

/// <summary>Keeps the results of the reference, so that backends that ran an operation on the same values share
/// them.</summary>
/// <remarks>Operations may be computed at the same time.</remarks>
internal sealed class TruthCache
{
    private readonly List<(LayerValues<float> Values, object Result)> _known = [];

    /// <summary>Runs a layer in double.</summary>
    /// <param name="values">The values.</param>
    /// <param name="backward">Whether to run the backward pass too.</param>
    public LayerRun<double> Run(LayerValues<float> values, bool backward)
        => Known(values, backward, () => new LayerRun<double>(values.To(v => (double)v), backward));

    /// <summary>Computes the results of a layer with their bounds.</summary>
    public LayerTruth Truth(LayerValues<float> values)
        => Known(values, true, () => new Bounded(LayerReference.Evaluate(values))).Truth;

    /// <summary>Computes the results of a bilinear layer and whether they are exact.</summary>
    public LayerTruth Proof(LayerValues<float> values)
        => Known(values, true, () => new Proven(ExactReference.Evaluate(values))).Truth;

    private sealed record Bounded(LayerTruth Truth);

    private sealed record Proven(LayerTruth Truth);

    private T Known<T>(LayerValues<float> values, bool backward, Func<T> compute) where T : class
    {
        lock (_known)
        {
            foreach ((LayerValues<float> before, object result) in _known)
            {
                if (result is T known && IsSame(before, values, backward))
                    return known;
            }
        }
        T computed = compute();
        lock (_known)
            _known.Add((values, computed));
        return computed;
    }

    private static bool IsSame(LayerValues<float> a, LayerValues<float> b, bool backward)
        => a.NodeIndex == b.NodeIndex && a.N == b.N && a.Pass == b.Pass && a.Seed == b.Seed
            && a.Training == b.Training && Same(a.X, b.X) && Same(a.W, b.W) && a.DY.Length > 0 == backward
            && (!backward || a.DY.AsSpan().SequenceEqual(b.DY));

    private static bool Same(float[][] a, float[][] b) => a.Zip(b).All(pair => pair.First == pair.Second
        || pair.First.AsSpan().SequenceEqual(pair.Second));
}
