using System.Text.Json;
using ConvNet.Training;

namespace ConvNet;

public abstract partial class AttributeDeclaration
{
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

    /// <summary>Declares an attribute of the two bounds between which a number is drawn.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a transform.</param>
    /// <param name="range">The range of both bounds.</param>
    /// <param name="otherwise">The default; null if the attribute is required.</param>
    /// <param name="summary">A short description.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static AttributeDeclaration<ValueRange> Bounds<TOwner>(string name, Func<TOwner, ValueRange> get,
        NumberInterval range, ValueRange? otherwise = null, string summary = "")
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), otherwise, new()
        {
            TypeWord = "bounds",
            RangeWord = $"{range}, in ascending order",
            IsInRange = value => range.Contains(value.Least) && range.Contains(value.Most)
                && value.Least <= value.Most,
            Reader = (json, at) => json.Optional(at) switch
            {
                null => null,
                { ValueKind: JsonValueKind.Number } => (ValueRange)json.Double(at),
                _ => json.Doubles(at) is [var least, var most] ? new ValueRange(least, most)
                    : throw json.Error($"\"{at}\" must be a number or [least, most]."),
            },
            Writer = (json, at, value) =>
            {
                json.WriteStartArray(at);
                json.WriteNumberValue(value.Least);
                json.WriteNumberValue(value.Most);
                json.WriteEndArray();
            },
            Schema = json => WriteArray(json, 2, 2, range.WriteSchema),
            SmallerIn = owner => otherwise is { } usual && get((TOwner)owner) != usual ? [usual] : [],
            Drawer = draw =>
            {
                double one = range.Inside(draw.Below(8) / 8f), other = range.Inside(draw.Below(8) / 8f);
                return (Math.Min(one, other), Math.Max(one, other));
            },
            Words = value => $"{value}",
        })
        {
            Summary = summary,
        };

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
}
