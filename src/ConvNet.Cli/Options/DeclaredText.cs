using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>Declared kinds with their attributes as the words of a command, such as
/// <c>randomcrop:padding=2,paddingMode=reflect</c>.</summary>
internal static class DeclaredText
{
    /// <summary>Creates an instance from text.</summary>
    /// <param name="kinds">The kinds.</param>
    /// <param name="what">The kind of the kinds, as files call it, such as <c>transform</c>.</param>
    /// <param name="option">The option, for error messages.</param>
    /// <param name="text">The kind and, after a colon, its attributes, separated by commas.</param>
    /// <param name="usual">Returns the text of an attribute that is not given; null for its own default.</param>
    /// <exception cref="ArgumentException">There is no such kind or attribute, or a value is invalid.</exception>
    public static T Parse<T>(KindSet<T> kinds, string what, string option, string text,
        Func<AttributeDeclaration, string?>? usual = null)
        where T : class
    {
        string[] parts = text.Split(':', 2);
        string place = $"{option} {text}";
        Declaration<T> kind = kinds.Declarations.FirstOrDefault(each => each.Kind == parts[0])
            ?? throw new ArgumentException($"{place}: {NearMisses.NoSuch(what, parts[0],
                kinds.Declarations.Select(each => each.Kind)).Message}");
        var attributes = new JsonObject { [what] = kind.Kind };
        foreach (AttributeDeclaration attribute in kind.Attributes)
        {
            if (usual?.Invoke(attribute) is { } value)
                attributes[attribute.Name] = ValueOf(attribute, value);
        }
        foreach (string given in parts.Length == 1 ? [] : Split(parts[1]))
            Set(attributes, kind, given, place, null);
        return Read(kinds, attributes, place);
    }

    /// <summary>Changes attributes of an instance.</summary>
    /// <param name="kinds">The kinds.</param>
    /// <param name="what">The kind of the kinds, as files call it.</param>
    /// <param name="option">The option that gives the attributes.</param>
    /// <param name="owner">The instance.</param>
    /// <param name="kind">Its kind.</param>
    /// <param name="changes">The attributes, such as <c>labelSmoothing=0.1</c>.</param>
    /// <exception cref="ArgumentException">There is no such attribute, or a value is invalid.</exception>
    public static T With<T>(KindSet<T> kinds, string what, string option, T owner, Declaration<T> kind,
        IEnumerable<string> changes)
        where T : class
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString(what, kind.Kind);
            kind.Write(json, owner);
            json.WriteEndObject();
        }
        JsonObject all = JsonNode.Parse(buffer.ToArray())!.AsObject();
        foreach (string change in changes)
        {
            string name = change.Split('=')[0];
            Set(all, kind, change, $"{option} {change}",
                kind.Attributes.FirstOrDefault(each => each.Name == name)?.TextOf(owner));
        }
        return Read(kinds, all, option);
    }

    /// <summary>Returns the kind and the attributes that differ from the defaults.</summary>
    /// <param name="owner">The instance.</param>
    /// <param name="kind">Its kind.</param>
    /// <param name="beforeFirst">What precedes the first attribute.</param>
    /// <param name="between">What separates the attributes.</param>
    public static string TextOf<T>(T owner, Declaration<T> kind, char beforeFirst = ':', char between = ',')
        where T : class
    {
        string attributes = string.Join(between, kind.Attributes.Where(each => each.TextOf(owner) != each.Default)
            .Select(each => $"{each.Name}={each.TextOf(owner)}"));
        return attributes.Length == 0 ? kind.Kind : $"{kind.Kind}{beforeFirst}{attributes}";
    }

    // A comma separates attributes, and also the numbers of one attribute.
    private static List<string> Split(string attributes)
    {
        var all = new List<string>();
        foreach (string word in attributes.Split(','))
        {
            if (all.Count > 0 && !word.Contains('=', StringComparison.Ordinal))
                all[^1] += $",{word}";
            else
                all.Add(word);
        }
        return all;
    }

    private static void Set<T>(JsonObject attributes, Declaration<T> kind, string given, string place, string? example)
        where T : class
    {
        string[] parts = given.Split('=', 2);
        AttributeDeclaration attribute = kind.Attributes.FirstOrDefault(each => each.Name == parts[0])
            ?? throw new ArgumentException($"{place}: {kind.Kind} has "
                + (kind.Attributes.Count == 0 ? "no attributes. Omit it." : "the attributes "
                    + $"{string.Join(", ", kind.Attributes.Select(each => each.Name))}."));
        if (parts.Length == 1)
            throw new ArgumentException($"{place}: give the attribute a value, as in {attribute.Name}="
                + $"{attribute.Default ?? example ?? "1"}.");
        attributes[attribute.Name] = ValueOf(attribute, parts[1]);
    }

    private static T Read<T>(KindSet<T> kinds, JsonObject attributes, string place)
        where T : class
    {
        try
        {
            using JsonDocument document = JsonReader.Parse(Encoding.UTF8.GetBytes(attributes.ToJsonString()), place);
            return kinds.Read(new JsonReader(document.RootElement, place));
        }
        catch (InvalidDataException error)
        {
            throw new ArgumentException(error.Message, error);
        }
    }

    private static JsonNode? ValueOf(AttributeDeclaration attribute, string text) => attribute.Type switch
    {
        "weights" => Numbers(text, ','),
        "bounds" when text.Contains(',', StringComparison.Ordinal) => Numbers(text, ','),
        "size" when text.AsSpan().ContainsAny('x', '×') => Numbers(text.Replace('×', 'x'), 'x'),
        "word" => JsonValue.Create(text),
        _ => ValueOf(text),
    };

    private static JsonArray Numbers(string text, char separator) => [.. text.Split(separator).Select(ValueOf)];

    // Text that is neither a number nor a flag is refused where the attribute is read.
    private static JsonNode? ValueOf(string text) => bool.TryParse(text, out bool flag) ? JsonValue.Create(flag)
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int whole)
            ? JsonValue.Create(whole)
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(text);
}
