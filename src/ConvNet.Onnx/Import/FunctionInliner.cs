using Onnx;

namespace ConvNet.Onnx;

/// <summary>Replaces calls of the functions of a model by their nodes.</summary>
/// <param name="model">The model.</param>
internal sealed class FunctionInliner(ModelProto model)
{
    private const int MostNodes = 200_000, MostNested = 50, MostCharacters = 1 << 26;

    private readonly Dictionary<(string, string, string), FunctionProto> _functions = Functions(model);
    private readonly List<OnnxNode> _nodes = [];
    private int _calls;
    private long _characters;

    /// <summary>Returns the nodes of the graph without calls.</summary>
    /// <exception cref="InvalidDataException">An operator set is missing, functions call each other in a cycle, or
    /// there are too many calls, nodes or names.</exception>
    public IReadOnlyList<OnnxNode> Nodes()
    {
        Dictionary<string, long> versions = Versions(model.OpsetImport, "the model");
        foreach (NodeProto node in model.Graph.Node)
            Add(node, versions, name => name, EmptyAttributes, depth: 0);
        return _nodes;
    }

    private static IReadOnlyDictionary<string, AttributeProto> EmptyAttributes { get; }
        = new Dictionary<string, AttributeProto>();

    private void Add(NodeProto proto, Dictionary<string, long> versions, Func<string, string> rename,
        IReadOnlyDictionary<string, AttributeProto> arguments, int depth)
    {
        string domain = Plain(proto.Domain);
        var attributes = new Dictionary<string, AttributeProto>(StringComparer.Ordinal);
        foreach (AttributeProto attribute in proto.Attribute)
        {
            AttributeProto? given = attribute.RefAttrName.Length == 0 ? attribute
                : arguments.GetValueOrDefault(attribute.RefAttrName);
            if (given is not null && !attributes.TryAdd(attribute.Name, given))
                throw new InvalidDataException($"node \"{Excerpt.Of(proto.Name)}\" has the attribute "
                    + $"{Excerpt.Of(attribute.Name)} twice.");
        }
        if (_functions.TryGetValue((domain, proto.OpType, proto.Overload), out FunctionProto? function))
        {
            Inline(proto, function, rename, attributes, depth);
            return;
        }
        if (domain == OnnxNode.Composed)
            throw new InvalidDataException($"{Excerpt.Of(proto.OpType)} \"{Excerpt.Of(proto.Name)}\" is of the domain "
                + $"\"{domain}\", which has no operators in files.");
        if (!versions.TryGetValue(domain, out long version))
            throw new InvalidDataException($"{Excerpt.Of(proto.OpType)} \"{Excerpt.Of(proto.Name)}\" is of the domain "
                + $"\"{Excerpt.Of(domain)}\", for which no version is given.");
        if (_nodes.Count == MostNodes)
            throw new InvalidDataException($"the graph has more than {MostNodes:N0} nodes.");
        _nodes.Add(new OnnxNode(domain, proto.OpType, version, rename(proto.Name), [.. proto.Input.Select(rename)],
            [.. proto.Output.Select(rename)], attributes)
        {
            Note = proto.DocString,
        });
    }

    private void Inline(NodeProto call, FunctionProto function, Func<string, string> rename,
        Dictionary<string, AttributeProto> given, int depth)
    {
        string place = Excerpt.Of($"{function.Domain}.{function.Name}");
        if (depth == MostNested)
            throw new InvalidDataException($"the function {place} calls itself, or more than {MostNested} functions "
                + "are nested.");
        if (call.Input.Count > function.Input.Count || call.Output.Count > function.Output.Count)
            throw new InvalidDataException($"a call of the function {place} has {call.Input.Count} inputs and "
                + $"{call.Output.Count} outputs; the function has {function.Input.Count} and "
                + $"{function.Output.Count}.");
        if (++_calls > MostNodes)
            throw new InvalidDataException($"the graph calls functions more than {MostNodes:N0} times.");
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < function.Input.Count; i++)
            names[function.Input[i]] = i < call.Input.Count ? rename(call.Input[i]) : "";
        for (int i = 0; i < call.Output.Count; i++)
            names[function.Output[i]] = rename(call.Output[i]);
        foreach (AttributeProto usual in function.AttributeProto)
            given.TryAdd(usual.Name, usual);
        string prefix = $"{(call.Name.Length > 0 ? rename(call.Name) : function.Name)}.{_calls}/";
        Dictionary<string, long> versions = Versions(function.OpsetImport, $"the function {place}");
        foreach (NodeProto node in function.Node)
        {
            Add(node, versions, name => name.Length == 0 ? "" : names.GetValueOrDefault(name) ?? Inner(prefix, name),
                given, depth + 1);
        }
    }

    // Names grow with every call that they are in.
    private string Inner(string prefix, string name)
    {
        _characters += prefix.Length + name.Length;
        return _characters <= MostCharacters ? prefix + name : throw new InvalidDataException("the names within calls "
            + $"of functions have more than {MostCharacters:N0} characters.");
    }

    private static Dictionary<string, long> Versions(IEnumerable<OperatorSetIdProto> sets, string place)
    {
        var versions = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (OperatorSetIdProto set in sets)
            versions[Plain(set.Domain)] = set.Version;
        if (versions.TryGetValue("", out long version) && version is < 1 or > OnnxExportOptions.NewestOperatorSet)
            throw new InvalidDataException($"{place} has version {version} of the ONNX operators; the import knows "
                + $"versions 1 to {OnnxExportOptions.NewestOperatorSet}.");
        return versions;
    }

    private static Dictionary<(string, string, string), FunctionProto> Functions(ModelProto model)
    {
        var functions = new Dictionary<(string, string, string), FunctionProto>();
        foreach (FunctionProto function in model.Functions)
        {
            if (!functions.TryAdd((Plain(function.Domain), function.Name, function.Overload), function))
                throw new InvalidDataException($"the function {Excerpt.Of($"{function.Domain}.{function.Name}")} is "
                    + "defined twice.");
        }
        return functions;
    }

    private static string Plain(string domain) => domain == "ai.onnx" ? "" : domain;
}
