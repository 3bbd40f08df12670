namespace ConvNet.Cli;

/// <summary>The most probable classes of an image.</summary>
/// <param name="Image">The file or the name of the image.</param>
/// <param name="Label">The true class; null if it is not known.</param>
/// <param name="Classes">The classes and their probabilities, the most probable one first; empty with an error.</param>
internal sealed record Prediction(string Image, int? Label, IReadOnlyList<(int Class, double Probability)> Classes)
{
    /// <summary>Why there are no classes; null if there are.</summary>
    public string? Error { get; init; }

    /// <summary>Whether a score is NaN or infinite.</summary>
    public bool IsNotFinite { get; init; }
}
