using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>A sample that the network classifies wrongly.</summary>
/// <param name="Sample">The number of the sample.</param>
/// <param name="Truth">The true class.</param>
/// <param name="Guess">The class with the highest probability.</param>
/// <param name="Probability">Its probability.</param>
/// <param name="TrueProbability">The probability of the true class.</param>
/// <param name="Png">The PNG file in Base64.</param>
internal sealed record ShownMistake(int Sample, int Truth, int Guess, double? Probability, double? TrueProbability,
    string Png)
{
    /// <summary>Reads a mistake.</summary>
    /// <exception cref="InvalidDataException">Something is wrong with it.</exception>
    public static ShownMistake Of(JsonElement mistake) => mistake.ValueKind == JsonValueKind.Object
        ? new ShownMistake(mistake.Needed("sample"), mistake.Needed("truth"), mistake.Needed("guess"),
            mistake.Number("probability"), mistake.Number("trueProbability"), mistake.Png())
        : throw new InvalidDataException("a mistake is no object");
}
