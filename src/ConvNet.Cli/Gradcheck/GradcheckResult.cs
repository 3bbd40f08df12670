using ConvNet.Diagnostics;

namespace ConvNet.Cli.Gradcheck;

/// <summary>A finished check: what the report writers turn into a table, a document or a file.</summary>
/// <param name="Title">What was checked.</param>
/// <param name="Backends">On what.</param>
/// <param name="Report">The comparisons.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="Reproduce">The command line that shows a failure again; null where there is none.</param>
internal sealed record GradcheckResult(string Title, IReadOnlyList<BackendVariant> Backends, GradientReport Report, TimeSpan Elapsed, string? Reproduce)
{
    /// <summary>The file with the case that the failure was shrunk to; null where there is none.</summary>
    public string? CaseFile { get; init; }

    /// <summary>The comparison that is worst: a wrong one before a suspect one, then the largest error in units of its bound.</summary>
    public (LayerReport Layer, TensorReport Tensor)? Worst => Report.Layers
        .SelectMany(layer => layer.Tensors, (layer, tensor) => ((LayerReport, TensorReport)?)(layer, tensor))
        .MaxBy(row => (row!.Value.Item2.Verdict, row.Value.Item2.WorstInBounds));

    /// <summary>The comparisons that did not pass, the worst first.</summary>
    public IEnumerable<(LayerReport Layer, TensorReport Tensor)> Failures => Report.Layers
        .SelectMany(layer => layer.Tensors, (layer, tensor) => (Layer: layer, Tensor: tensor))
        .Where(row => row.Tensor.Verdict != Verdict.Pass)
        .OrderByDescending(row => row.Tensor.Verdict).ThenByDescending(row => row.Tensor.WorstInBounds);
}
