namespace ConvNet.Summaries;

/// <summary>Describes one layer of a graph and its costs.</summary>
/// <param name="Name">The name of the node.</param>
/// <param name="Type">The kind of the layer.</param>
/// <param name="Inputs">The nodes it reads.</param>
/// <param name="Output">The output shape of one sample.</param>
/// <param name="Formula">The formula of the output size with its numbers; empty if the layer keeps the
/// shape.</param>
/// <param name="Weights">The number of multiplicative trainable values: weights and batch-normalisation
/// scales.</param>
/// <param name="Biases">The number of additive trainable values.</param>
/// <param name="ReceptiveField">
/// The rows and columns of the image on which one output depends, not clipped at the borders; at most 2^31 − 1.
/// </param>
/// <param name="MultiplyAdds">The number of multiply-adds in the forward pass of one sample.</param>
/// <param name="SavedBytes">
/// The size in bytes, in float32, of the data that the layer's backward pass reads from the forward pass of one sample:
/// the inputs and the output, if needed, and any saved data. A value that several layers need is counted by each.
/// </param>
public sealed record LayerSummary(
    string Name, string Type, IReadOnlyList<string> Inputs, Shape Output, string Formula, long Weights, long Biases,
        Extent ReceptiveField, long MultiplyAdds, long SavedBytes)
{
    /// <summary>The rows and columns of the image between adjacent outputs; at least 1, also where maps are
    /// enlarged.</summary>
    public Extent Jump { get; init; } = 1;

    /// <summary>The number of weights and biases.</summary>
    public long Parameters => Weights + Biases;

    /// <summary>The size of one sample's output in float32, in bytes.</summary>
    public long ActivationBytes => (long)Output.Length * sizeof(float);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LayerSummary), (nameof(Name), Name),
        (nameof(Type), Type), (nameof(Inputs), Inputs), (nameof(Output), Output), (nameof(Formula), Formula),
        (nameof(Weights), Weights), (nameof(Biases), Biases), (nameof(ReceptiveField), ReceptiveField),
        (nameof(Jump), Jump), (nameof(MultiplyAdds), MultiplyAdds), (nameof(SavedBytes), SavedBytes));
}

/// <summary>Describes an input of a graph.</summary>
/// <param name="Name">The name of the node.</param>
/// <param name="Shape">The shape C, H, W of one sample.</param>
public sealed record InputSummary(string Name, Shape Shape);

/// <summary>The layers of a graph with their sizes and costs, computed from the graph alone.</summary>
/// <remarks>
/// The receptive field is computed by r ← r + (F − 1)·j, j ← j·S, starting from r = j = 1, where F is the reach of the
/// window and S its stride. With several inputs, the largest r and j are used. A linear layer depends on all positions
/// of the map that was flattened. Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural
/// networks", Distill 2019.
/// </remarks>
/// <param name="Inputs">The inputs, in the order of the graph.</param>
/// <param name="Layers">The layers, in the order of the graph.</param>
/// <param name="Outputs">The names of the output nodes, in the order of the graph.</param>
public sealed record ModelSummary(IReadOnlyList<InputSummary> Inputs, IReadOnlyList<LayerSummary> Layers,
    IReadOnlyList<string> Outputs)
{
    /// <summary>The number of multiplicative trainable values.</summary>
    public long Weights => Layers.Sum(layer => layer.Weights);

    /// <summary>The number of additive trainable values.</summary>
    public long Biases => Layers.Sum(layer => layer.Biases);

    /// <summary>The number of trainable values.</summary>
    public long Parameters => Layers.Sum(layer => layer.Parameters);

    /// <summary>The number of multiply-adds in the forward pass of one sample.</summary>
    public long MultiplyAdds => Layers.Sum(layer => layer.MultiplyAdds);

    /// <summary>The total size of the outputs of all layers for one sample in float32, in bytes.</summary>
    public long ActivationBytes => Layers.Sum(layer => layer.ActivationBytes);

    /// <summary>Summarises a graph.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    public static ModelSummary Of(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var views = new View[graph.Nodes.Count];
        foreach (Node input in graph.Inputs)
            views[input.Index] = new View(1, 1, 1);
        var layers = new List<LayerSummary>();
        foreach (Node node in graph.LayerNodes)
        {
            views[node.Index] = View.Of(node, views);
            layers.Add(new LayerSummary(
                node.Name, node.Layer!.Kind, [.. node.Inputs.Select(input => input.Name)], node.Shape,
                    node.Layer.Explain(node.InputShapes),
                Count(node, ParameterRole.Weight, ParameterRole.Scale), Count(node, ParameterRole.Bias),
                views[node.Index].Field, node.Layer.MultiplyAdds(node.InputShapes), SavedBytes(node))
            {
                Jump = views[node.Index].Jump,
            });
        }
        return new ModelSummary([.. graph.Inputs.Select(input => new InputSummary(input.Name, input.Shape))], layers,
            [.. graph.Outputs.Select(output => output.Name)]);
    }

    private static long SavedBytes(Node node)
    {
        Layer layer = node.Layer!;
        long values = layer.SavedLength(1, node.InputShapes);
        if (layer.BackwardReads.HasFlag(BackwardReads.Inputs))
            values += node.Inputs.Distinct().Sum(input => (long)input.Shape.Length);
        if (layer.BackwardReads.HasFlag(BackwardReads.Output))
            values += node.Shape.Length;
        return values * sizeof(float);
    }

    private static long Count(Node node, params ParameterRole[] roles)
        => node.Parameters.Where(p => roles.Contains(p.Role)).Sum(p => (long)p.Length);

    /// <summary>The part of the image on which an output depends.</summary>
    /// <param name="Field">r: its rows and columns.</param>
    /// <param name="Jump">j: the distance in the image between adjacent outputs.</param>
    /// <param name="Spread">The rows and columns of the outputs that lie side by side in a flattened vector.</param>
    private readonly record struct View(Extent Field, Extent Jump, Extent Spread)
    {
        public static View Of(Node node, View[] views)
        {
            View x = node.Inputs.Select(input => views[input.Index]).Aggregate(Larger);
            Shape[] shapes = node.InputShapes;
            Layer layer = node.Layer!;
            if (layer.IsView && node.Shape != shapes[0])
                return x with { Spread = Extended((long)x.Spread.H * shapes[0].H, (long)x.Spread.W * shapes[0].W) };
            if (layer.ReadsAllFeatures)
                return x.Through(x.Spread, 1) with { Spread = 1 };
            return layer.Sees(shapes) is { } window ? x.Through(window.Reach, window.Stride) : x;
        }

        private View Through(Extent reach, Extent stride) => this with
        {
            Field = Extended(Field.H + (reach.H - 1L) * Jump.H, Field.W + (reach.W - 1L) * Jump.W),
            Jump = Extended((long)Jump.H * stride.H, (long)Jump.W * stride.W),
        };

        // Values beyond the largest image size carry no information, so they are clamped.
        private static Extent Extended(long h, long w)
            => ((int)Math.Min(h, int.MaxValue), (int)Math.Min(w, int.MaxValue));

        private static View Larger(View a, View b)
            => new(Larger(a.Field, b.Field), Larger(a.Jump, b.Jump), Larger(a.Spread, b.Spread));

        private static Extent Larger(Extent a, Extent b) => (Math.Max(a.H, b.H), Math.Max(a.W, b.W));
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ModelSummary), (nameof(Inputs), Inputs),
        (nameof(Layers), Layers), (nameof(Outputs), Outputs));
}
