using ConvNet.Diagnostics;
using ConvNet.Measurement;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Something to check: a network, or a layer by itself.</summary>
/// <param name="Title">What people call it.</param>
/// <param name="Arguments">The options that name it on the command line.</param>
/// <param name="Check">Checks it on backends.</param>
internal sealed record Subject(string Title, string Arguments, Func<IReadOnlyList<IBackend>, GradientReport> Check)
{
    /// <summary>A network.</summary>
    /// <param name="model">Its name or file.</param>
    /// <param name="input">The shape of the images; its own unless given.</param>
    /// <param name="options">How it is checked.</param>
    public static Subject Model(string model, Shape? input, GradientCheckOptions options)
    {
        Graph graph = ModelChoice.Open(model, input);
        string images = input is { } shape ? $" --input {shape.C}x{shape.H}x{shape.W}" : "";
        return new Subject(model, $"--model {model}{images} --batch {options.BatchSize}", backends => GradientCheck.Run(graph, backends, options));
    }

    /// <summary>A layer by itself, with a bias where it can have one.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="batch">Images in a batch; those of the shape unless given.</param>
    /// <param name="options">How it is checked.</param>
    public static Subject Layer(LayerShape shape, int? batch, GradientCheckOptions options)
    {
        LayerShape described = batch is { } given ? shape with { Batch = given } : shape;
        string descriptor = (described with { Name = null }).ToString(), title = shape.Name ?? descriptor;
        Layer layer = described.ToLayer(bias: true);
        return new Subject(title, $"--layer {descriptor}", backends => Named(title, GradientCheck.Run(layer, [described.Reads], backends, options with { BatchSize = described.Batch })));
    }

    private static GradientReport Named(string title, GradientReport report)
        => new([.. report.Layers.Select(layer => layer with { Layer = title })], [.. report.Cuts.Select(cut => cut with { Layer = title })]);
}
