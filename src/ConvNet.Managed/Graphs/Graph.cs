namespace ConvNet;

/// <summary>A directed acyclic graph of layers, described once; backends compile it.</summary>
/// <remarks>
/// Nodes stand in the order in which they were added, which is a topological order. The output is the last node added.
/// A graph holds shapes and parameters' sizes, never values, and never names a backend. Once compiled it takes no more
/// layers.
/// </remarks>
public sealed class Graph
{
    private const int MostNamed = 30;

    private readonly List<Node> _nodes = [];
    private readonly List<Parameter> _parameters = [];
    private readonly Dictionary<string, Node> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Nodes, int LastNumber)> _kinds = new(StringComparer.Ordinal);
    private bool _sealed;

    /// <summary>Starts a graph.</summary>
    /// <param name="input">C, H, W of one sample.</param>
    public Graph(Shape input)
    {
        input.ThrowIfDefault("The input", nameof(input));
        Input = new Node(this, 0, "input", null, [], input);
        _nodes.Add(Input);
        _byName.Add(Input.Name, Input);
    }

    /// <summary>The node that stands for the input.</summary>
    public Node Input { get; }

    /// <summary>The node whose values are the output: the last one added.</summary>
    public Node Output => _nodes[^1];

    /// <summary>All nodes in topological order; the first is <see cref="Input"/>.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>Parameters and buffers of all nodes, in the order of the nodes.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>The number of trainable values; buffers are not counted.</summary>
    public long ParameterCount => _parameters.Where(p => p.Trainable).Sum(p => (long)p.Length);

    /// <summary>Adds a layer that reads the given nodes.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The nodes it reads, all of this graph.</param>
    /// <returns>The new node, named after the layer's kind and a running number.</returns>
    /// <exception cref="ArgumentException">The layer cannot take inputs of these shapes, or a node belongs to another
    /// graph.</exception>
    public Node Add(Layer layer, params ReadOnlySpan<Node> inputs) => Add(null, layer, inputs);

    /// <summary>Adds a layer under a name of the caller's choice.</summary>
    /// <param name="name">The node's name, unique in the graph; null for one made from the layer's kind.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The nodes it reads, all of this graph.</param>
    /// <exception cref="ArgumentException">The name is taken, the shapes do not fit, or a node belongs to another
    /// graph.</exception>
    /// <exception cref="InvalidOperationException">The graph has been compiled.</exception>
    public Node Add(string? name, Layer layer, params ReadOnlySpan<Node> inputs)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (_sealed)
            throw new InvalidOperationException("The graph has been compiled and takes no further layer "
                + $"({layer.Kind}); describe a new graph.");
        if (inputs.Length == 0)
            throw new ArgumentException($"{layer.Kind} reads no node; give at least one, as graph.Add(layer, "
                + "graph.Input).", nameof(inputs));
        var shapes = new Shape[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(inputs[i], nameof(inputs));
            if (inputs[i].Graph != this)
                throw new ArgumentException($"Node \"{inputs[i].Name}\" belongs to another graph; a layer reads nodes "
                    + "of its own graph only.", nameof(inputs));
            shapes[i] = inputs[i].Shape;
        }
        (int nodes, int number) = _kinds.GetValueOrDefault(layer.Kind);
        if (name is null)
            (name, number) = NextName(layer.Kind, Math.Max(nodes, number) + 1);
        (Shape output, IReadOnlyList<ParameterSpec> specs) = Ask(name, layer, shapes);
        if (name.Length == 0 || _byName.ContainsKey(name))
        {
            throw new ArgumentException(
                $"A node named \"{Excerpt.Of(name)}\" is in the graph already; names are unique and not empty.",
                nameof(name));
        }
        var node = new Node(this, _nodes.Count, name, layer, inputs.ToArray(), output);
        var parameters = new List<Parameter>();
        foreach (ParameterSpec spec in specs)
            parameters.Add(new Parameter(node, spec, _parameters.Count + parameters.Count));
        node.Parameters = parameters;
        foreach (Node input in node.Inputs)
            input.AddConsumer(node);
        _byName.Add(name, node);
        _kinds[layer.Kind] = (nodes + 1, number);
        _nodes.Add(node);
        _parameters.AddRange(parameters);
        return node;
    }

    /// <summary>The node of a name.</summary>
    /// <exception cref="KeyNotFoundException">There is no such node.</exception>
    public Node this[string name] => Find(name)
        ?? throw new KeyNotFoundException(
            $"The graph has no node \"{name}\"; it has {string.Join(", ", _nodes.Take(MostNamed).Select(n => n.Name))}"
            + (_nodes.Count > MostNamed ? $" and {_nodes.Count - MostNamed:N0} more." : ".")
            + NearMisses.Question(name, _byName.Keys));

    /// <summary>The node of a name; null where there is none.</summary>
    internal Node? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Ends the building: throws unless there is a layer and every node has a way to the output; later nodes
    /// are refused.</summary>
    internal void Seal()
    {
        if (_nodes.Count == 1)
            throw new ArgumentException("The graph has no layers; add one before compiling it.");
        Node? loose = _nodes.Find(node => node != Output && node.Consumers.Count == 0);
        if (loose is not null)
            throw new ArgumentException($"Node \"{loose.Name}\" leads nowhere: no other node reads it and the output "
                + $"is \"{Output.Name}\". Use it or leave it out.");
        _sealed = true;
    }

    // The shape and the parameters that a layer, perhaps of the user's own, says that it has.
    private static (Shape Output, IReadOnlyList<ParameterSpec> Parameters) Ask(string name, Layer layer, Shape[] shapes)
    {
        try
        {
            Shape output = layer.Infer(shapes);
            if (output.Length == 0)
                throw new ArgumentException($"{layer.GetType().Name}.Infer gives a shape without values; "
                    + "channels, rows and columns start at 1.");
            IReadOnlyList<ParameterSpec> parameters = layer.Parameters(shapes);
            Check(layer, parameters);
            return (output, parameters);
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"{Excerpt.Of(name)}: {error.PlainMessage()}", error);
        }
        catch (Exception error) when (FailurePlace.Note(error, $"{name} ({layer.GetType().Name})"))
        {
            throw;
        }
    }

    private static void Check(Layer layer, IReadOnlyList<ParameterSpec> parameters)
    {
        string kind = layer.GetType().Name;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (ParameterSpec spec in parameters)
        {
            if (string.IsNullOrEmpty(spec.Name) || !names.Add(spec.Name))
                throw new ArgumentException(
                    $"{kind} has a parameter named \"{spec.Name}\"; names are unique in a layer and not empty.");
            if (spec.Dimensions.Any(size => size < 1))
                throw new ArgumentException(
                    $"{kind} has a parameter \"{spec.Name}\" of {string.Join("×", spec.Dimensions)}, "
                    + "which has no values: sizes start at 1.");
            _ = spec.Length;        // which is refused where it is too large
            if (!Enum.IsDefined(spec.Role) || spec.FanIn < 1 || spec.FanOut < 1)
                throw new ArgumentException($"{kind} has a parameter \"{spec.Name}\" of role {spec.Role} "
                    + $"with fans {spec.FanIn} and {spec.FanOut}; fans start at 1.");
        }
    }

    // The first name that is free. Those up to the last number that was given are taken.
    private (string Name, int Number) NextName(string kind, int number)
    {
        while (_byName.ContainsKey($"{kind}{number}"))
            number++;
        return ($"{kind}{number}", number);
    }
}

/// <summary>One layer at its place in a graph.</summary>
public sealed class Node
{
    private readonly List<Node> _consumers = [];

    internal Node(Graph graph, int index, string name, Layer? layer, Node[] inputs, Shape shape)
    {
        (Graph, Index, Name, Layer, Inputs, Shape) = (graph, index, name, layer, inputs, shape);
    }

    /// <summary>The graph it belongs to.</summary>
    public Graph Graph { get; }

    /// <summary>The position among <see cref="Graph.Nodes"/>.</summary>
    public int Index { get; }

    /// <summary>The name, unique in the graph.</summary>
    public string Name { get; }

    /// <summary>The layer; null for the input.</summary>
    public Layer? Layer { get; }

    /// <summary>The nodes it reads.</summary>
    public IReadOnlyList<Node> Inputs { get; }

    /// <summary>The nodes that read it, in the order of the graph; one that reads it twice stands here twice.</summary>
    public IReadOnlyList<Node> Consumers => _consumers;

    /// <summary>C, H, W of one sample of its output.</summary>
    public Shape Shape { get; }

    /// <summary>Its parameters and buffers, in the layer's order.</summary>
    public IReadOnlyList<Parameter> Parameters { get; internal set; } = [];

    /// <summary>The shapes that the layer reads.</summary>
    public Shape[] InputShapes => [.. Inputs.Select(node => node.Shape)];

    /// <summary>Name and layer, for errors.</summary>
    internal string Place => $"{Name} ({Layer?.GetType().Name ?? "Input"})";

    internal void AddConsumer(Node node) => _consumers.Add(node);

    /// <summary>Name, layer and output shape.</summary>
    public override string ToString() => $"{Name}: {Layer?.ToString() ?? "Input"} → {Shape}";
}
