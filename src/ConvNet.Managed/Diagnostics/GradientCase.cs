namespace ConvNet.Diagnostics;

/// <summary>Something to check with <see cref="GradientCheck"/>, and how: all that a check depends on but for the backends.</summary>
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
    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => Graph.Nodes.Skip(1).Select(node => (node.Layer!, node.InputShapes));

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends) => GradientCheck.Run(Graph, backends, Options);

    /// <summary>The layers with their shapes, and the options.</summary>
    public override string ToString() => $"{Graph.Input.Shape}, {string.Join(", ", Graph.Nodes.Skip(1).Select(Describe))}; {Options}";

    private static string Describe(Node node) => $"{node.Name}({string.Join(" ", node.Inputs.Select(input => input.Name))}) {node.Layer} {node.Shape}";
}

/// <summary>One layer to check by itself.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Inputs">The shapes of its inputs, of one sample.</param>
/// <param name="Options">How it is checked; what needs a whole graph is left out.</param>
public sealed record LayerGradientCase(Layer Layer, IReadOnlyList<Shape> Inputs, GradientCheckOptions Options) : GradientCase(Options)
{
    /// <summary>Terms of the longest sum in the layer's output and gradients, padding counted; 1 where nothing is summed.</summary>
    public long LongestSum => Layer switch
    {
        Conv2d conv => LongestSumOf(conv),
        Dense dense => Math.Max(Math.Max(Inputs[0].C, dense.Units), Options.BatchSize),
        AvgPool2d pool => pool.Window.Kernel.Area,
        GlobalAvgPool2d => Inputs[0].Area,
        BatchNorm2d => (long)Options.BatchSize * Inputs[0].Area,
        Add => Inputs.Count,
        _ => 1,
    };

    internal override IEnumerable<(Layer Layer, Shape[] Inputs)> Layers => [(Layer, [.. Inputs])];

    /// <inheritdoc/>
    public override GradientReport Run(IReadOnlyList<IBackend> backends) => GradientCheck.Run(Layer, Inputs, backends, Options);

    /// <summary>The layer with its shapes, and the options.</summary>
    public override string ToString() => $"{Layer} on {string.Join(" + ", Inputs)}; {Options}";

    private long LongestSumOf(Conv2d conv)
    {
        long forward = (long)(Inputs[0].C / conv.Groups) * conv.Window.Kernel.Area;
        // Of a column of taps, so many meet one input.
        int Meeting(int taps, int stride, int dilation)
        {
            int apart = stride / (int)System.Numerics.BigInteger.GreatestCommonDivisor(stride, dilation);
            return (taps + apart - 1) / apart;
        }
        Window window = conv.Window;
        long backward = (long)(conv.Filters / conv.Groups) * Meeting(window.Kernel.H, window.Stride.H, window.Dilation.H)
            * Meeting(window.Kernel.W, window.Stride.W, window.Dilation.W);
        return Math.Max(Math.Max(forward, backward), (long)Options.BatchSize * conv.Infer(Inputs[0]).Area);
    }
}
