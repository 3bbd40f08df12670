namespace ConvNet.Measurement;

/// <summary>The pass that a benchmark times.</summary>
public enum BenchPass
{
    /// <summary>Forward pass of a layer: <c>fwd</c>.</summary>
    Forward,

    /// <summary>Backward pass of a layer with respect to its input: <c>bwd_d</c>.</summary>
    BackwardData,

    /// <summary>Backward pass of a layer with respect to its weights: <c>bwd_w</c>.</summary>
    BackwardWeights,

    /// <summary>Training step of a network (forward, loss, backward, optimiser): <c>train</c>.</summary>
    Train,

    /// <summary>Inference of a network: <c>infer</c>.</summary>
    Infer,
}

/// <summary>Names of the benchmark passes. Layer passes have the names that benchdnn gives them.</summary>
public static class BenchPasses
{
    private static readonly (BenchPass Pass, string Word)[] Words =
    [
        (BenchPass.Forward, "fwd"), (BenchPass.BackwardData, "bwd_d"), (BenchPass.BackwardWeights, "bwd_w"),
            (BenchPass.Train, "train"), (BenchPass.Infer, "infer"),
    ];

    /// <summary>All names, separated by commas.</summary>
    public static string Names => string.Join(", ", Words.Select(known => known.Word));

    /// <summary>Whether a pass belongs to a layer rather than to a network.</summary>
    public static bool IsLayerPass(this BenchPass pass) => pass is BenchPass.Forward or BenchPass.BackwardData
        or BenchPass.BackwardWeights;

    /// <summary>Returns the name of a pass.</summary>
    public static string Word(this BenchPass pass) => Words.Single(known => known.Pass == pass).Word;

    /// <summary>Returns the pass with a given name.</summary>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
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
