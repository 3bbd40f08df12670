using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>A table of other people's names for parameters.</summary>
/// <remarks>The file is JSON: <c>{ "format": "convnet-names", "version": 1, "names": { "module.*": "*",
/// "head.weight": "fc.weight", "ema.*": null } }</c>. A star stands for any characters, once in each name. The first
/// name that fits counts; null leaves the tensor out. Other names stay as they are.</remarks>
public sealed class WeightNames
{
    private const string Format = "convnet-names";

    private readonly List<(string From, string? To)> _rules = [];

    private WeightNames()
    {
    }

    /// <summary>Reads a table.</summary>
    /// <param name="path">The path of the file.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">The file is no such table; the message says where and why.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static WeightNames Read(string path)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.Bytes(path, "table of names"), path);
        var json = new JsonReader(document.RootElement, path);
        json.CheckFormat(Format, 1, "table of names");
        var names = new WeightNames();
        JsonElement table = json.Optional("names") is { ValueKind: JsonValueKind.Object } found ? found
            : throw json.Error("\"names\" is missing; it must be an object of names.");
        json.RejectOthers();
        foreach (JsonProperty rule in table.EnumerateObject())
            names.Add(rule, json);
        return names;
    }

    /// <summary>Returns the name here of a tensor; null if it is left out.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    public string? Of(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach ((string from, string? to) in _rules)
        {
            int star = from.IndexOf('*', StringComparison.Ordinal);
            if (star < 0 && name == from)
                return to;
            if (star < 0 || name.Length < from.Length - 1
                || !name.StartsWith(from[..star], StringComparison.Ordinal)
                || !name.EndsWith(from[(star + 1)..], StringComparison.Ordinal))
                continue;
            return to?.Replace("*", name[star..(name.Length - (from.Length - 1 - star))], StringComparison.Ordinal);
        }
        return name;
    }

    private void Add(JsonProperty rule, JsonReader json)
    {
        string? to = rule.Value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => rule.Value.GetString()!,
            _ => throw json.Error($"\"names\" has {Excerpt.Of(rule.Value.GetRawText())} for "
                + $"\"{Excerpt.Of(rule.Name)}\"; it must be a name, or null to leave the tensor out."),
        };
        int stars = rule.Name.Count(c => c == '*');
        if (rule.Name.Length == 0 || stars > 1 || to?.Count(c => c == '*') > stars)
            throw json.Error($"\"names\" has \"{Excerpt.Of(rule.Name)}\" for \"{Excerpt.Of(to)}\"; a name has at most "
                + "one star, and the one that it becomes no more than it.");
        _rules.Add((rule.Name, to));
    }
}
