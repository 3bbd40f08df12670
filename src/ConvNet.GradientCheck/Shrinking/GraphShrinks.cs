namespace ConvNet.GradientChecking;

/// <summary>Returns smaller graphs.</summary>
internal static class GraphShrinks
{
    private const CheckModes LayerModes = CheckModes.Exact | CheckModes.Real | CheckModes.ForwardMode;

    /// <summary>Returns each layer as a case of its own, if a mode that compares single layers is selected.</summary>
    public static IEnumerable<GradientCase> SingleLayers(GradientCase made) => made is GraphGradientCase whole
        && (whole.Options.Modes & LayerModes) is not CheckModes.None and var modes
        ? whole.Graph.LayerNodes
            .Select(node => new LayerGradientCase(node.Layer!, node.InputShapes, whole.Options.For(node) with
            {
                Modes = modes,
            }))
        : [];

    /// <summary>Returns graphs with fewer outputs, with only what follows a node (which becomes an input), or with only
    /// what leads to a node. The smallest remainder comes first.</summary>
    public static IEnumerable<GradientCase> Ends(GradientCase made)
    {
        if (made is not GraphGradientCase { Graph: var graph } whole)
            yield break;
        foreach (Graph? rest in FewerOutputs(graph).Concat(Subgraphs(graph)))
        {
            if (rest is not null)
                yield return whole with { Graph = rest };
        }
    }

    private static IEnumerable<Graph?> FewerOutputs(Graph graph)
        => graph.Outputs.Count == 1 ? [] :
        [
            .. graph.Outputs.Select(output => new Copy(graph) { Outputs = [output] }.Make()),
            .. graph.Outputs.Count == 2 ? [] : graph.Outputs.Select(output
                => new Copy(graph) { Outputs = [.. graph.Outputs.Where(other => other != output)] }.Make()),
        ];

    private static IEnumerable<Graph?> Subgraphs(Graph graph)
    {
        Node[] nodes = [.. graph.LayerNodes];
        int count = nodes.Length;
        foreach (int kept in (int[])[1, count / 4, count / 2, count * 3 / 4, count - 1])
        {
            if (kept < 1 || kept >= count)
                continue;
            yield return new Copy(graph) { Start = nodes[count - 1 - kept] }.Make();
            yield return new Copy(graph) { Outputs = [nodes[kept - 1]] }.Make();
        }
    }

    /// <summary>Returns graphs with one node removed. Its consumers read its input instead.</summary>
    public static IEnumerable<GradientCase> WithoutNode(GradientCase made)
        => made is not GraphGradientCase { Graph: var graph } whole ? [] :
        from node in graph.LayerNodes.Reverse()
        from input in node.Inputs.Distinct()
        let rest = new Copy(graph) { Without = (node, input) }.Make()
        where rest is not null
        select whole with { Graph = rest };

    /// <summary>Returns graphs with smaller layers: first all layers at their smallest, so that the inputs of a sum
    /// still match, then halved, then one at a time.</summary>
    public static IEnumerable<GradientCase> WithLayers(GraphGradientCase whole, Func<Layer, IEnumerable<Layer>> smaller)
    {
        Layer?[] At(int i)
            => [.. whole.Graph.Nodes.Select(node => node.Layer is { } layer ? smaller(layer).Skip(i).FirstOrDefault()
            : null)];
        IEnumerable<Func<Node, Layer>> changes = ((int[])[0, 1]).Select(At)
            .Where(layers => layers.Any(layer => layer is not null))
            .Select(layers => (Func<Node, Layer>)(node => layers[node.Index] ?? node.Layer!))
            .Concat(from changed in whole.Graph.LayerNodes
                    from layer in smaller(changed.Layer!)
                    select (Func<Node, Layer>)(node => node == changed ? layer : node.Layer!));
        return changes.Select(layerOf => new Copy(whole.Graph) { LayerOf = layerOf }.Make()).OfType<Graph>()
            .Select(graph => whole with { Graph = graph });
    }

    /// <summary>Returns the graph with other input shapes; null if it does not accept them.</summary>
    public static GradientCase? WithInputs(GraphGradientCase whole, Shape[] shapes)
        => new Copy(whole.Graph) { Shapes = shapes }.Make() is { } graph ? whole with { Graph = graph } : null;

    /// <summary>A modified copy of a graph.</summary>
    private sealed class Copy(Graph graph)
    {
        /// <summary>A node that is replaced by an input; null for none.</summary>
        public Node? Start { get; init; }

        /// <summary>The outputs.</summary>
        public IReadOnlyList<Node> Outputs { get; init; } = graph.Outputs;

        /// <summary>The shapes of the inputs.</summary>
        public IReadOnlyList<Shape> Shapes { get; init; } = [.. graph.Inputs.Select(input => input.Shape)];

        /// <summary>A node to remove, and the node that its consumers read instead.</summary>
        public (Node Node, Node Instead)? Without { get; init; }

        /// <summary>The layer of each node.</summary>
        public Func<Node, Layer> LayerOf { get; init; } = node => node.Layer!;

        /// <summary>Creates the copy. Returns null if the shapes do not match or nothing remains.</summary>
        public Graph? Make()
        {
            // If a node at an output is removed, an input or another output may take its place.
            Node[] outputs = [.. Outputs.Select(Stand).Where(node => node.Layer is not null && node != Start)
                .Distinct()];
            var needed = new HashSet<Node>();
            foreach (Node output in outputs)
                Need(output, needed);
            return outputs.Length == 0 ? null : Shrinker.Valid(() => Build(needed, outputs));
        }

        private Node Stand(Node node) => Without is { } without && node == without.Node ? without.Instead : node;

        private void Need(Node node, HashSet<Node> needed)
        {
            if (!needed.Add(node) || node == Start)
                return;
            foreach (Node input in node.Inputs)
                Need(Stand(input), needed);
        }

        private Graph Build(HashSet<Node> needed, Node[] outputs)
        {
            // Named like the input of a graph that was created with a single input.
            bool alone = needed.Count(IsInput) == 1;
            var copy = new Graph();
            var copies = new Dictionary<Node, Node>();
            foreach (Node node in graph.Nodes.Where(needed.Contains))
            {
                if (IsInput(node))
                {
                    copies[node] = copy.AddInput(alone ? "input" : node.Name, ShapeOf(node));
                    continue;
                }
                Node[] inputs = [.. node.Inputs.Select(input => copies[Stand(input)])];
                copies[node] = copy.Add(node.Name, Fitting(LayerOf(node), node.Inputs[0].Shape.C, inputs[0].Shape.C),
                    inputs);
            }
            if (outputs.Length > 1)
                copy.SetOutputs([.. outputs.Select(output => copies[output])]);
            return copy;
        }

        private bool IsInput(Node node) => node == Start || node.Layer is null;

        private Shape ShapeOf(Node input)
            => graph.Inputs.Zip(Shapes).Where(pair => pair.First == input).Select(pair => pair.Second)
                .FirstOrDefault(input.Shape);

        // The layer now has fewer channels than its groups were made for. A depthwise convolution stays depthwise, any
        // other gets one group.
        private static Layer Fitting(Layer layer, int before, int channels)
        {
            int groups = LayerShrinks.GroupsOf(layer);
            return groups > 1 && channels < before && (groups == before || channels % groups != 0)
                ? LayerShrinks.InGroups(layer, groups == before ? channels : 1)
                : layer;
        }
    }
}
