using System.Globalization;
using System.Text.Json;

namespace ConvNet;

public abstract partial class AttributeDeclaration
{
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

    private static void WriteFlag(Utf8JsonWriter json) => json.WriteString("type", "boolean");
}
