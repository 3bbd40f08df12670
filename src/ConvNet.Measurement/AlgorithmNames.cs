namespace ConvNet.Measurement;

/// <summary>The algorithms of a convolution by their names on a command line.</summary>
public static class AlgorithmNames
{
    /// <summary>Whatever the backend estimates to be fastest.</summary>
    public const string Auto = "auto";

    private static readonly (SumAlgorithm Algorithm, string Word)[] Words =
        [(SumAlgorithm.Direct, "direct"), (SumAlgorithm.Winograd2, "winograd2"), (SumAlgorithm.Winograd4, "winograd4")];

    /// <summary>The names of the algorithms, without <see cref="Auto"/>.</summary>
    public static IEnumerable<string> All => Words.Select(known => known.Word);

    /// <summary>The name of an algorithm.</summary>
    public static string Word(this SumAlgorithm algorithm) => Words.Single(known => known.Algorithm == algorithm).Word;

    /// <summary>The algorithm of a name; null for <see cref="Auto"/> and for none.</summary>
    /// <exception cref="ArgumentException">There is no such algorithm.</exception>
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
