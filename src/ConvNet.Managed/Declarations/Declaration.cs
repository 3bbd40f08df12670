using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet;

/// <summary>The attribute values from which a layer, optimiser or loss is created.</summary>
public sealed class AttributeValues
{
    private readonly Dictionary<AttributeDeclaration, object> _values;

    internal AttributeValues(IEnumerable<KeyValuePair<AttributeDeclaration, object>> values)
    {
        _values = new Dictionary<AttributeDeclaration, object>(values);
    }

    /// <summary>Returns the value of an attribute, or its default.</summary>
    /// <exception cref="ArgumentException">The attribute has neither a value nor a default.</exception>
    public T Get<T>(AttributeDeclaration<T> attribute) where T : struct
        => Find(attribute) ?? throw new ArgumentException(
            $"The attribute {attribute.Name} has neither a value nor a default.", nameof(attribute));

    /// <summary>Returns the value of an attribute, or its default; null if its owner computes the default.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="attribute"/> is null.</exception>
    public T? Find<T>(AttributeDeclaration<T> attribute) where T : struct
    {
        ArgumentNullException.ThrowIfNull(attribute);
        return _values.TryGetValue(attribute, out object? value) ? (T)value : attribute.Otherwise;
    }

    internal AttributeValues With(params IEnumerable<(AttributeDeclaration Attribute, object Value)> changes)
    {
        var changed = new AttributeValues(_values);
        foreach ((AttributeDeclaration attribute, object value) in changes)
            changed._values[attribute] = value;
        return changed;
    }
}

/// <summary>A kind of layer, optimiser, loss, schedule or transform: its name in files and commands, its attributes,
/// and a function that creates one.</summary>
/// <typeparam name="T">The base type of the kind.</typeparam>
public class Declaration<T>
    where T : class
{
    private readonly Func<AttributeValues, T> _make;

    /// <summary>Declares a kind.</summary>
    /// <param name="kind">The name.</param>
    /// <param name="summary">A short description.</param>
    /// <param name="attributes">All attributes.</param>
    /// <param name="make">Creates an instance from attribute values.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or the name of an attribute is not unique or is reserved in files.
    /// </exception>
    public Declaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, T> make)
        : this(kind, summary, attributes, make, "loss", "schedule", "transform", "averaging", "sampler")
    {
    }

    private protected Declaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, T> make, params string[] taken)
    {
        ArgumentException.ThrowIfNullOrEmpty(kind);
        ArgumentNullException.ThrowIfNull(attributes);
        ArgumentNullException.ThrowIfNull(make);
        var names = new HashSet<string>(taken, StringComparer.Ordinal);
        if (attributes.FirstOrDefault(attribute => !names.Add(attribute.Name)) is { } again)
        {
            throw new ArgumentException(
                $"{kind} declares the attribute \"{again.Name}\" twice, or its name is reserved: "
                + $"{string.Join(", ", taken)} have a meaning of their own in files. Use another "
                + "name.", nameof(attributes));
        }
        (Kind, Summary, Attributes, _make) = (kind, summary, attributes, make);
    }

    /// <summary>The name in files and commands; for a layer, also the prefix of its node names.</summary>
    public string Kind { get; }

    /// <summary>The names in files of earlier versions; empty if it is unchanged.</summary>
    public IReadOnlyList<string> FormerKinds { get; init; } = [];

    /// <summary>A short description of what it computes.</summary>
    public string Summary { get; }

    /// <summary>All attributes.</summary>
    public IReadOnlyList<AttributeDeclaration> Attributes { get; }

    /// <summary>Creates an instance.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or values contradict one another.</exception>
    internal T Make(AttributeValues values) => _make(values);

    /// <summary>Returns the attribute values of an instance.</summary>
    internal AttributeValues ValuesOf(T owner)
        => new(Attributes.Select(attribute => KeyValuePair.Create(attribute, attribute.ValueOf(owner))));

    /// <summary>Reads an instance.</summary>
    internal T Read(JsonReader json)
    {
        var values = new List<KeyValuePair<AttributeDeclaration, object>>();
        foreach (AttributeDeclaration attribute in Attributes)
        {
            if (attribute.Read(json) is { } value)
                values.Add(KeyValuePair.Create(attribute, value));
        }
        return json.Checked(() => _make(new AttributeValues(values)));
    }

    /// <summary>Writes the attributes of an instance.</summary>
    internal void Write(Utf8JsonWriter json, T owner)
    {
        foreach (AttributeDeclaration attribute in Attributes)
            attribute.Write(json, owner);
    }
}

/// <summary>The kinds that a reader of files or a command recognises, by name.</summary>
/// <typeparam name="TDeclaration">The type of the declarations.</typeparam>
/// <typeparam name="T">The base type of the kinds.</typeparam>
public abstract class DeclarationSet<TDeclaration, T>
    where TDeclaration : Declaration<T>
    where T : class
{
    private readonly string _what;
    private readonly Dictionary<string, TDeclaration> _byKind = new(StringComparer.Ordinal);

    private protected DeclarationSet(string what, IReadOnlyList<TDeclaration> declarations)
    {
        (_what, Declarations) = (what, declarations);
        foreach (TDeclaration declaration in declarations)
        {
            if (!_byKind.TryAdd(declaration.Kind, declaration))
                throw new ArgumentException($"The set already contains the {what} \"{declaration.Kind}\". Use "
                    + "another name.", nameof(declarations));
            foreach (string former in declaration.FormerKinds)
                _byKind.TryAdd(former, declaration);
        }
    }

    /// <summary>The kinds, in the order in which they were added.</summary>
    public IReadOnlyList<TDeclaration> Declarations { get; }

    /// <summary>The names of all kinds, for error messages.</summary>
    internal string Kinds => string.Join(", ", Declarations.Select(declaration => declaration.Kind));

    /// <summary>Reads an instance of the kind that the JSON object names.</summary>
    internal T Read(JsonReader json)
    {
        string kind = json.Text(_what) ?? throw json.Error($"\"{_what}\" is missing.");
        return _byKind.TryGetValue(kind, out TDeclaration? declaration)
            ? declaration.Read(json)
            : throw json.Error($"the {_what} \"{Excerpt.Of(kind)}\" is unknown; use one of {Kinds}.");
    }
}

/// <summary>The kinds of losses, schedules or transforms that a reader of files or a command recognises, by
/// name.</summary>
/// <remarks>A set is immutable; <see cref="With"/> returns a new one.</remarks>
/// <typeparam name="T">The base type: loss, schedule or transform.</typeparam>
public sealed class KindSet<T> : DeclarationSet<Declaration<T>, T>
    where T : class
{
    private readonly string _what;

    internal KindSet(string what, params IReadOnlyList<Declaration<T>> declarations)
        : base(what, declarations)
    {
        _what = what;
    }

    /// <summary>Returns a set with additional kinds.</summary>
    /// <param name="declarations">The declarations of the kinds.</param>
    /// <exception cref="ArgumentException">A kind is already in the set.</exception>
    public KindSet<T> With(params IEnumerable<Declaration<T>> declarations)
        => new(_what, [.. Declarations, .. declarations]);

    /// <summary>Creates an instance of a kind with its defaults.</summary>
    internal T Make(string kind)
        => Declarations.Single(declaration => declaration.Kind == kind).Make(new AttributeValues([]));
}
