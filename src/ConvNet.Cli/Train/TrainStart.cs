using ConvNet.Serialization;

namespace ConvNet.Cli.Train;

/// <summary>What a training begins with: a new network, a saved one, or a saved training that it resumes.</summary>
/// <param name="File">The file of the saved network; null for a new one.</param>
/// <param name="Saved">Its content; null for a new network.</param>
/// <param name="GoesOn">The training to resume; null for a new training.</param>
internal sealed record TrainStart(string? File, SavedModel? Saved, SavedTraining? GoesOn)
{
    /// <summary>The names of parameters that stand for constants of a formula in an ONNX model, and stay as they
    /// are.</summary>
    public IReadOnlyList<string> Constants { get; init; } = [];

    /// <summary>A new network.</summary>
    public static TrainStart New { get; } = new(null, null, null);
}
