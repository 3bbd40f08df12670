namespace ConvNet;

/// <summary>A directed acyclic graph of layers. It is described once and compiled by a backend.</summary>
/// <remarks>
/// Nodes are listed in the order in which they were added, which is a topological order. Inputs and outputs are
/// identified by the names of their nodes. If exactly one layer is read by no other layer, it is the output; any other
/// graph must declare its outputs. A graph contains shapes and the sizes of parameters but no values, and does not
/// depend on a backend. Once compiled, it can no longer be changed.
/// </remarks>
/// <example><code>
/// var graph = new Graph();
/// Node image = graph.AddInput("image", new Shape(3, 32, 32)), position = graph.AddInput("position", Shape.Vector(2));
/// Node features = graph.Append(image, new Conv2d(16, 3), new Relu(), new GlobalAvgPool2d());
/// Node both = graph.Add(new Concat(), features, position);
/// graph.SetOutputs(graph.Add("class", new Linear(10), both), graph.Add("box", new Linear(4), both));
/// </code></example>
public sealed class Graph
{
    private const int MostNamed = 30;

    private readonly List<Node> _nodes = [], _inputs = [];
    private readonly List<Parameter> _parameters = [];
    private readonly Dictionary<string, Node> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Nodes, int LastNumber)> _kinds = new(StringComparer.Ordinal);
    // The layers that no other layer reads.
    private readonly HashSet<Node> _ends = [];
    private Node[] _outputs = [];
    private bool _sealed;

    /// <summary>Creates a graph without inputs; add them by <see cref="AddInput"/>.</summary>
    public Graph()
    {
    }

    /// <summary>Creates a graph with one input named <c>input</c>.</summary>
    /// <param name="input">The shape C, H, W of one sample.</param>
    public Graph(Shape input) => AddInput("input", input);

    /// <summary>The only input.</summary>
    /// <exception cref="InvalidOperationException">The graph does not have exactly one input.</exception>
    public Node Input => _inputs.Count == 1 ? _inputs[0] : throw new InvalidOperationException(_inputs.Count == 0
        ? "The graph has no input. Call AddInput."
        : $"The graph has {_inputs.Count} inputs, {Names(_inputs)}. Use Inputs.");

    /// <summary>The inputs, in the order in which they were added.</summary>
    public IReadOnlyList<Node> Inputs => _inputs;

    /// <summary>The only output.</summary>
    /// <exception cref="InvalidOperationException">The graph does not have exactly one output.</exception>
    public Node Output => Outputs is [var only] ? only : throw new InvalidOperationException(
        $"The graph has {_outputs.Length} outputs, {Names(_outputs)}. Use Outputs.");

    /// <summary>
    /// The declared outputs or, if none are declared, the only layer that no other layer reads.
    /// </summary>
    /// <exception cref="InvalidOperationException">No outputs are declared, and there is not exactly one such
    /// layer.</exception>
    public IReadOnlyList<Node> Outputs => _outputs.Length > 0 ? _outputs : _ends.Count == 1 ? [.. _ends]
        : throw new InvalidOperationException(NoOutput());

    /// <summary>The layers that no other layer reads.</summary>
    internal IReadOnlyCollection<Node> Ends => _ends;

    /// <summary>The declared outputs; empty if none are declared.</summary>
    internal IReadOnlyList<Node> DeclaredOutputs => _outputs;

    /// <summary>The nodes that have a layer, in topological order.</summary>
    public IEnumerable<Node> LayerNodes => _nodes.Where(node => node.Layer is not null);

    /// <summary>All nodes in topological order.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>Parameters and buffers of all nodes, in the order of the nodes.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>The number of trainable values; buffers are not counted.</summary>
    public long ParameterCount => _parameters.Where(p => p.Trainable).Sum(p => (long)p.Length);

    /// <summary>Adds an input.</summary>
    /// <param name="name">The name, unique in the graph.</param>
    /// <param name="shape">The shape C, H, W of one sample.</param>
    /// <returns>The node of the input.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty or already in use, or the shape has no values.</exception>
    /// <exception cref="InvalidOperationException">The graph has been compiled.</exception>
    public Node AddInput(string name, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        ThrowIfSealed($"input (\"{Excerpt.Of(name)}\")");
        shape.ThrowIfDefault("The input", nameof(shape));
        CheckName(name);
        var node = new Node(this, _nodes.Count, name, null, [], shape);
        _inputs.Add(node);
        _nodes.Add(node);
        _byName.Add(name, node);
        return node;
    }

    /// <summary>Declares the output, replacing previous declarations.</summary>
    /// <param name="output">A node of this graph.</param>
    /// <inheritdoc cref="SetOutputs" path="/exception"/>
    public void SetOutput(Node output) => SetOutputs(output);

    /// <summary>Declares the outputs, replacing previous declarations.</summary>
    /// <remarks>Other layers may read outputs too. Each output has the name of its node.</remarks>
    /// <param name="outputs">Nodes of this graph, in the order in which <see cref="Outputs"/> lists them.</param>
    /// <exception cref="ArgumentNullException">A node is null.</exception>
    /// <exception cref="ArgumentException">No node is given, a node is given twice, or a node belongs to another
    /// graph.</exception>
    /// <exception cref="InvalidOperationException">The graph has been compiled.</exception>
    public void SetOutputs(params ReadOnlySpan<Node> outputs)
    {
        ThrowIfSealed("output");
        if (outputs.Length == 0)
            throw new ArgumentException("A graph needs at least one output. Pass its node.", nameof(outputs));
        var distinct = new HashSet<Node>();
        foreach (Node output in outputs)
        {
            CheckOwn(output, "an output must be a node of this graph", nameof(outputs));
            if (!distinct.Add(output))
                throw new ArgumentException($"The output \"{output.Name}\" was passed twice. Pass it once.",
                    nameof(outputs));
        }
        _outputs = outputs.ToArray();
    }

    /// <summary>Adds a layer that reads the given nodes.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The nodes it reads, which must belong to this graph.</param>
    /// <returns>The new node, named after the kind of the layer with a sequential number.</returns>
    /// <exception cref="ArgumentException">The layer does not accept inputs of these shapes, or a node belongs to
    /// another graph.</exception>
    public Node Add(Layer layer, params ReadOnlySpan<Node> inputs) => Add(null, layer, inputs);

    /// <summary>Adds a layer that reads one node, also from languages without <c>params</c> spans, such as F# and
    /// Visual Basic.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="input">The node it reads, which must belong to this graph.</param>
    /// <inheritdoc cref="Add(Layer, ReadOnlySpan{Node})"/>
    public Node Add(Layer layer, Node input) => Add(null, layer, input);

    /// <summary>Adds a named layer that reads one node.</summary>
    /// <param name="name">The name of the node, unique in the graph; null to derive one from the kind of the
    /// layer.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="input">The node it reads, which must belong to this graph.</param>
    /// <inheritdoc cref="Add(string, Layer, ReadOnlySpan{Node})"/>
    public Node Add(string? name, Layer layer, Node input) => Add(name, layer, [input]);

    /// <summary>Adds a named layer that reads the given nodes.</summary>
    /// <param name="name">The name of the node, unique in the graph; null to derive one from the kind of the
    /// layer.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The nodes it reads, which must belong to this graph.</param>
    /// <exception cref="ArgumentNullException"><paramref name="layer"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is already in use, the layer does not accept inputs of these
    /// shapes, or a node belongs to another graph.</exception>
    /// <exception cref="InvalidOperationException">The graph has been compiled.</exception>
    public Node Add(string? name, Layer layer, params ReadOnlySpan<Node> inputs)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ThrowIfSealed($"layer ({layer.Kind})");
        if (inputs.Length == 0)
            throw new ArgumentException($"{layer.Kind} has no input. Pass the nodes that it reads, as in "
                + "graph.Add(layer, graph.Input).", nameof(inputs));
        var shapes = new Shape[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            CheckOwn(inputs[i], "a layer can only read nodes of this graph", nameof(inputs));
            shapes[i] = inputs[i].Shape;
        }
        (int nodes, int number) = _kinds.GetValueOrDefault(layer.Kind);
        if (name is null)
            (name, number) = NextName(layer.Kind, Math.Max(nodes, number) + 1);
        (Shape output, IReadOnlyList<ParameterSpec> specs) = Ask(name, layer, shapes);
        CheckName(name);
        var node = new Node(this, _nodes.Count, name, layer, inputs.ToArray(), output);
        var parameters = new List<Parameter>();
        foreach (ParameterSpec spec in specs)
            parameters.Add(new Parameter(node, spec, _parameters.Count + parameters.Count));
        node.Parameters = parameters;
        foreach (Node input in node.Inputs)
        {
            input.AddConsumer(node);
            _ends.Remove(input);
        }
        _ends.Add(node);
        _byName.Add(name, node);
        _kinds[layer.Kind] = (nodes + 1, number);
        _nodes.Add(node);
        _parameters.AddRange(parameters);
        return node;
    }

    /// <summary>Returns a new graph in which a node has another layer, such as a classifier for other classes in a
    /// trained network.</summary>
    /// <remarks>All nodes keep their names, and so have the parameters, so that
    /// <see cref="ExecutableExtensions.CopyParametersTo"/> can copy them with <c>strict: false</c>. This graph is
    /// unchanged and may have been compiled.</remarks>
    /// <param name="name">The name of a node with a layer.</param>
    /// <param name="layer">The other layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> or <paramref name="layer"/> is null.</exception>
    /// <exception cref="KeyNotFoundException">There is no node with this name.</exception>
    /// <exception cref="ArgumentException">The node is an input, or the layer or one that reads it does not accept its
    /// inputs.</exception>
    public Graph WithLayer(string name, Layer layer)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(layer);
        Node replaced = this[name];
        if (replaced.Layer is null)
            throw new ArgumentException($"\"{Excerpt.Of(name)}\" is an input, which has no layer. Name a node with "
                + "one.", nameof(name));
        var graph = new Graph();
        foreach (Node node in _nodes)
        {
            if (node.Layer is null)
                graph.AddInput(node.Name, node.Shape);
            else
                graph.Add(node.Name, node == replaced ? layer : node.Layer, Copies(node.Inputs));
        }
        if (_outputs.Length > 0)
            graph.SetOutputs(Copies(_outputs));
        return graph;

        Node[] Copies(IEnumerable<Node> nodes) => [.. nodes.Select(node => graph._nodes[node.Index])];
    }

    /// <summary>Gets the node with a name.</summary>
    /// <exception cref="KeyNotFoundException">There is no node with this name.</exception>
    public Node this[string name] => Find(name)
        ?? throw new KeyNotFoundException(
            $"The graph has no node \"{name}\"; it has {string.Join(", ", _nodes.Take(MostNamed).Select(n => n.Name))}"
            + (_nodes.Count > MostNamed ? $" and {_nodes.Count - MostNamed:N0} more." : ".")
            + NearMisses.Question(name, _byName.Keys));

    /// <summary>Gets the node with a name; null if there is none.</summary>
    internal Node? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Throws unless the graph has a layer and every node has a path to an output.</summary>
    internal void CheckComplete()
    {
        if (_nodes.Count == _inputs.Count)
            throw new ArgumentException("The graph has no layers. Add one before compiling it.");
        if (_outputs.Length == 0 && _ends.Count > 1)
            throw new ArgumentException(NoOutput());
        var outputs = Outputs.ToHashSet();
        Node? loose = _nodes.Find(node => node.Consumers.Count == 0 && !outputs.Contains(node));
        if (loose is not null)
            throw new ArgumentException($"Node \"{loose.Name}\" is not used: no layer reads it, and the "
                + $"{(outputs.Count > 1 ? "outputs are" : "output is")} {Names(outputs)}. Read it, make it an output "
                + "or remove it.");
    }

    /// <summary>Seals the graph, so that later changes throw.</summary>
    internal void Seal()
    {
        _outputs = [.. Outputs];
        foreach (Node output in _outputs)
            output.IsOutput = true;
        _sealed = true;
    }

    private string NoOutput() => _ends.Count == 0
        ? "The graph has no layers, so it has no output. Add one."
        : $"No layer reads {Names(_ends)}, so it is not known which of them are outputs. Call SetOutputs "
            + "with the outputs, and remove the others.";

    private void ThrowIfSealed(string what)
    {
        if (_sealed)
            throw new InvalidOperationException($"The graph has been compiled, so no {what} can be added. Create a "
                + "new graph.");
    }

    private void CheckOwn(Node node, string rule, string parameter)
    {
        ArgumentNullException.ThrowIfNull(node, parameter);
        if (node.Graph != this)
            throw new ArgumentException($"Node \"{node.Name}\" belongs to another graph; {rule}.", parameter);
    }

    private void CheckName(string name)
    {
        if (name.Length == 0 || _byName.ContainsKey(name))
            throw new ArgumentException(
                name.Length == 0
                    ? "The name of a node is empty. Pass a name, or null to derive one from the layer."
                    : $"The graph already has a node \"{Excerpt.Of(name)}\". Use another name.",
                nameof(name));
    }

    /// <summary>Formats names as "a", "b" and "c".</summary>
    internal static string Names(IEnumerable<Node> nodes)
    {
        string[] names = [.. nodes.OrderBy(node => node.Index).Select(node => $"\"{Excerpt.Of(node.Name)}\"")];
        return names.Length > MostNamed
            ? $"{string.Join(", ", names.Take(MostNamed))} and {names.Length - MostNamed:N0} more"
            : names.Length < 2 ? string.Concat(names) : $"{string.Join(", ", names[..^1])} and {names[^1]}";
    }

    // Queries the output shape and the parameters of a layer, which may be user-defined.
    private static (Shape Output, IReadOnlyList<ParameterSpec> Parameters) Ask(string name, Layer layer, Shape[] shapes)
    {
        try
        {
            Shape output = layer.Infer(shapes);
            if (output.Length == 0)
                throw new ArgumentException($"{layer.GetType().Name}.Infer returns a shape without values; "
                    + "channels, rows and columns must be at least 1.");
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
                    $"{kind} has a parameter named \"{spec.Name}\"; names must be unique in a layer, and not empty.");
            if (spec.Dimensions.Any(size => size < 1))
                throw new ArgumentException(
                    $"{kind} has a parameter \"{spec.Name}\" of {string.Join("×", spec.Dimensions)}, "
                    + "which has no values; sizes must be at least 1.");
            _ = spec.Length;        // throws if it is too large
            if (!spec.Trainable && spec.Initial.Value is null)
                throw new ArgumentException(
                    $"{kind} has a buffer \"{spec.Name}\" without a constant initial value; a buffer has its initial "
                    + "value before Initialize is called.");
            if (!Enum.IsDefined(spec.Role) || spec.FanIn < 1 || spec.FanOut < 1)
                throw new ArgumentException($"{kind} has a parameter \"{spec.Name}\" of role {spec.Role} "
                    + $"with fans {spec.FanIn} and {spec.FanOut}; fans must be at least 1.");
        }
    }

    // Finds the first unused name. All numbers up to the last one assigned are in use.
    private (string Name, int Number) NextName(string kind, int number)
    {
        while (_byName.ContainsKey($"{kind}{number}"))
            number++;
        return ($"{kind}{number}", number);
    }
}

/// <summary>A layer or an input of a graph.</summary>
public sealed class Node
{
    private readonly List<Node> _consumers = [];

    internal Node(Graph graph, int index, string name, Layer? layer, Node[] inputs, Shape shape)
    {
        (Graph, Index, Name, Layer, Inputs, Shape) = (graph, index, name, layer, inputs, shape);
    }

    /// <summary>The graph to which the node belongs.</summary>
    public Graph Graph { get; }

    /// <summary>The index in <see cref="Graph.Nodes"/>.</summary>
    public int Index { get; }

    /// <summary>The name, unique in the graph.</summary>
    public string Name { get; }

    /// <summary>The layer; null for an input.</summary>
    public Layer? Layer { get; }

    /// <summary>The nodes it reads.</summary>
    public IReadOnlyList<Node> Inputs { get; }

    /// <summary>The nodes that read it, in the order of the graph. A node that reads it twice is listed
    /// twice.</summary>
    public IReadOnlyList<Node> Consumers => _consumers;

    /// <summary>The shape C, H, W of one sample of its output.</summary>
    public Shape Shape { get; }

    /// <summary>Its parameters and buffers, in the layer's order.</summary>
    public IReadOnlyList<Parameter> Parameters { get; internal set; } = [];

    /// <summary>Whether it is an output of the compiled graph.</summary>
    internal bool IsOutput { get; set; }

    /// <summary>The shapes that the layer reads.</summary>
    public Shape[] InputShapes => [.. Inputs.Select(node => node.Shape)];

    /// <summary>The name and the layer, for error messages.</summary>
    internal string Place => $"{Name} ({Layer?.GetType().Name ?? "Input"})";

    internal void AddConsumer(Node node) => _consumers.Add(node);

    /// <summary>Returns the name, the layer and the output shape.</summary>
    public override string ToString() => $"{Name}: {Layer?.ToString() ?? "Input"} → {Shape}";
}
