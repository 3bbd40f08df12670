namespace ConvNet.Measurement;

/// <summary>What is timed.</summary>
public enum Pass
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

/// <summary>Passes by their names, which are those of benchdnn where it has one.</summary>
public static class Passes
{
    private static readonly (Pass Pass, string Word)[] Words =
    [
        (Pass.Forward, "fwd"), (Pass.BackwardData, "bwd_d"), (Pass.BackwardWeights, "bwd_w"), (Pass.Train, "train"), (Pass.Infer, "infer"),
    ];

    /// <summary>All names.</summary>
    public static string Names => string.Join(", ", Words.Select(known => known.Word));

    /// <summary>Whether a pass is one of a layer, not of a network.</summary>
    public static bool IsOfLayer(this Pass pass) => pass is Pass.Forward or Pass.BackwardData or Pass.BackwardWeights;

    /// <summary>The name of a pass.</summary>
    public static string Word(this Pass pass) => Words.Single(known => known.Pass == pass).Word;

    /// <summary>The pass of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Pass Parse(string word)
    {
        foreach ((Pass pass, string known) in Words)
        {
            if (known == word)
                return pass;
        }
        throw new ArgumentException($"There is no pass \"{word}\"; there are {Names}.");
    }
}
