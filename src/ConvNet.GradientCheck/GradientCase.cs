namespace ConvNet.GradientChecking;

/// <summary>Something to check with <see cref="GradientCheck"/>, and how: all that a check depends on but for the
/// backends.</summary>
public abstract record GradientCase
{
    private protected GradientCase(GradientCheckOptions options) => Options = options;

    /// <summary>How it is checked.</summary>
    public GradientCheckOptions Options { get; init; }

    /// <summary>The layers with the shapes that they read.</summary>
    internal abstract IEnumerable<(Layer Layer, Shape[] Inputs)> Layers { get; }

    /// <summary>Checks it.</summary>
    /// <exception cref="NotSupportedException">A backend lacks a layer; the message names it.</exception>
    public abstract GradientReport Run(IReadOnlyList<IBackend> backends);
}

/// <summary>A whole graph to check.</summary>
/// <param name="Graph">The graph.</param>
/// <param name="Options">How it is checked.</param>
public sealed record GraphGradientCase(Graph Graph, GradientCheckOptions Options) : GradientCase(Options)
{
    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => Graph.LayerNodes
        .Select(node => (node.Layer!, node.InputShapes));

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends) => GradientCheck.Run(Graph, backends, Options);

    /// <summary>The layers with their shapes, and the options.</summary>
    public override string ToString() => $"{Inputs}, {string.Join(", ", Graph.LayerNodes.Select(Describe))}; "
        + $"{Outputs}{Options}";

    private string Inputs => Graph.Inputs.Count == 1 ? $"{Graph.Input.Shape}"
        : string.Join(", ", Graph.Inputs.Select(input => $"{input.Name} {input.Shape}"));

    private string Outputs => Graph.Outputs.Count == 1 ? ""
        : $"outputs {string.Join(", ", Graph.Outputs.Select(output => output.Name))}; ";

    private static string Describe(Node node)
        => $"{node.Name}({string.Join(" ", node.Inputs.Select(input => input.Name))}) {node.Layer} {node.Shape}";
}

/// <summary>One layer to check by itself.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Inputs">The shapes of its inputs, of one sample.</param>
/// <param name="Options">How it is checked; what needs a whole graph is left out.</param>
public sealed record LayerGradientCase(Layer Layer, IReadOnlyList<Shape> Inputs, GradientCheckOptions Options)
    : GradientCase(Options)
{
    /// <summary>Terms of the longest sum in the layer's output and gradients, padding counted; 1 where nothing is
    /// summed.</summary>
    public long LongestSum => Layer.LongestSum(Options.BatchSize, [.. Inputs]);

    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => [(Layer, [.. Inputs])];

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends)
        => GradientCheck.Run(Layer, Inputs, backends, Options);

    /// <summary>The layer with its shapes, and the options.</summary>
    public override string ToString() => $"{Layer} on {string.Join(" + ", Inputs)}; {Options}";
}
