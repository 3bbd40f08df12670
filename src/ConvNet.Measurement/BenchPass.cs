namespace ConvNet.Measurement;

/// <summary>What is timed.</summary>
public enum BenchPass
{
    /// <summary>The output of a layer: <c>fwd</c>.</summary>
    Forward,

    /// <summary>The gradient of a layer's input: <c>bwd_d</c>.</summary>
    BackwardData,

    /// <summary>The gradient of a layer's weights: <c>bwd_w</c>.</summary>
    BackwardWeights,

    /// <summary>A training step of a network (forward, loss, backward, optimiser): <c>train</c>.</summary>
    Train,

    /// <summary>The scores of a network in inference mode: <c>infer</c>.</summary>
    Infer,
}

/// <summary>BenchPasses by their names, which are those of benchdnn where it has one.</summary>
public static class BenchPasses
{
    private static readonly (BenchPass Pass, string Word)[] Words =
    [
        (BenchPass.Forward, "fwd"), (BenchPass.BackwardData, "bwd_d"), (BenchPass.BackwardWeights, "bwd_w"),
            (BenchPass.Train, "train"), (BenchPass.Infer, "infer"),
    ];

    /// <summary>All names.</summary>
    public static string Names => string.Join(", ", Words.Select(known => known.Word));

    /// <summary>Whether a pass is one of a layer, not of a network.</summary>
    public static bool IsOfLayer(this BenchPass pass) => pass is BenchPass.Forward or BenchPass.BackwardData
        or BenchPass.BackwardWeights;

    /// <summary>The name of a pass.</summary>
    public static string Word(this BenchPass pass) => Words.Single(known => known.Pass == pass).Word;

    /// <summary>The pass of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static BenchPass Parse(string word)
    {
        foreach ((BenchPass pass, string known) in Words)
        {
            if (known == word)
                return pass;
        }
        throw NearMisses.NoSuch("pass", word, Words.Select(known => known.Word));
    }
}
