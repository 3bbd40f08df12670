using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet;

/// <summary>The values of the attributes of a layer, an optimiser or a loss, from which it is made.</summary>
public sealed class AttributeValues
{
    private readonly Dictionary<AttributeDeclaration, object> _values;

    internal AttributeValues(IEnumerable<KeyValuePair<AttributeDeclaration, object>> values)
    {
        _values = new Dictionary<AttributeDeclaration, object>(values);
    }

    /// <summary>The value of an attribute, or its default.</summary>
    /// <exception cref="ArgumentException">It has neither.</exception>
    public T Get<T>(AttributeDeclaration<T> attribute) where T : struct
        => Find(attribute) ?? throw new ArgumentException($"{attribute.Name} is missing.", nameof(attribute));

    /// <summary>The value of an attribute, or its default; null where its owner computes the default.</summary>
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
/// and how one is made.</summary>
/// <typeparam name="T">What it is a kind of.</typeparam>
public class Declaration<T>
    where T : class
{
    private readonly Func<AttributeValues, T> _make;

    /// <summary>Declares a kind.</summary>
    /// <param name="kind">Its name.</param>
    /// <param name="summary">What it is, in a few words.</param>
    /// <param name="attributes">All its attributes.</param>
    /// <param name="make">Makes one of given values of the attributes.</param>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or an attribute has a name that is not unique or that files use themselves.
    /// </exception>
    public Declaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, T> make)
        : this(kind, summary, attributes, make, "loss", "schedule", "transform")
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
                $"{kind} has an attribute \"{again.Name}\" whose name is taken: names are unique, and files use "
                + $"{string.Join(", ", taken)} themselves.", nameof(attributes));
        }
        (Kind, Summary, Attributes, _make) = (kind, summary, attributes, make);
    }

    /// <summary>Its name in files and commands; of a layer, also the stem of its nodes' names.</summary>
    public string Kind { get; }

    /// <summary>The name that earlier files have; null where it has always had its name.</summary>
    public string? FormerKind { get; init; }

    /// <summary>What it computes, in a few words.</summary>
    public string Summary { get; }

    /// <summary>All its attributes.</summary>
    public IReadOnlyList<AttributeDeclaration> Attributes { get; }

    /// <summary>Makes one.</summary>
    /// <exception cref="ArgumentException">A value is out of its range, or values contradict one another.</exception>
    internal T Make(AttributeValues values) => _make(values);

    /// <summary>The values that one has.</summary>
    internal AttributeValues ValuesOf(T owner)
        => new(Attributes.Select(attribute => KeyValuePair.Create(attribute, attribute.ValueOf(owner))));

    /// <summary>Reads one.</summary>
    public T Read(JsonReader json)
    {
        var values = new List<KeyValuePair<AttributeDeclaration, object>>();
        foreach (AttributeDeclaration attribute in Attributes)
        {
            if (attribute.Read(json) is { } value)
                values.Add(KeyValuePair.Create(attribute, value));
        }
        return json.Checked(() => _make(new AttributeValues(values)));
    }

    /// <summary>Writes the attributes of one.</summary>
    public void Write(Utf8JsonWriter json, T owner)
    {
        foreach (AttributeDeclaration attribute in Attributes)
            attribute.Write(json, owner);
    }
}

/// <summary>Kinds by name: those that a reader of files or a command knows.</summary>
/// <typeparam name="TDeclaration">What declares a kind.</typeparam>
/// <typeparam name="T">What it is a kind of.</typeparam>
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
                throw new ArgumentException($"The kind \"{declaration.Kind}\" of {what} is there twice; "
                    + "kinds are unique in a set.", nameof(declarations));
            if (declaration.FormerKind is { } former)
                _byKind.TryAdd(former, declaration);
        }
    }

    /// <summary>The kinds, in the order in which they were added.</summary>
    public IReadOnlyList<TDeclaration> Declarations { get; }

    /// <summary>The names of all kinds, for errors.</summary>
    internal string Kinds => string.Join(", ", Declarations.Select(declaration => declaration.Kind));

    /// <summary>Reads what an object describes.</summary>
    public T Read(JsonReader json)
    {
        string kind = json.Text(_what) ?? throw json.Error($"\"{_what}\" is missing.");
        return _byKind.TryGetValue(kind, out TDeclaration? declaration)
            ? declaration.Read(json)
            : throw json.Error($"{_what} \"{Excerpt.Of(kind)}\" is unknown; there are {Kinds}.");
    }
}

/// <summary>Kinds of losses, schedules or transforms by name: those that a reader of files or a command
/// knows.</summary>
/// <remarks>A set never changes; <see cref="With"/> gives another.</remarks>
/// <typeparam name="T">Loss, schedule or transform.</typeparam>
public sealed class KindSet<T> : DeclarationSet<Declaration<T>, T>
    where T : class
{
    private readonly string _what;

    internal KindSet(string what, params IReadOnlyList<Declaration<T>> declarations)
        : base(what, declarations)
    {
        _what = what;
    }

    /// <summary>This set and some more kinds.</summary>
    /// <param name="declarations">Their declarations.</param>
    /// <exception cref="ArgumentException">A kind is in the set already.</exception>
    public KindSet<T> With(params IEnumerable<Declaration<T>> declarations)
        => new(_what, [.. Declarations, .. declarations]);

    /// <summary>One of a kind, with its defaults.</summary>
    internal T Make(string kind)
        => Declarations.Single(declaration => declaration.Kind == kind).Make(new AttributeValues([]));
}
