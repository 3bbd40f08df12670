using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Something to check: a network, or a layer by itself.</summary>
/// <param name="Title">What people call it.</param>
/// <param name="Case">What it is, and how it is checked.</param>
/// <param name="OneOfMany">Whether it is one of so many graphs that their layers are not listed.</param>
internal sealed record Subject(string Title, GradientCase Case, bool OneOfMany = false)
{
    /// <summary>A network.</summary>
    /// <param name="model">Its name or file.</param>
    /// <param name="input">The shape of the images; its own unless given.</param>
    /// <param name="options">How it is checked.</param>
    public static Subject Model(string model, Shape? input, GradientCheckOptions options)
        => new(model, new GraphGradientCase(ModelChoice.Open(model, input), options));

    /// <summary>A layer by itself, with a bias where it can have one.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="batch">Images in a batch; those of the shape unless given.</param>
    /// <param name="options">How it is checked.</param>
    public static Subject Layer(LayerShape shape, int? batch, GradientCheckOptions options)
    {
        LayerShape described = batch is { } given ? shape with { Batch = given } : shape;
        return new Subject(shape.Name ?? $"{described}", new LayerGradientCase(described.ToLayer(bias: true),
            [described.Reads], options with { BatchSize = described.Batch }));
    }

    /// <summary>Checks it on backends; what is reported of a layer bears the title.</summary>
    public GradientReport Check(IReadOnlyList<IBackend> backends)
    {
        GradientReport report = Case.Run(backends);
        return Case is LayerGradientCase
            ? new([.. report.Layers.Select(layer => layer with { Layer = Title })],
                [.. report.Cuts.Select(cut => cut with { Layer = Title })])
            : report;
    }

    /// <summary>What is listed of a report: of one graph of many a row for each backend and mode.</summary>
    public GradientReport Listed(GradientReport report) => !OneOfMany || Case is LayerGradientCase ? report : new(
        [.. report.Layers.GroupBy(layer => (layer.Backend, layer.Mode))
            .Select(group => new LayerReport(group.Key.Backend, Title, "graph", group.Key.Mode,
            [.. group.SelectMany(layer => layer.Tensors, (layer, tensor) => tensor
                with { Name = $"{layer.Layer} {tensor.Name}" })],
            string.Join("; ", group.Select(layer => layer.Remark).Where(remark => remark.Length > 0).Distinct())))],
        report.Cuts.Count == 0 ? [] : [new ExactCut(Title, "new whole numbers from "
            + $"{string.Join(", ", report.Cuts.Select(cut => cut.Layer))} on")]);
}
