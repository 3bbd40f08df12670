namespace ConvNet;

/// <summary>The values of a batch that a call reads: those of one tensor, or of several tensors by name.</summary>
/// <remarks>
/// Values are contiguous N×C×H×W. Arrays and spans convert implicitly, so an array can be passed directly if the graph
/// has one input. Names are those of the graph's inputs or outputs, in any order.
/// </remarks>
/// <example><code>net.Forward(BatchValues.Of(("image", images), ("position", positions)));</code></example>
public readonly ref struct BatchValues
{
    private readonly ReadOnlySpan<float> _only;
    private readonly (string Name, ReadOnlyMemory<float> Values)[]? _named;
    private readonly ReadOnlyMemory<float>[]? _ordered;

    private BatchValues(ReadOnlySpan<float> only, (string, ReadOnlyMemory<float>)[]? named = null,
        ReadOnlyMemory<float>[]? ordered = null)
    {
        _only = only;
        (_named, _ordered) = (named, ordered);
    }

    /// <summary>Whether no values were given.</summary>
    public bool IsEmpty => _only.IsEmpty && _named is null && _ordered is null;

    /// <summary>Whether the tensors are given by name, so that tensors not named are omitted.</summary>
    internal bool IsNamed => _ordered is not null;

    /// <summary>Gets the values of one tensor, for use by a backend. Tensors are numbered in the order of the graph's
    /// inputs or outputs. The span is empty if no values were given for the tensor.</summary>
    /// <param name="index">The index of the input or output.</param>
    public ReadOnlySpan<float> this[int index] => _ordered is null ? _only : _ordered[index].Span;

    /// <summary>Wraps the values of the only tensor.</summary>
    /// <param name="values">The N×C×H×W values.</param>
    public static BatchValues Of(ReadOnlySpan<float> values) => new(values);

    /// <summary>Wraps the values of several tensors, by name.</summary>
    /// <param name="tensors">The name of each input or output and its N×C×H×W values.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    public static BatchValues Of(params (string Name, ReadOnlyMemory<float> Values)[] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return new([], tensors);
    }

    /// <summary>Wraps the values of several tensors, in the order of the graph's inputs or outputs.</summary>
    /// <param name="tensors">The N×C×H×W values of each tensor.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    public static BatchValues InOrder(params float[][] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return new([], null, Array.ConvertAll(tensors, values => (ReadOnlyMemory<float>)values));
    }

    /// <summary>Wraps the values of the only tensor.</summary>
    public static implicit operator BatchValues(ReadOnlySpan<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator BatchValues(Span<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator BatchValues(float[]? values) => Of(values.AsSpan());

    /// <summary>Gets the values of some samples.</summary>
    /// <param name="first">The index of the first sample.</param>
    /// <param name="count">The number of samples.</param>
    /// <param name="nodes">The inputs or outputs, in whose order the values are.</param>
    internal BatchValues Slice(int first, int count, IReadOnlyList<Node> nodes)
    {
        if (_ordered is null)
            return new(_only.Slice(first * nodes[0].Shape.Length, count * nodes[0].Shape.Length));
        var slices = new ReadOnlyMemory<float>[_ordered.Length];
        for (int i = 0; i < slices.Length; i++)
            slices[i] = _ordered[i].IsEmpty ? default
                : _ordered[i].Slice(first * nodes[i].Shape.Length, count * nodes[i].Shape.Length);
        return new([], null, slices);
    }

    /// <summary>Returns the same values in the order of the given nodes, for use by a backend.</summary>
    /// <param name="nodes">The inputs or outputs of a graph.</param>
    /// <param name="what">The word for a node in error messages: <c>input</c> or <c>output</c>.</param>
    /// <param name="all">Whether every node must have values.</param>
    /// <exception cref="ArgumentNullException"><paramref name="nodes"/> or <paramref name="what"/> is null.</exception>
    /// <exception cref="ArgumentException">A name is unknown, given twice or missing, or the number of unnamed tensors
    /// is not that of the nodes.</exception>
    public BatchValues InOrderOf(IReadOnlyList<Node> nodes, string what, bool all = true)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentNullException.ThrowIfNull(what);
        if (_ordered is not null)
            return _ordered.Length == nodes.Count ? this : throw NamedTensors.OtherCount(_ordered.Length, nodes, what);
        if (_named is not null)
            return new([], null, NamedTensors.InOrder(_named, values => values.IsEmpty, nodes, what,
                nameof(BatchValues), all));
        if (nodes.Count > 1)
            throw NamedTensors.WithoutNames(nodes, what, nameof(BatchValues));
        return this;
    }
}

/// <summary>Memory that receives the values of a batch: those of one tensor, or of several tensors by name.</summary>
/// <remarks>Arrays and spans convert implicitly. Tensors that are not named are not written.</remarks>
/// <example><code>net.Infer(images, BatchBuffers.Of(("class", scores), ("box", corners)));</code></example>
public readonly ref struct BatchBuffers
{
    private readonly Span<float> _only;
    private readonly (string Name, Memory<float> Values)[]? _named;
    private readonly Memory<float>[]? _ordered;

    private BatchBuffers(Span<float> only, (string, Memory<float>)[]? named = null, Memory<float>[]? ordered = null)
    {
        _only = only;
        (_named, _ordered) = (named, ordered);
    }

    /// <summary>Whether no memory was given.</summary>
    public bool IsEmpty => _only.IsEmpty && _named is null && _ordered is null;

    /// <summary>Whether the tensors are given by name, so that tensors not named are omitted.</summary>
    internal bool IsNamed => _ordered is not null;

    /// <summary>Gets the memory for one tensor, for use by a backend. Tensors are numbered in the order of the graph's
    /// inputs or outputs. The span is empty if the tensor is not needed.</summary>
    /// <param name="index">The index of the input or output.</param>
    public Span<float> this[int index] => _ordered is null ? _only : _ordered[index].Span;

    /// <summary>Wraps memory for the only tensor.</summary>
    /// <param name="values">Receives the N×C×H×W values.</param>
    public static BatchBuffers Of(Span<float> values) => new(values);

    /// <summary>Wraps memory for several tensors, by name.</summary>
    /// <param name="tensors">The name of each input or output and the memory that receives its N×C×H×W values.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    public static BatchBuffers Of(params (string Name, Memory<float> Values)[] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return new([], tensors);
    }

    /// <summary>Wraps memory for several tensors, in the order of the graph's inputs or outputs.</summary>
    /// <param name="tensors">Receive the N×C×H×W values of each tensor; an empty array means that the tensor is not
    /// needed.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    public static BatchBuffers InOrder(params float[][] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return new([], null, Array.ConvertAll(tensors, values => values.AsMemory()));
    }

    /// <summary>Wraps memory for the only tensor.</summary>
    public static implicit operator BatchBuffers(Span<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(Span{float})"/>
    public static implicit operator BatchBuffers(float[]? values) => Of(values.AsSpan());

    /// <summary>Gets the memory for some samples.</summary>
    /// <inheritdoc cref="BatchValues.Slice"/>
    internal BatchBuffers Slice(int first, int count, IReadOnlyList<Node> nodes)
    {
        if (IsEmpty)
            return this;
        if (_ordered is null)
            return new(_only.Slice(first * nodes[0].Shape.Length, count * nodes[0].Shape.Length));
        var slices = new Memory<float>[_ordered.Length];
        for (int i = 0; i < slices.Length; i++)
            slices[i] = _ordered[i].IsEmpty ? default
                : _ordered[i].Slice(first * nodes[i].Shape.Length, count * nodes[i].Shape.Length);
        return new([], null, slices);
    }

    /// <summary>Returns the same memory in the order of the given nodes, for use by a backend.</summary>
    /// <inheritdoc cref="BatchValues.InOrderOf" path="/param"/>
    /// <exception cref="ArgumentNullException"><paramref name="nodes"/> or <paramref name="what"/> is null.</exception>
    /// <exception cref="ArgumentException">A name is unknown or given twice, or the number of unnamed tensors is not
    /// that of the nodes.</exception>
    public BatchBuffers InOrderOf(IReadOnlyList<Node> nodes, string what)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentNullException.ThrowIfNull(what);
        if (_ordered is not null)
            return _ordered.Length == nodes.Count ? this : throw NamedTensors.OtherCount(_ordered.Length, nodes, what);
        if (_named is not null)
            return new([], null, NamedTensors.InOrder(_named, values => values.IsEmpty, nodes, what,
                nameof(BatchBuffers), all: false));
        if (nodes.Count > 1 && !IsEmpty)
            throw NamedTensors.WithoutNames(nodes, what, nameof(BatchBuffers));
        return this;
    }
}

/// <summary>Assigns named tensors to the inputs or outputs of a graph.</summary>
internal static class NamedTensors
{
    /// <summary>Gets the value given for each node; the default if none was given.</summary>
    public static T[] InOrder<T>((string Name, T Value)[] given, Predicate<T> isEmpty, IReadOnlyList<Node> nodes,
        string what, string type, bool all)
    {
        if (given.Length == 0)
            throw new ArgumentException($"No {what} is named. Name them, as in {Example(nodes, type)}.");
        var ordered = new T[nodes.Count];
        var found = new bool[nodes.Count];
        foreach ((string name, T value) in given)
        {
            int index = IndexOf(name, nodes, what);
            if (found[index])
                throw new ArgumentException($"The {what} \"{Excerpt.Of(name)}\" is named twice. Name it once.");
            if (isEmpty(value))
                throw new ArgumentException($"The {what} \"{Excerpt.Of(name)}\" is named without values. "
                    + "Omit its name, or pass its values.");
            (ordered[index], found[index]) = (value, true);
        }
        if (all && Array.IndexOf(found, false) is >= 0 and var missing)
            throw new ArgumentException(
                $"The {what} \"{nodes[missing].Name}\" is missing. Name all of them, as in {Example(nodes, type)}.");
        return ordered;
    }

    /// <summary>Gets the index of the input or output with a name.</summary>
    /// <exception cref="ArgumentException">There is no input or output with this name.</exception>
    public static int IndexOf(string name, IReadOnlyList<Node> nodes, string what)
    {
        for (int i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Name == name)
                return i;
        }
        throw NearMisses.NoSuch(what, name ?? "", nodes.Select(node => node.Name));
    }

    /// <summary>Creates the exception for a number of tensors that differs from the number of nodes.</summary>
    public static ArgumentException OtherCount(int count, IReadOnlyList<Node> nodes, string what)
        => new($"{count} tensors were passed, but there are {nodes.Count} for the kind \"{what}\": "
            + $"{string.Join(", ", nodes.Select(node => node.Name))}. Pass one for each.");

    /// <summary>Creates the exception for a single unnamed tensor if the graph has several inputs or outputs.</summary>
    public static ArgumentException WithoutNames(IReadOnlyList<Node> nodes, string what, string type)
        => new($"There is more than one {what}, so a tensor without a name is ambiguous. Name them, as in "
            + $"{Example(nodes, type)}.");

    private static string Example(IReadOnlyList<Node> nodes, string type)
        => $"{type}.Of({string.Join(", ", nodes.Select(node => $"(\"{node.Name}\", …)"))})";
}
