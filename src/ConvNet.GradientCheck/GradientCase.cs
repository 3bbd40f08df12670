namespace ConvNet.GradientChecking;

/// <summary>A layer, graph or loss to check with <see cref="GradientCheck"/>, together with the options. A check
/// depends on nothing else but the backends.</summary>
public abstract record GradientCase
{
    private protected GradientCase(GradientCheckOptions options) => Options = options;

    /// <summary>The options of the check.</summary>
    public GradientCheckOptions Options { get; init; }

    /// <summary>The layers, each with the shapes of its inputs; empty for a loss.</summary>
    internal abstract IEnumerable<(Layer Layer, Shape[] Inputs)> Layers { get; }

    /// <summary>Runs the check.</summary>
    /// <exception cref="NotSupportedException">A backend does not support a layer; the message names it.</exception>
    public abstract GradientReport Run(IReadOnlyList<IBackend> backends);
}

/// <summary>A whole graph to check.</summary>
/// <param name="Graph">The graph.</param>
/// <param name="Options">The options of the check.</param>
public sealed record GraphGradientCase(Graph Graph, GradientCheckOptions Options) : GradientCase(Options)
{
    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => Graph.LayerNodes
        .Select(node => (node.Layer!, node.InputShapes));

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends)
        => GradientCheck.Run(Graph, backends, Options.For(Graph));

    /// <summary>Returns the layers with their shapes, and the options.</summary>
    public override string ToString() => $"{Inputs}, {string.Join(", ", Graph.LayerNodes.Select(Describe))}; "
        + $"{Outputs}{Options}";

    private string Inputs => Graph.Inputs.Count == 1 ? $"{Graph.Input.Shape}"
        : string.Join(", ", Graph.Inputs.Select(input => $"{input.Name} {input.Shape}"));

    private string Outputs => Graph.Outputs.Count == 1 ? ""
        : $"outputs {string.Join(", ", Graph.Outputs.Select(output => output.Name))}; ";

    private static string Describe(Node node)
        => $"{node.Name}({string.Join(" ", node.Inputs.Select(input => input.Name))}) {node.Layer} {node.Shape}";
}

/// <summary>A single layer to check.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Inputs">The shapes of its inputs, for one sample.</param>
/// <param name="Options">The options of the check. Modes that need a whole graph are skipped.</param>
public sealed record LayerGradientCase(Layer Layer, IReadOnlyList<Shape> Inputs, GradientCheckOptions Options)
    : GradientCase(Options)
{
    /// <summary>The number of terms in the longest sum of the layer's output and gradients, including padding; 1 if
    /// nothing is summed.</summary>
    internal long LongestSum => Layer.LongestSum(Options.BatchSize, [.. Inputs]);

    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => [(Layer, [.. Inputs])];

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends)
        => GradientCheck.Run(Layer, Inputs, backends, Options);

    /// <summary>Returns the layer with its shapes, and the options.</summary>
    public override string ToString() => $"{Layer} on {string.Join(" + ", Inputs)}; {Options}";
}

/// <summary>A loss to check.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="Classes">The number of outputs per sample, or per pixel if the loss takes a class for each
/// pixel.</param>
/// <param name="Options">The options of the check. Only <see cref="CheckModes.Exact"/> and
/// <see cref="CheckModes.Real"/> apply.</param>
public sealed record LossGradientCase(Loss Loss, int Classes, GradientCheckOptions Options) : GradientCase(Options)
{
    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => [];

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends)
        => GradientCheck.Run(Loss, Classes, backends, Options);

    /// <summary>Returns the loss with its number of outputs, and the options.</summary>
    public override string ToString() => $"{Loss} for {Classes} outputs; {Options}";
}
