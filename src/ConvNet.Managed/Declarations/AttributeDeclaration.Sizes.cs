using System.Text.Json;

namespace ConvNet;

public abstract partial class AttributeDeclaration
{
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
