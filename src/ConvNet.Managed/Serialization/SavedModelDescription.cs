using ConvNet.Data;

namespace ConvNet.Serialization;

/// <summary>What a file of a saved model says without its values.</summary>
/// <param name="Graph">The graph.</param>
/// <param name="Normalization">The normalisation of the images; null if there is none.</param>
/// <param name="ClassNames">The names of the classes; empty if there are none.</param>
/// <param name="Training">The training to resume; null if there is none.</param>
internal sealed record SavedModelDescription(Graph Graph, Normalization? Normalization,
    IReadOnlyList<string> ClassNames, SavedTraining? Training);
