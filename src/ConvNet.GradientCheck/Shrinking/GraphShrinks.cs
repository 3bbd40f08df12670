namespace ConvNet.GradientChecking;

/// <summary>Smaller graphs.</summary>
internal static class GraphShrinks
{
    private const CheckModes LayerModes = CheckModes.Exact | CheckModes.Real | CheckModes.FiniteDifferences;

    /// <summary>Each layer by itself, where a comparison of single layers is asked for.</summary>
    public static IEnumerable<GradientCase> SingleLayers(GradientCase made) => made is GraphGradientCase whole
        && (whole.Options.Modes & LayerModes) is not CheckModes.None and var modes
        ? whole.Graph.LayerNodes
            .Select(node => new LayerGradientCase(node.Layer!, node.InputShapes, whole.Options with { Modes = modes }))
        : [];

    /// <summary>Fewer outputs; only what comes after a node, whose values are an input then, or only what leads to one;
    /// the shortest rest first.</summary>
    public static IEnumerable<GradientCase> Ends(GradientCase made)
    {
        if (made is not GraphGradientCase { Graph: var graph } whole)
            yield break;
        foreach (Graph? rest in FewerOutputs(graph).Concat(Parts(graph)))
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

    private static IEnumerable<Graph?> Parts(Graph graph)
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

    /// <summary>One node left out: what read it reads what it read.</summary>
    public static IEnumerable<GradientCase> WithoutNode(GradientCase made)
        => made is not GraphGradientCase { Graph: var graph } whole ? [] :
        from node in graph.LayerNodes.Reverse()
        from input in node.Inputs.Distinct()
        let rest = new Copy(graph) { Without = (node, input) }.Make()
        where rest is not null
        select whole with { Graph = rest };

    /// <summary>Smaller layers: every one at its smallest at once, so that those which meet in a sum still fit, then
    /// halved, then one by one.</summary>
    public static IEnumerable<GradientCase> WithLayers(GraphGradientCase whole, Func<Layer, IEnumerable<Layer>> smaller)
    {
        Layer?[] At(int step)
            => [.. whole.Graph.Nodes.Select(node => node.Layer is { } layer ? smaller(layer).Skip(step).FirstOrDefault()
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

    /// <summary>The graph on inputs of other shapes; null where it does not take them.</summary>
    public static GradientCase? WithInputs(GraphGradientCase whole, Shape[] shapes)
        => new Copy(whole.Graph) { Shapes = shapes }.Make() is { } graph ? whole with { Graph = graph } : null;

    /// <summary>A copy of a graph with something else about it.</summary>
    private sealed class Copy(Graph graph)
    {
        /// <summary>A node that an input takes the place of; null for none.</summary>
        public Node? Start { get; init; }

        /// <summary>The outputs.</summary>
        public IReadOnlyList<Node> Outputs { get; init; } = graph.Outputs;

        /// <summary>The shapes of the inputs.</summary>
        public IReadOnlyList<Shape> Shapes { get; init; } = [.. graph.Inputs.Select(input => input.Shape)];

        /// <summary>A node that is left out, and the one that is read in its place.</summary>
        public (Node Node, Node Instead)? Without { get; init; }

        /// <summary>The layer of each node.</summary>
        public Func<Node, Layer> LayerOf { get; init; } = node => node.Layer!;

        /// <summary>The copy; null where the shapes do not fit or nothing is left.</summary>
        public Graph? Make()
        {
            // What is left out at an output may leave an input, or another output, in its place.
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
            // As in a graph that was made with one input.
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

        // Fewer channels than the groups were made for: a depthwise convolution stays one, and any other has one group.
        private static Layer Fitting(Layer layer, int before, int channels)
        {
            int groups = LayerShrinks.GroupsOf(layer);
            return groups > 1 && channels < before && (groups == before || channels % groups != 0)
                ? LayerShrinks.InGroups(layer, groups == before ? channels : 1)
                : layer;
        }
    }
}
