using Onnx;

namespace ConvNet.Onnx;

/// <summary>The graph of an ONNX file while it is prepared for the import: functions inlined, in an order in which each
/// node reads earlier ones only, and without nodes that no output depends on.</summary>
internal sealed class OnnxProgram
{
    private readonly Dictionary<string, OnnxNode> _producers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _outputNames;
    private Dictionary<string, int>? _uses;

    /// <summary>Reads the graph of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Reads its constants.</param>
    /// <param name="constants">Values of inputs that are to be constants.</param>
    /// <exception cref="InvalidDataException">The graph is invalid.</exception>
    public OnnxProgram(ModelProto model, TensorReader tensors, IReadOnlyDictionary<string, TensorProto> constants)
    {
        GraphProto graph = model.Graph;
        if (graph.SparseInitializer.Count > 0)
            throw new InvalidDataException($"the constant \"{Excerpt.Of(graph.SparseInitializer[0].Values?.Name)}\" is "
                + "sparse. Store it as a dense tensor.");
        foreach (TensorProto tensor in graph.Initializer)
            AddConstant(tensor.Name, tensor, tensors);
        foreach ((string name, TensorProto tensor) in constants)
            AddConstant(name, tensor, tensors);
        Inputs = [.. graph.Input.Where(input => !IsConstant(input.Name))];
        Outputs = [.. graph.Output.Select(output => output.Name)];
        if (Outputs.Count == 0)
            throw new InvalidDataException("the graph has no outputs.");
        HashSet<string> inputs = Names(Inputs.Select(input => input.Name), "input");
        _outputNames = Names(Outputs, "output");
        Nodes = NodeOrder.Sorted(new FunctionInliner(model).Nodes(), [.. inputs, .. Constants.Keys,
            .. Unread.Keys]);
        foreach (OnnxNode node in Nodes)
        {
            foreach (string output in node.Outputs.Where(output => output.Length > 0))
                _producers.Add(output, node);
        }
        if (Outputs.FirstOrDefault(output => !_producers.ContainsKey(output) && !inputs.Contains(output)
            && !IsConstant(output)) is { } missing)
            throw new InvalidDataException($"the output \"{Excerpt.Of(missing)}\" is not computed.");
        RemoveUnused();
    }

    /// <summary>The inputs that are not constants.</summary>
    public IReadOnlyList<ValueInfoProto> Inputs { get; private set; }

    /// <summary>The names of the outputs.</summary>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>The nodes in order.</summary>
    public IReadOnlyList<OnnxNode> Nodes { get; private set; }

    /// <summary>The constants by name.</summary>
    public Dictionary<string, OnnxTensor> Constants { get; } = new(StringComparer.Ordinal);

    /// <summary>The constants whose type is not supported, with the reason.</summary>
    public Dictionary<string, string> Unread { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether a value is an output of the graph.</summary>
    public bool IsOutput(string value) => _outputNames.Contains(value);

    /// <summary>Returns the node that computes a value, if it is of an operator.</summary>
    public OnnxNode? Producer(string value, string type)
        => _producers.GetValueOrDefault(value) is { } node && node.Operator == type && node.Domain.Length == 0
            && node.Outputs[0] == value ? node : null;

    /// <summary>Returns the constant that a node reads; null if the input is not a constant.</summary>
    public OnnxTensor? Constant(OnnxNode node, int input)
        => node.Has(input) ? Constants.GetValueOrDefault(node.Inputs[input]) : null;

    /// <summary>The number of times that nodes read a value.</summary>
    public int Uses(string value) => (_uses ??= Nodes.SelectMany(node => node.Inputs).CountBy(input => input)
        .ToDictionary(StringComparer.Ordinal)).GetValueOrDefault(value);

    /// <summary>Replaces every node for which the function returns another one, and removes what is then
    /// unused.</summary>
    public void Replace(Func<OnnxNode, OnnxNode?> replacement)
    {
        var nodes = new List<OnnxNode>();
        foreach (OnnxNode node in Nodes)
        {
            OnnxNode now = replacement(node) ?? node;
            nodes.Add(now);
            foreach (string output in now.Outputs.Where(output => output.Length > 0))
                _producers[output] = now;
        }
        Nodes = nodes;
        RemoveUnused();
    }

    /// <summary>Removes nodes whose results are now constants or an input of another name.</summary>
    public void Remove(IReadOnlySet<OnnxNode> nodes) => Nodes = [.. Nodes.Where(node => !nodes.Contains(node))];

    /// <summary>Gives the only input another name.</summary>
    public void RenameInput(string name)
    {
        ValueInfoProto renamed = Inputs[0].Clone();
        renamed.Name = name;
        Inputs = [renamed];
    }

    private static HashSet<string> Names(IEnumerable<string> names, string what)
    {
        var all = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in names)
        {
            if (name.Length == 0 || !all.Add(name))
                throw new InvalidDataException(name.Length == 0 ? $"an {what} has no name."
                    : $"two of the {what}s are called \"{Excerpt.Of(name)}\".");
        }
        return all;
    }

    private bool IsConstant(string name) => Constants.ContainsKey(name) || Unread.ContainsKey(name);

    private void AddConstant(string name, TensorProto tensor, TensorReader tensors)
    {
        try
        {
            if (name.Length == 0 || !Constants.TryAdd(name, tensors.Read(tensor, $"constant \"{Excerpt.Of(name)}\"")))
                throw new InvalidDataException(name.Length == 0 ? "a constant has no name."
                    : $"the constant \"{Excerpt.Of(name)}\" is defined twice.");
        }
        catch (UnsupportedNodeException reason)
        {
            Unread[name] = reason.Message;
        }
    }

    private void RemoveUnused()
    {
        var needed = Outputs.ToHashSet(StringComparer.Ordinal);
        var kept = new List<OnnxNode>();
        foreach (OnnxNode node in Nodes.Reverse())
        {
            if (!node.Outputs.Any(needed.Contains))
                continue;
            kept.Add(node);
            needed.UnionWith(node.Inputs);
        }
        kept.Reverse();
        (Nodes, _uses) = (kept, null);
    }
}
