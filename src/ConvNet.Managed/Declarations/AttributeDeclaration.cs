using System.Globalization;
using System.Text.Json;
using ConvNet.Serialization;
using ConvNet.Training;

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
public abstract class AttributeDeclaration
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
    /// <c>factor</c>, <c>shape</c>, <c>weights</c> or <c>word</c>.</summary>
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

    /// <summary>Declares an integer attribute.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="otherwise">The default; null if the attribute is required.</param>
    /// <param name="least">The smallest value.</param>
    /// <param name="role">The role in the layer.</param>
    /// <param name="multipleOf">Returns the number that the value must be a multiple of in a layer; 1 by
    /// default.</param>
    /// <param name="formerName">The name in files of earlier versions, if different.</param>
    /// <param name="summary">A short description.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<int> Integer<TOwner>(string name, Func<TOwner, int> get, int? otherwise = null,
        int least = 1, AttributeRole role = AttributeRole.Other, Func<TOwner, int>? multipleOf = null,
        string? formerName = null, string summary = "")
        => new(name, role, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "whole number",
            RangeWord = $"[{least}, ∞)",
            IsInRange = value => value >= least,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Int(at),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            Schema = json => WriteWhole(json, least),
            SmallerIn = layer => multipleOf?.Invoke((TOwner)layer) is > 1 and var unit
                ? Smaller(get((TOwner)layer) / unit, Math.Max(1, least / unit)).Select(value => value * unit)
                : Smaller(get((TOwner)layer), least),
            Drawer = draw => Math.Max(least, draw.Of(least, 1, 2, 3, 5, 8, 16, 17)),
        }, formerName)
        {
            Summary = summary,
            Interval = NumberInterval.FromZero with { Least = least },
        };

    /// <summary>Declares a real-valued attribute.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer, an optimiser or a loss.</param>
    /// <param name="range">The range of values.</param>
    /// <param name="otherwise">The default; null if the attribute is required.</param>
    /// <param name="summary">A short description.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<float> Number<TOwner>(string name, Func<TOwner, float> get, NumberInterval range,
        float? otherwise = null, string summary = "")
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), otherwise, new()
        {
            TypeWord = "number",
            RangeWord = $"{range}",
            IsInRange = value => range.Contains(value),
            Reader = (json, at) => json.Optional(at) is null ? null : json.Number(at, 0),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            Schema = range.WriteSchema,
            SmallerIn = owner => otherwise is { } usual && get((TOwner)owner) != usual ? [usual] : [],
            Drawer = draw => (float)range.Inside(draw.Below(8) / 8f),
        })
        {
            Summary = summary,
            Interval = range,
        };

    /// <summary>Declares a real-valued attribute in double precision.</summary>
    /// <inheritdoc cref="Number{TOwner}(string, Func{TOwner, float}, NumberInterval, float?, string)"/>
    public static AttributeDeclaration<double> Number<TOwner>(string name, Func<TOwner, double> get,
        NumberInterval range, double? otherwise = null, string summary = "")
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), otherwise, new()
        {
            TypeWord = "number",
            RangeWord = $"{range}",
            IsInRange = range.Contains,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Double(at),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            Schema = range.WriteSchema,
            SmallerIn = owner => otherwise is { } usual && get((TOwner)owner) != usual ? [usual] : [],
            Drawer = draw => range.Inside(draw.Below(8) / 8f),
        })
        {
            Summary = summary,
            Interval = range,
        };

    /// <summary>Declares a real-valued attribute that may be absent.</summary>
    /// <remarks>In files, a word stands for its absence; among attribute values, NaN does. NaN is never in the
    /// range.</remarks>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer; null if it has none.</param>
    /// <param name="range">The range of values.</param>
    /// <param name="otherwise">The default.</param>
    /// <param name="absent">The word for its absence.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<float> NumberOr<TOwner>(string name, Func<TOwner, float?> get,
        NumberInterval range, float otherwise, string absent)
        => new(name, AttributeRole.Other, owner => get((TOwner)owner) ?? float.NaN, otherwise, new()
        {
            TypeWord = "number",
            RangeWord = $"{range}, {absent}",
            IsInRange = value => range.Contains(value),
            Reader = (json, at) => json.Optional(at) switch
            {
                null => null,
                { ValueKind: not JsonValueKind.String } => json.Number(at, 0),
                _ when json.Text(at) == absent => float.NaN,
                _ => throw json.Error($"\"{at}\" is \"{Excerpt.Of(json.Text(at)!)}\"; it must be {range.Words}, or "
                    + $"\"{absent}\"."),
            },
            Writer = (json, at, value) =>
            {
                if (float.IsNaN(value))
                    json.WriteString(at, absent);
                else
                    json.WriteNumber(at, value);
            },
            Schema = json =>
            {
                json.WriteStartArray("anyOf");
                json.WriteStartObject();
                range.WriteSchema(json);
                json.WriteEndObject();
                json.WriteStartObject();
                json.WriteString("const", absent);
                json.WriteEndObject();
                json.WriteEndArray();
            },
            SmallerIn = owner => get((TOwner)owner) != otherwise ? [otherwise] : [],
            Drawer = draw => draw.OneIn(4) ? float.NaN : (float)range.Inside(draw.Below(8) / 8f),
            Words = value => float.IsNaN(value) ? absent : value.ToString(CultureInfo.InvariantCulture),
        })
        {
            Interval = range,
        };

    /// <summary>Declares a Boolean attribute.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="otherwise">The default.</param>
    /// <param name="simplest">The value of the simpler layer, to which a failing case is shrunk.</param>
    /// <param name="summary">A short description.</param>
    /// <param name="formerName">The name in files of earlier versions, if different.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<bool> Flag<TOwner>(string name, Func<TOwner, bool> get, bool otherwise,
        bool simplest = false, string summary = "", string? formerName = null)
        => new(name, AttributeRole.Other, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "flag",
            RangeWord = "true, false",
            IsInRange = _ => true,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Flag(at, false),
            Writer = (json, at, value) => json.WriteBoolean(at, value),
            Schema = WriteFlag,
            SmallerIn = layer => get((TOwner)layer) == simplest ? [] : [simplest],
            Drawer = draw => draw.OneIn(2),
        }, formerName)
        {
            Summary = summary,
        };

    /// <summary>Declares an attribute of rows and columns: one number for both, or two.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="least">The smallest number of rows and of columns.</param>
    /// <param name="most">The largest number of rows and of columns.</param>
    /// <param name="otherwise">The default. If this and the words are null, the attribute is required.</param>
    /// <param name="otherwiseWords">The default in words, if the layer computes it.</param>
    /// <param name="role">The role in the layer.</param>
    /// <param name="formerName">The name in files of earlier versions, if different.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<Extent> Size<TOwner>(string name, Func<TOwner, Extent> get, int least, int most,
        Extent? otherwise = null, string? otherwiseWords = null, AttributeRole role = AttributeRole.Other,
        string? formerName = null)
        => new(name, role, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "size",
            DefaultWords = otherwiseWords,
            RangeWord = $"[{least}, {most}]",
            IsInRange = value => value.H >= least && value.W >= least && value.H <= most && value.W <= most,
            Reader = (json, at) => json.Extent(at),
            Writer = (json, at, value) => WriteOneOrMore(json, at, value.H, value.W),
            Schema = json => WriteWholes(json, least, most, 2),
            SmallerIn = layer => Smaller(get((TOwner)layer), least),
            Drawer = draw => (least + draw.Below(3), least + draw.Below(3)),
        }, formerName);

    /// <summary>Declares a padding attribute: one, two or four numbers.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="most">The largest padding on any side.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<Padding> Pads<TOwner>(string name, Func<TOwner, Padding> get, int most)
        => new(name, AttributeRole.Padding, layer => get((TOwner)layer), (Padding)0, new()
        {
            TypeWord = "padding",
            RangeWord = $"[0, {most}]",
            IsInRange = value => value.Least >= 0 && value.Most <= most,
            Reader = (json, at) => json.Padding(at),
            Writer = (json, at, value) =>
            {
                if (value.IsSymmetric)
                    WriteOneOrMore(json, at, value.Top, value.Left);
                else
                    WriteNumbers(json, at, value.Top, value.Left, value.Bottom, value.Right);
            },
            Schema = json => WriteWholes(json, 0, most, 2, 4),
            SmallerIn = layer => Smaller(get((TOwner)layer)),
            Drawer = draw => draw.OneIn(2)
                ? (draw.Below(3), draw.Below(3))
                : (draw.Below(3), draw.Below(3), draw.Below(3), draw.Below(3)),
        });

    /// <summary>Declares an attribute of one factor for rows and columns, or two.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="otherwiseWords">The default in words, which the layer computes.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<ScaleFactor> Scale<TOwner>(string name, Func<TOwner, ScaleFactor> get,
        string otherwiseWords)
        => new(name, AttributeRole.Other, layer => get((TOwner)layer), null, new()
        {
            TypeWord = "factor",
            DefaultWords = otherwiseWords,
            RangeWord = $"{NumberInterval.AboveZero}",
            IsInRange = value => NumberInterval.AboveZero.Contains(value.H)
                && NumberInterval.AboveZero.Contains(value.W),
            Reader = (json, at) => json.List(at) is [] ? null : json.Numbers(at) is [var h, var w]
                ? new ScaleFactor(h, w) : throw json.Error($"\"{at}\" must be [rows, columns]."),
            Writer = (json, at, value) =>
            {
                json.WriteStartArray(at);
                if (value != default)
                {
                    json.WriteNumberValue(value.H);
                    json.WriteNumberValue(value.W);
                }
                json.WriteEndArray();
            },
            Schema = json => WriteArray(json, 0, 2, item =>
            {
                item.WriteString("type", "number");
                item.WriteNumber("exclusiveMinimum", 0);
            }),
            SmallerIn = layer => get((TOwner)layer) is var value && value == default ? []
                : new ScaleFactor[] { 1, 2 }.Where(each => each.H * each.W < value.H * value.W),
            Drawer = draw => (draw.Of(0.5f, 1, 1.5f, 2, 2, 3), draw.Of(0.75f, 1, 2, 2, 2.5f)),
        });

    /// <summary>Declares an attribute that is the shape of a sample.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<Shape> Dimensions<TOwner>(string name, Func<TOwner, Shape> get)
        => new(name, AttributeRole.Other, layer => get((TOwner)layer), null, new()
        {
            TypeWord = "shape",
            RangeWord = "[1, ∞)",
            IsInRange = value => value.Length > 0,
            Reader = (json, at) => json.List(at) is [] ? null : json.Ints(at) is [var c, var h, var w]
                ? json.Checked(() => new Shape(c, h, w))
                : throw json.Error($"\"{at}\" must be [channels, rows, columns]."),
            Writer = (json, at, value) =>
            {
                json.WriteStartArray(at);
                json.WriteNumberValue(value.C);
                json.WriteNumberValue(value.H);
                json.WriteNumberValue(value.W);
                json.WriteEndArray();
            },
            Schema = json => WriteArray(json, 3, 3, item => WriteWhole(item, 1)),
            SmallerIn = _ => [],
            Drawer = draw => draw.Shape(),
        });

    /// <summary>Declares an attribute that is one of several words.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a layer.</param>
    /// <param name="words">The words with their values.</param>
    /// <param name="otherwise">The default.</param>
    /// <param name="formerFlag">The flag in files of earlier versions, and the value it stands for.</param>
    /// <param name="summary">A short description.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<T> Choice<TOwner, T>(string name, Func<TOwner, T> get,
        IReadOnlyList<(string Word, T Value)> words, T otherwise, (string Name, T Value)? formerFlag = null,
        string summary = "")
        where T : struct
    {
        string WordOf(T value)
            => words.FirstOrDefault(each => each.Value.Equals(value)).Word ?? $"{value}".ToLowerInvariant();
        string all = string.Join(", ", words.Select(each => each.Word));
        return new(name, AttributeRole.Other, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "word",
            RangeWord = all,
            IsInRange = value => words.Any(each => each.Value.Equals(value)),
            Reader = (json, at) =>
            {
                if (at == formerFlag?.Name)
                    return json.Flag(at, false) ? formerFlag.Value.Value : null;
                if (json.Text(at) is not { } word)
                    return null;
                foreach ((string each, T value) in words)
                {
                    if (each == word)
                        return value;
                }
                throw json.Error($"\"{at}\" is \"{Excerpt.Of(word)}\"; it must be one of {all}.");
            },
            Writer = (json, at, value) => json.WriteString(at, WordOf(value)),
            Schema = json =>
            {
                json.WriteStartArray("enum");
                foreach ((string word, _) in words)
                    json.WriteStringValue(word);
                json.WriteEndArray();
            },
            FormerSchema = formerFlag is null ? null : WriteFlag,
            SmallerIn = layer => get((TOwner)layer).Equals(otherwise) ? [] : [otherwise],
            Drawer = draw => draw.Of([.. words.Select(each => each.Value)]),
            Words = WordOf,
        }, formerFlag?.Name)
        {
            Summary = summary,
            Choices = [.. words.Select(each => KeyValuePair.Create(each.Word, (object)each.Value))],
        };
    }

    /// <summary>Declares an attribute of times in ascending order.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a schedule.</param>
    /// <param name="summary">A short description.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<Milestones> Times<TOwner>(string name, Func<TOwner, Milestones> get,
        string summary = "")
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), null, new()
        {
            TypeWord = "milestones",
            RangeWord = "whole numbers from 1, in ascending order",
            IsInRange = value => value.Count > 0,
            Reader = (json, at) => json.Optional(at) is null ? default(Milestones?)
                : json.Checked(() => Milestones.Of(json.Ints(at))),
            Writer = (json, at, value) =>
            {
                json.WriteStartArray(at);
                foreach (int time in value)
                    json.WriteNumberValue(time);
                json.WriteEndArray();
            },
            Schema = json =>
            {
                json.WriteString("type", "array");
                json.WriteNumber("minItems", 1);
                json.WriteStartObject("items");
                WriteWhole(json, 1);
                json.WriteEndObject();
            },
            SmallerIn = _ => [],
            Drawer = draw => Milestones.Of(draw.Between(1, 3), draw.Between(4, 6)),
            Words = value => $"{value}",
        })
        {
            Summary = summary,
        };

    /// <summary>Declares an attribute of one weight for each class, none by default.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a loss.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<ClassWeights> Weights<TOwner>(string name, Func<TOwner, ClassWeights> get)
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), default(ClassWeights), new()
        {
            TypeWord = "weights",
            RangeWord = "[0, ∞) for each class",
            IsInRange = _ => true,
            Reader = (json, at) => json.Optional(at) is null ? default(ClassWeights?)
                : json.Checked(() => ClassWeights.Of(json.Numbers(at))),
            Writer = (json, at, value) =>
            {
                json.WriteStartArray(at);
                foreach (float weight in value)
                    json.WriteNumberValue(weight);
                json.WriteEndArray();
            },
            Schema = json =>
            {
                json.WriteString("type", "array");
                json.WriteStartObject("items");
                NumberInterval.FromZero.WriteSchema(json);
                json.WriteEndObject();
            },
            SmallerIn = owner => get((TOwner)owner).IsEmpty ? [] : [default],
            Drawer = draw => draw.OneIn(2) ? default : ClassWeights.Of(1, draw.Below(3), 0.25f * draw.Below(9)),
            Words = value => $"{value}",
        });

    /// <summary>Declares an attribute that is a label, which need not be a class.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a loss.</param>
    /// <param name="otherwise">The default.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<int> Label<TOwner>(string name, Func<TOwner, int> get, int otherwise)
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), otherwise, new()
        {
            TypeWord = "whole number",
            RangeWord = "(−∞, ∞)",
            IsInRange = _ => true,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Int(at),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            Schema = json => json.WriteString("type", "integer"),
            SmallerIn = owner => get((TOwner)owner) == otherwise ? [] : [otherwise],
            Drawer = draw => draw.Of(otherwise, 0, 1, 255),
        });

    /// <summary>Returns smaller numbers: the least, half, and one less.</summary>
    internal static IEnumerable<int> Smaller(int value, int least)
        => new[] { least, value / 2, value - 1 }.Where(v => v >= least && v < value).Distinct();

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

    // An array with a number of items between two limits.
    private static void WriteArray(Utf8JsonWriter json, int least, int most, Action<Utf8JsonWriter> writeItem)
    {
        json.WriteString("type", "array");
        json.WriteNumber("minItems", least);
        json.WriteNumber("maxItems", most);
        json.WriteStartObject("items");
        writeItem(json);
        json.WriteEndObject();
    }

    private static void WriteWhole(Utf8JsonWriter json, int least, int? most = null)
    {
        json.WriteString("type", "integer");
        json.WriteNumber("minimum", least);
        if (most is { } limit)
            json.WriteNumber("maximum", limit);
    }

    // A whole number, or a list of one of the given lengths.
    private static void WriteWholes(Utf8JsonWriter json, int least, int most, params ReadOnlySpan<int> lengths)
    {
        json.WriteStartArray("anyOf");
        json.WriteStartObject();
        WriteWhole(json, least, most);
        json.WriteEndObject();
        foreach (int length in lengths)
        {
            json.WriteStartObject();
            json.WriteString("type", "array");
            json.WriteStartObject("items");
            WriteWhole(json, least, most);
            json.WriteEndObject();
            json.WriteNumber("minItems", length);
            json.WriteNumber("maxItems", length);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteFlag(Utf8JsonWriter json) => json.WriteString("type", "boolean");

    // Equal numbers are written as one.
    private static void WriteOneOrMore(Utf8JsonWriter json, string at, params ReadOnlySpan<int> numbers)
    {
        if (numbers.ContainsAnyExcept(numbers[0]))
            WriteNumbers(json, at, numbers);
        else
            json.WriteNumber(at, numbers[0]);
    }

    private static void WriteNumbers(Utf8JsonWriter json, string at, params ReadOnlySpan<int> numbers)
    {
        json.WriteStartArray(at);
        foreach (int number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    // No padding, equal padding on opposite sides, then less padding on each side in turn.
    private static IEnumerable<Padding> Smaller(Padding padding)
    {
        (int top, int left, int bottom, int right) = padding;
        if (padding != 0)
            yield return 0;
        Extent least = (Math.Min(top, bottom), Math.Min(left, right));
        if (!padding.IsSymmetric && least != 0)
            yield return least;
        foreach (int less in Smaller(top, 0))
            yield return (less, left, padding.IsSymmetric ? less : bottom, right);
        foreach (int less in Smaller(left, 0))
            yield return (top, less, bottom, padding.IsSymmetric ? less : right);
        foreach (int less in padding.IsSymmetric ? [] : Smaller(bottom, 0))
            yield return (top, left, less, right);
        foreach (int less in padding.IsSymmetric ? [] : Smaller(right, 0))
            yield return (top, left, bottom, less);
    }

    private static IEnumerable<Extent> Smaller(Extent size, int least)
    {
        if (size.H > least && size.W > least)
            yield return least;
        foreach (int rows in Smaller(size.H, least))
            yield return (rows, size.W);
        foreach (int columns in Smaller(size.W, least))
            yield return (size.H, columns);
    }
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
    public Action<Utf8JsonWriter> Schema { get; init; } = _ => { };

    /// <summary>Writes those of a value under the former name, if they differ.</summary>
    public Action<Utf8JsonWriter>? FormerSchema { get; init; }

    public required Func<object, IEnumerable<T>> SmallerIn { get; init; }

    public required Func<RandomDraw, T> Drawer { get; init; }

    public string? DefaultWords { get; init; }

    public Func<T, string>? Words { get; init; }
}

/// <summary>An interval of real numbers, such as <c>[0, 1)</c>. An end may be infinite.</summary>
/// <param name="Least">The lower end.</param>
/// <param name="Most">The upper end.</param>
/// <param name="HasLeast">Whether the lower end is included.</param>
/// <param name="HasMost">Whether the upper end is included; false if it is infinite.</param>
public readonly record struct NumberInterval(double Least, double Most, bool HasLeast, bool HasMost)
{
    /// <summary>Non-negative numbers: [0, ∞).</summary>
    public static NumberInterval FromZero { get; } = new(0, double.PositiveInfinity, HasLeast: true, HasMost: false);

    /// <summary>Positive numbers: (0, ∞).</summary>
    public static NumberInterval AboveZero { get; } = new(0, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>Numbers from 0 to below 1: [0, 1).</summary>
    public static NumberInterval BelowOne { get; } = new(0, 1, HasLeast: true, HasMost: false);

    /// <summary>All finite numbers.</summary>
    public static NumberInterval Finite { get; }
        = new(double.NegativeInfinity, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>The interval in words, such as <c>a number at least 0 and below 1</c>.</summary>
    internal string Words
    {
        get
        {
            if (this == Finite)
                return "a finite number";
            string least = $"{(HasLeast ? "at least" : "above")} {Text(Least)}";
            return double.IsPositiveInfinity(Most)
            ? $"a finite number {least}"
            : $"a number {least} and {(HasMost ? "at most" : "below")} {Text(Most)}";
        }
    }

    /// <summary>Returns whether a number is in the interval.</summary>
    public bool Contains(double value)
        => (HasLeast ? value >= Least : value > Least) && (HasMost ? value <= Most : value < Most);

    /// <summary>Returns the interval in the form <c>(0, 1]</c>.</summary>
    public override string ToString() => $"{(HasLeast ? '[' : '(')}{Text(Least)}, {Text(Most)}{(HasMost ? ']' : ')')}";

    /// <summary>Writes the keywords of a JSON schema that describe a number of the interval.</summary>
    internal void WriteSchema(Utf8JsonWriter json)
    {
        json.WriteString("type", "number");
        if (double.IsFinite(Least))
            json.WriteNumber(HasLeast ? "minimum" : "exclusiveMinimum", Least);
        if (double.IsFinite(Most))
            json.WriteNumber(HasMost ? "maximum" : "exclusiveMaximum", Most);
    }

    // Returns the number at a given fraction of the interval.
    internal double Inside(float share)
    {
        double least = double.IsFinite(Least) ? Least : -1;
        double most = double.IsFinite(Most) ? Most : Math.Max(least, 0) + 1, value = least + (most - least) * share;
        return Contains(value) ? value : (least + most) / 2;
    }

    private static string Text(double value) => double.IsPositiveInfinity(value) ? "∞"
        : double.IsNegativeInfinity(value) ? "−∞" : value.ToString(CultureInfo.InvariantCulture);
}
