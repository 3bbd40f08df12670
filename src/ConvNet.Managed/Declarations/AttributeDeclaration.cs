using System.Globalization;
using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet;

/// <summary>The role of an attribute in a layer, for code that changes it: shrinking and channel reduction.</summary>
public enum AttributeRole
{
    /// <summary>No common role.</summary>
    Other,

    /// <summary>The channels or features of the output.</summary>
    Channels,

    /// <summary>The rows and columns of a window.</summary>
    Kernel,

    /// <summary>The stride in rows and columns.</summary>
    Stride,

    /// <summary>The rows and columns added at the borders.</summary>
    Padding,

    /// <summary>The distance between taps.</summary>
    Dilation,

    /// <summary>The number of channel groups.</summary>
    Groups,
}

/// <summary>The declaration of one attribute of a layer, optimiser or loss: name, type, default and range.</summary>
/// <remarks>
/// Files, the listing of layers, command options, the shrinking of failing cases and the generation of random cases use
/// it. The constructor of the owner validates its argument with <see cref="AttributeDeclaration{T}.Check"/>.
/// </remarks>
public abstract partial class AttributeDeclaration
{
    private protected AttributeDeclaration(string name, AttributeRole role, string? formerName)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        (Name, Role, FormerName) = (name, role, formerName);
    }

    /// <summary>The name in files.</summary>
    public string Name { get; }

    /// <summary>The role in the layer.</summary>
    public AttributeRole Role { get; }

    /// <summary>The name in files of earlier versions; null if it is unchanged.</summary>
    public string? FormerName { get; }

    /// <summary>The type in words: <c>whole number</c>, <c>number</c>, <c>flag</c>, <c>size</c>, <c>padding</c>,
    /// <c>factor</c>, <c>shape</c>, <c>weights</c>, <c>bounds</c> or <c>word</c>.</summary>
    public abstract string Type { get; }

    /// <summary>The default in words; null if the attribute is required.</summary>
    public abstract string? Default { get; }

    /// <summary>The range of values, such as <c>[0, 1)</c>.</summary>
    public abstract string Range { get; }

    /// <summary>A short description; empty if the name is sufficient.</summary>
    public string Summary { get; private protected init; } = "";

    /// <summary>The words of an attribute that is one of several, with their values; empty for other
    /// attributes.</summary>
    internal IReadOnlyList<KeyValuePair<string, object>> Choices { get; private init; } = [];

    /// <summary>The interval of a numeric attribute; null for other attributes.</summary>
    public NumberInterval? Interval { get; private protected init; }

    /// <summary>Returns the value of an owner.</summary>
    internal abstract object ValueOf(object owner);

    /// <summary>Returns the value of an owner in words.</summary>
    internal abstract string TextOf(object owner);

    /// <summary>Writes the value of an owner.</summary>
    internal abstract void Write(Utf8JsonWriter json, object owner);

    /// <summary>Reads a value; null if the default applies.</summary>
    /// <exception cref="InvalidDataException">The value has the wrong type or is missing.</exception>
    internal abstract object? Read(JsonReader json);

    /// <summary>Returns smaller values than that of an owner, the largest decrease first.</summary>
    internal abstract IEnumerable<object> Smaller(object owner);

    /// <summary>Draws a value from the range.</summary>
    internal abstract object Draw(RandomDraw draw);

    /// <summary>Writes the property of a JSON schema that describes the attribute and, if it has a former name, one for
    /// that.</summary>
    internal abstract void WriteSchema(Utf8JsonWriter json);
}

/// <summary>A declaration of an attribute whose values have a given type.</summary>
/// <typeparam name="T">The type of its values.</typeparam>
public sealed class AttributeDeclaration<T> : AttributeDeclaration
    where T : struct
{
    private readonly Func<object, T> _get;
    private readonly AttributeRules<T> _rules;

    internal AttributeDeclaration(string name, AttributeRole role, Func<object, T> get, T? otherwise,
        AttributeRules<T> rules, string? formerName = null)
        : base(name, role, formerName)
    {
        (_get, Otherwise, _rules) = (get, otherwise, rules);
    }

    /// <summary>The default; null if the attribute is required or the layer computes the default.</summary>
    public T? Otherwise { get; }

    /// <inheritdoc/>
    public override string Type => _rules.TypeWord;

    /// <inheritdoc/>
    public override string? Default => _rules.DefaultWords ?? (Otherwise is { } value ? Text(value) : null);

    /// <inheritdoc/>
    public override string Range => _rules.RangeWord;

    /// <summary>Returns the value if it is in range. The constructor of the layer calls this.</summary>
    /// <param name="kind">The kind of the layer.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public T Check(string kind, T value) => _rules.IsInRange(value)
        ? value
        : throw new ArgumentOutOfRangeException(Name, $"{kind}: {Name} {Text(value)} is not in {Range}.");

    /// <inheritdoc/>
    internal override object ValueOf(object owner) => _get(owner);

    /// <inheritdoc/>
    internal override string TextOf(object owner) => Text(_get(owner));

    /// <inheritdoc/>
    internal override void Write(Utf8JsonWriter json, object owner) => _rules.Writer(json, Name, _get(owner));

    /// <inheritdoc/>
    internal override object? Read(JsonReader json)
        => _rules.Reader(json, Name)
            ?? (FormerName is null ? null : _rules.Reader(json, FormerName))
            ?? (Default is null ? throw json.Error($"\"{Name}\" is missing.") : (object?)null);

    /// <inheritdoc/>
    internal override void WriteSchema(Utf8JsonWriter json)
    {
        json.WriteStartObject(Name);
        if (Summary.Length > 0)
            json.WriteString("description", Summary);
        _rules.Schema(json);
        if (Otherwise is { } value)
            _rules.Writer(json, "default", value);
        json.WriteEndObject();
        if (FormerName is null)
            return;
        json.WriteStartObject(FormerName);
        json.WriteString("description", $"Former name of {Name}.");
        json.WriteBoolean("deprecated", true);
        (_rules.FormerSchema ?? _rules.Schema)(json);
        json.WriteEndObject();
    }

    /// <inheritdoc/>
    internal override IEnumerable<object> Smaller(object owner)
        => _rules.SmallerIn(owner).Select(value => (object)value);

    /// <inheritdoc/>
    internal override object Draw(RandomDraw draw) => _rules.Drawer(draw);

    private string Text(T value) => _rules.Words?.Invoke(value)
        ?? (value is bool flag ? (flag ? "true" : "false") : Convert.ToString(value, CultureInfo.InvariantCulture)!);
}

/// <summary>The rules of a type of attribute: its words, its file format and its random values.</summary>
internal sealed class AttributeRules<T>
    where T : struct
{
    public required string TypeWord { get; init; }

    public required string RangeWord { get; init; }

    public required Func<T, bool> IsInRange { get; init; }

    public required Func<JsonReader, string, T?> Reader { get; init; }

    public required Action<Utf8JsonWriter, string, T> Writer { get; init; }

    /// <summary>Writes the keywords of a JSON schema that describe a value.</summary>
    public required Action<Utf8JsonWriter> Schema { get; init; }

    /// <summary>Writes those of a value under the former name, if they differ.</summary>
    public Action<Utf8JsonWriter>? FormerSchema { get; init; }

    public required Func<object, IEnumerable<T>> SmallerIn { get; init; }

    public required Func<RandomDraw, T> Drawer { get; init; }

    public string? DefaultWords { get; init; }

    public Func<T, string>? Words { get; init; }
}
