namespace ConvNet.Backends;

/// <summary>Command-line names of the convolution algorithms.</summary>
public static class AlgorithmNames
{
    /// <summary>Lets the backend choose the algorithm that it estimates to be fastest.</summary>
    public const string Auto = "auto";

    private static readonly (SumAlgorithm Algorithm, string Word)[] Words =
        [(SumAlgorithm.Direct, "direct"), (SumAlgorithm.Winograd2, "winograd2"), (SumAlgorithm.Winograd4, "winograd4")];

    /// <summary>The names of the algorithms, excluding <see cref="Auto"/>.</summary>
    public static IEnumerable<string> All => Words.Select(known => known.Word);

    /// <summary>Returns the name of an algorithm.</summary>
    public static string Word(this SumAlgorithm algorithm) => Words.Single(known => known.Algorithm == algorithm).Word;

    /// <summary>Returns the algorithm with a given name, or null for <see cref="Auto"/> and for null.</summary>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    public static SumAlgorithm? Parse(string? word)
    {
        if (word is null or Auto)
            return null;
        foreach ((SumAlgorithm algorithm, string known) in Words)
        {
            if (known == word)
                return algorithm;
        }
        throw NearMisses.NoSuch("algorithm", word, All.Prepend(Auto));
    }
}
