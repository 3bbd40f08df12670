namespace ConvNet.GradientChecking;

/// <summary>Smaller graphs.</summary>
internal static class GraphShrinks
{
    private const CheckModes LayerModes = CheckModes.Exact | CheckModes.Real | CheckModes.FiniteDifferences;

    /// <summary>Each layer by itself, where a comparison of single layers is asked for.</summary>
    public static IEnumerable<GradientCase> SingleLayers(GradientCase made) => made is GraphGradientCase whole
        && (whole.Options.Modes & LayerModes) is not CheckModes.None and var modes
        ? whole.Graph.Nodes.Skip(1)
            .Select(node => new LayerGradientCase(node.Layer!, node.InputShapes, whole.Options with { Modes = modes }))
        : [];

    /// <summary>Only what comes after a node, whose values are the input then, or only what leads to one; the shortest
    /// rest first.</summary>
    public static IEnumerable<GradientCase> Ends(GradientCase made)
    {
        if (made is not GraphGradientCase { Graph: var graph } whole)
            yield break;
        int last = graph.Nodes.Count - 1;
        foreach (int kept in (int[])[1, last / 4, last / 2, last * 3 / 4, last - 1])
        {
            if (kept < 1 || kept >= last)
                continue;
            foreach (Graph? rest in (Graph?[])[new Copy(graph) { Start = graph.Nodes[last - kept] }.Make(),
                new Copy(graph) { End = graph.Nodes[kept] }.Make()])
            {
                if (rest is not null)
                    yield return whole with { Graph = rest };
            }
        }
    }

    /// <summary>One node left out: what read it reads what it read.</summary>
    public static IEnumerable<GradientCase> WithoutNode(GradientCase made)
        => made is not GraphGradientCase { Graph: var graph } whole ? [] :
        from node in graph.Nodes.Skip(1).Reverse()
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
            .Concat(from changed in whole.Graph.Nodes.Skip(1)
                    from layer in smaller(changed.Layer!)
                    select (Func<Node, Layer>)(node => node == changed ? layer : node.Layer!));
        return changes.Select(layerOf => new Copy(whole.Graph) { LayerOf = layerOf }.Make()).OfType<Graph>()
            .Select(graph => whole with { Graph = graph });
    }

    /// <summary>The graph on other input; null where it does not take them.</summary>
    public static GradientCase? WithInput(GraphGradientCase whole, Shape input)
        => new Copy(whole.Graph) { Input = input }.Make() is { } graph ? whole with { Graph = graph } : null;

    /// <summary>A copy of a graph with something else about it.</summary>
    private sealed class Copy(Graph graph)
    {
        /// <summary>The node whose values are the input.</summary>
        public Node Start { get; init; } = graph.Input;

        /// <summary>The output.</summary>
        public Node End { get; init; } = graph.Output;

        /// <summary>The shape of the input; that of <see cref="Start"/> unless given.</summary>
        public Shape? Input { get; init; }

        /// <summary>A node that is left out, and the one that is read in its place.</summary>
        public (Node Node, Node Instead)? Without { get; init; }

        /// <summary>The layer of each node.</summary>
        public Func<Node, Layer> LayerOf { get; init; } = node => node.Layer!;

        /// <summary>The copy; null where the shapes do not fit, nothing is left, or the input is needed where others
        /// have taken their place.</summary>
        public Graph? Make()
        {
            var needed = new HashSet<Node>();
            Need(Stand(End), needed);
            return needed.Count == 0 || (Start != graph.Input && needed.Contains(graph.Input)) ? null
                : Shrinker.Valid(() => Build(needed));
        }

        private Node Stand(Node node) => Without is { } without && node == without.Node ? without.Instead : node;

        private void Need(Node node, HashSet<Node> needed)
        {
            if (node == Start || !needed.Add(node))
                return;
            foreach (Node input in node.Inputs)
                Need(Stand(input), needed);
        }

        private Graph Build(HashSet<Node> needed)
        {
            var copy = new Graph(Input ?? Start.Shape);
            var copies = new Dictionary<Node, Node> { [Start] = copy.Input };
            foreach (Node node in graph.Nodes.Where(needed.Contains))
            {
                Node[] inputs = [.. node.Inputs.Select(input => copies[Stand(input)])];
                copies[node] = copy.Add(node.Name, Fitting(LayerOf(node), node.Inputs[0].Shape.C, inputs[0].Shape.C),
                    inputs);
            }
            return copy;
        }

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
