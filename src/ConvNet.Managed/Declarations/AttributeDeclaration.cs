using System.Globalization;
using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet;

/// <summary>What an attribute is to a layer, for those who change it: shrinking, and the cutting of channels.</summary>
public enum AttributeRole
{
    /// <summary>Nothing that others know.</summary>
    Other,

    /// <summary>Channels or features of the output.</summary>
    Channels,

    /// <summary>Rows and columns of a window.</summary>
    Kernel,

    /// <summary>Rows and columns from one position of a window to the next.</summary>
    Stride,

    /// <summary>Rows and columns that are added to the borders.</summary>
    Padding,

    /// <summary>The distance between taps.</summary>
    Dilation,

    /// <summary>Groups of channels.</summary>
    Groups,
}

/// <summary>One attribute of a layer, an optimiser or a loss, declared once: name, type, default and range.</summary>
/// <remarks>
/// The files, the listing of layers, the options of commands, the shrinking of failing cases and the random cases read
/// it, and the owner's constructor checks its argument with <see cref="AttributeDeclaration{T}.Check"/>.
/// </remarks>
public abstract class AttributeDeclaration
{
    private protected AttributeDeclaration(string name, AttributeRole role, string? formerName)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        (Name, Role, FormerName) = (name, role, formerName);
    }

    /// <summary>The name, as files have it.</summary>
    public string Name { get; }

    /// <summary>What it is to the layer.</summary>
    public AttributeRole Role { get; }

    /// <summary>The name that earlier files have; null where it has always had its name.</summary>
    public string? FormerName { get; }

    /// <summary>The type in words: <c>whole number</c>, <c>number</c>, <c>flag</c>, <c>size</c>, <c>padding</c> or
    /// <c>word</c>.</summary>
    public abstract string Type { get; }

    /// <summary>The default in words; null where the attribute must be given.</summary>
    public abstract string? Default { get; }

    /// <summary>The values that it may have, as <c>[0, 1)</c>.</summary>
    public abstract string Range { get; }

    /// <summary>What it is, in a few words; empty where its name says all.</summary>
    public string Summary { get; private protected init; } = "";

    /// <summary>The numbers that it may have; null where it is none.</summary>
    public NumberInterval? Interval { get; private protected init; }

    /// <summary>A whole number.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer.</param>
    /// <param name="otherwise">The default; the attribute must be given where this is null.</param>
    /// <param name="least">The smallest value.</param>
    /// <param name="role">What it is to the layer.</param>
    /// <param name="multipleOf">What it must be a multiple of in a layer; 1 unless given.</param>
    /// <param name="formerName">The name that earlier files have, if another.</param>
    public static AttributeDeclaration<int> Integer<TOwner>(string name, Func<TOwner, int> get, int? otherwise = null,
        int least = 1, AttributeRole role = AttributeRole.Other, Func<TOwner, int>? multipleOf = null,
        string? formerName = null)
        => new(name, role, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "whole number",
            RangeWord = $"[{least}, ∞)",
            IsInRange = value => value >= least,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Int(at),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            SmallerIn = layer => multipleOf?.Invoke((TOwner)layer) is > 1 and var unit
                ? Smaller(get((TOwner)layer) / unit, Math.Max(1, least / unit)).Select(value => value * unit)
                : Smaller(get((TOwner)layer), least),
            Drawer = draw => Math.Max(least, draw.Of(least, 1, 2, 3, 5, 8, 16, 17)),
        }, formerName);

    /// <summary>A real number.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer, an optimiser or a loss.</param>
    /// <param name="range">The values that it may have.</param>
    /// <param name="otherwise">The default; the attribute must be given where this is null.</param>
    /// <param name="summary">What it is, in a few words.</param>
    public static AttributeDeclaration<float> Number<TOwner>(string name, Func<TOwner, float> get, NumberInterval range,
        float? otherwise = null, string summary = "")
        => new(name, AttributeRole.Other, owner => get((TOwner)owner), otherwise, new()
        {
            TypeWord = "number",
            RangeWord = $"{range}",
            IsInRange = value => range.Contains(value),
            Reader = (json, at) => json.Optional(at) is null ? null : json.Number(at, 0),
            Writer = (json, at, value) => json.WriteNumber(at, value),
            SmallerIn = owner => otherwise is { } usual && get((TOwner)owner) != usual ? [usual] : [],
            Drawer = draw => (float)range.Inside(draw.Below(8) / 8f),
        })
        {
            Summary = summary,
            Interval = range,
        };

    /// <summary>A real number in double precision.</summary>
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
            SmallerIn = owner => otherwise is { } usual && get((TOwner)owner) != usual ? [usual] : [],
            Drawer = draw => range.Inside(draw.Below(8) / 8f),
        })
        {
            Summary = summary,
            Interval = range,
        };

    /// <summary>True or false.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer.</param>
    /// <param name="otherwise">The default.</param>
    /// <param name="simplest">The value of the simpler layer, which a failing case is shrunk to.</param>
    /// <param name="summary">What it is, in a few words.</param>
    /// <param name="formerName">The name that earlier files have, if another.</param>
    public static AttributeDeclaration<bool> Flag<TOwner>(string name, Func<TOwner, bool> get, bool otherwise,
        bool simplest = false, string summary = "", string? formerName = null)
        => new(name, AttributeRole.Other, layer => get((TOwner)layer), otherwise, new()
        {
            TypeWord = "flag",
            RangeWord = "true, false",
            IsInRange = _ => true,
            Reader = (json, at) => json.Optional(at) is null ? null : json.Flag(at, false),
            Writer = (json, at, value) => json.WriteBoolean(at, value),
            SmallerIn = layer => get((TOwner)layer) == simplest ? [] : [simplest],
            Drawer = draw => draw.OneIn(2),
        }, formerName)
        {
            Summary = summary,
        };

    /// <summary>Rows and columns: one number for both, or two.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer.</param>
    /// <param name="least">The smallest number of rows and of columns.</param>
    /// <param name="most">The largest.</param>
    /// <param name="otherwise">The default; the attribute must be given where this and the words are null.</param>
    /// <param name="otherwiseWords">The default in words, where the layer computes it.</param>
    /// <param name="role">What it is to the layer.</param>
    /// <param name="formerName">The name that earlier files have, if another.</param>
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
            Writer = (json, at, value) => WriteNumbers(json, at, value.H, value.W),
            SmallerIn = layer => Smaller(get((TOwner)layer), least),
            Drawer = draw => (least + draw.Below(3), least + draw.Below(3)),
        }, formerName);

    /// <summary>Rows and columns around a map: one number, two or four.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer.</param>
    /// <param name="most">The most on any side.</param>
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
                    WriteNumbers(json, at, value.Top, value.Left);
                else
                    WriteNumbers(json, at, value.Top, value.Left, value.Bottom, value.Right);
            },
            SmallerIn = layer => Smaller(get((TOwner)layer)),
            Drawer = draw => draw.OneIn(2)
                ? (draw.Below(3), draw.Below(3))
                : (draw.Below(3), draw.Below(3), draw.Below(3), draw.Below(3)),
        });

    /// <summary>One of several words.</summary>
    /// <param name="name">The name, as files have it.</param>
    /// <param name="get">Its value in a layer.</param>
    /// <param name="words">The words with their values.</param>
    /// <param name="otherwise">The default.</param>
    /// <param name="formerFlag">The flag that earlier files have instead, and what it stands for.</param>
    public static AttributeDeclaration<T> Choice<TOwner, T>(string name, Func<TOwner, T> get,
        IReadOnlyList<(string Word, T Value)> words, T otherwise, (string Name, T Value)? formerFlag = null)
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
            SmallerIn = layer => get((TOwner)layer).Equals(otherwise) ? [] : [otherwise],
            Drawer = draw => draw.Of([.. words.Select(each => each.Value)]),
            Words = WordOf,
        }, formerFlag?.Name);
    }

    /// <summary>Smaller numbers: the least, half, one less.</summary>
    public static IEnumerable<int> Smaller(int value, int least)
        => new[] { least, value / 2, value - 1 }.Where(v => v >= least && v < value).Distinct();

    /// <summary>The value that a layer has.</summary>
    public abstract object ValueOf(object owner);

    /// <summary>The value that a layer has, in words.</summary>
    internal abstract string TextOf(object owner);

    /// <summary>Writes the value that a layer has.</summary>
    public abstract void Write(Utf8JsonWriter json, object owner);

    /// <summary>Reads a value; null where the default stands for it.</summary>
    /// <exception cref="InvalidDataException">The value is of another type, or missing.</exception>
    public abstract object? Read(JsonReader json);

    /// <summary>Smaller values than the one that a layer has, the boldest step first.</summary>
    public abstract IEnumerable<object> Smaller(object owner);

    /// <summary>A value of the range.</summary>
    internal abstract object Draw(RandomDraw draw);

    private static void WriteNumbers(Utf8JsonWriter json, string at, params ReadOnlySpan<int> numbers)
    {
        json.WriteStartArray(at);
        foreach (int number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    // None, as much on opposite sides, and less on one side after another.
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

/// <summary>An attribute whose values have a type.</summary>
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

    /// <summary>The default; null where the attribute must be given, or the layer computes it.</summary>
    public T? Otherwise { get; }

    /// <inheritdoc/>
    public override string Type => _rules.TypeWord;

    /// <inheritdoc/>
    public override string? Default => _rules.DefaultWords ?? (Otherwise is { } value ? Text(value) : null);

    /// <inheritdoc/>
    public override string Range => _rules.RangeWord;

    /// <summary>The value, if it is in the range: for the layer's constructor.</summary>
    /// <param name="kind">The kind of the layer.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public T Check(string kind, T value) => _rules.IsInRange(value)
        ? value
        : throw new ArgumentOutOfRangeException(Name, $"{kind}: {Name} {Text(value)} is not in {Range}.");

    /// <inheritdoc/>
    public override object ValueOf(object owner) => _get(owner);

    /// <inheritdoc/>
    internal override string TextOf(object owner) => Text(_get(owner));

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json, object owner) => _rules.Writer(json, Name, _get(owner));

    /// <inheritdoc/>
    public override object? Read(JsonReader json)
        => _rules.Reader(json, Name)
            ?? (FormerName is null ? null : _rules.Reader(json, FormerName))
            ?? (Default is null ? throw json.Error($"\"{Name}\" is missing.") : (object?)null);

    /// <inheritdoc/>
    public override IEnumerable<object> Smaller(object owner)
        => _rules.SmallerIn(owner).Select(value => (object)value);

    /// <inheritdoc/>
    internal override object Draw(RandomDraw draw) => _rules.Drawer(draw);

    private string Text(T value) => _rules.Words?.Invoke(value)
        ?? (value is bool flag ? (flag ? "true" : "false") : Convert.ToString(value, CultureInfo.InvariantCulture)!);
}

/// <summary>What a type of attribute is in words, in files and in cases.</summary>
internal sealed class AttributeRules<T>
    where T : struct
{
    public required string TypeWord { get; init; }

    public required string RangeWord { get; init; }

    public required Func<T, bool> IsInRange { get; init; }

    public required Func<JsonReader, string, T?> Reader { get; init; }

    public required Action<Utf8JsonWriter, string, T> Writer { get; init; }

    public required Func<object, IEnumerable<T>> SmallerIn { get; init; }

    public required Func<RandomDraw, T> Drawer { get; init; }

    public string? DefaultWords { get; init; }

    public Func<T, string>? Words { get; init; }
}

/// <summary>An interval of real numbers, as <c>[0, 1)</c>; its end may be infinite.</summary>
/// <param name="Least">Its lower end.</param>
/// <param name="Most">Its upper end.</param>
/// <param name="HasLeast">Whether the lower end belongs to it.</param>
/// <param name="HasMost">Whether the upper end belongs to it; never where it is infinite.</param>
public readonly record struct NumberInterval(double Least, double Most, bool HasLeast, bool HasMost)
{
    /// <summary>From 0 on: [0, ∞).</summary>
    public static NumberInterval FromZero { get; } = new(0, double.PositiveInfinity, HasLeast: true, HasMost: false);

    /// <summary>Above 0: (0, ∞).</summary>
    public static NumberInterval AboveZero { get; } = new(0, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>From 0 to below 1: [0, 1).</summary>
    public static NumberInterval BelowOne { get; } = new(0, 1, HasLeast: true, HasMost: false);

    /// <summary>Any finite number.</summary>
    public static NumberInterval Finite { get; }
        = new(double.NegativeInfinity, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>In words, as <c>a number from 0 to below 1</c>.</summary>
    internal string Words
    {
        get
        {
            if (this == Finite)
                return "a finite number";
            string least = $"{(HasLeast ? "from" : "above")} {Text(Least)}";
            return double.IsPositiveInfinity(Most)
                ? $"a finite number {least}{(HasLeast ? " on" : "")}"
                : $"a number {least} to {(HasMost ? "" : "below ")}{Text(Most)}";
        }
    }

    /// <summary>Whether a number is inside.</summary>
    public bool Contains(double value)
        => (HasLeast ? value >= Least : value > Least) && (HasMost ? value <= Most : value < Most);

    /// <summary>As <c>(0, 1]</c>.</summary>
    public override string ToString() => $"{(HasLeast ? '[' : '(')}{Text(Least)}, {Text(Most)}{(HasMost ? ']' : ')')}";

    // A number of the interval, a share of the way through it.
    internal double Inside(float share)
    {
        double least = double.IsFinite(Least) ? Least : -1;
        double most = double.IsFinite(Most) ? Most : Math.Max(least, 0) + 1, value = least + (most - least) * share;
        return Contains(value) ? value : (least + most) / 2;
    }

    private static string Text(double value) => double.IsPositiveInfinity(value) ? "∞"
        : double.IsNegativeInfinity(value) ? "−∞" : value.ToString(CultureInfo.InvariantCulture);
}
