using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli.Gradcheck;

/// <summary>A network, a single layer or a loss to check.</summary>
/// <param name="Title">The display name.</param>
/// <param name="Case">The case to check.</param>
/// <param name="OneOfMany">Whether the subject is one of many graphs, whose layers are not listed individually.</param>
internal sealed record Subject(string Title, GradientCase Case, bool OneOfMany = false)
{
    /// <summary>Creates a subject for a network.</summary>
    /// <param name="model">The built-in name or file. Of a saved training, the parameters that it has frozen are frozen
    /// here.</param>
    /// <param name="input">The shape of the images. Null selects the default of the network.</param>
    /// <param name="options">The options.</param>
    /// <param name="trained">Adds the training to the options, given the network and the training saved with
    /// it.</param>
    /// <exception cref="ArgumentException">A pattern of frozen parameters matches none of the network.</exception>
    public static Subject Model(string model, Shape? input, GradientCheckOptions options,
        Func<GradientCheckOptions, Graph, TrainingSpec?, GradientCheckOptions> trained)
    {
        (Graph graph, IReadOnlyList<string> frozen, TrainingSpec? saved) = ModelChoice.OpenWithTraining(model, input);
        ParameterGroup.TrainableIn(graph, options.Frozen);
        return new(model, new GraphGradientCase(graph,
            trained(options with { Frozen = [.. frozen, .. options.Frozen] }, graph, saved)));
    }

    /// <summary>Creates a subject for a single layer, with a bias if it supports one.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="batch">The batch size. Null selects that of the descriptor.</param>
    /// <param name="options">The options.</param>
    public static Subject Layer(LayerShape shape, int? batch, GradientCheckOptions options)
    {
        LayerShape described = batch is { } given ? shape with { Batch = given } : shape;
        return new Subject(shape.Name ?? $"{described}", new LayerGradientCase(described.ToLayer(bias: true),
            [described.Reads], options with { BatchSize = described.Batch }));
    }

    /// <summary>Checks the subject on backends. Reports of a single layer or a loss carry the title.</summary>
    public GradientReport Check(IReadOnlyList<IBackend> backends)
    {
        GradientReport report = Case.Run(backends);
        return Case is GraphGradientCase
            ? report
            : new([.. report.Layers.Select(layer => layer with { Layer = Title })],
                [.. report.Gaps.Select(gap => gap with { Layer = Title })]);
    }

    /// <summary>Returns the rows to list: for one graph of many, one row per backend and mode.</summary>
    public GradientReport Listed(GradientReport report) => !OneOfMany || Case is not GraphGradientCase ? report : new(
        [.. report.Layers.GroupBy(layer => (layer.Backend, layer.Mode))
            .Select(group => new LayerReport(group.Key.Backend, Title, "graph", group.Key.Mode,
            [.. group.SelectMany(layer => layer.Tensors, (layer, tensor) => tensor
                with { Name = $"{layer.Layer} {tensor.Name}" })],
            string.Join("; ", group.Select(layer => layer.Remark).Where(remark => remark.Length > 0).Distinct())))],
        report.Gaps.Count == 0 ? [] : [new ExactGap(Title, "new segments start at "
            + $"{string.Join(", ", report.Gaps.Select(gap => gap.Layer))}")])
    { Steps = report.Steps };
}
