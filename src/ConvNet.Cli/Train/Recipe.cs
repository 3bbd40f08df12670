using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConvNet.Cli.Verbs;
using ConvNet.Serialization;

namespace ConvNet.Cli.Train;

/// <summary>The options that make a training what it is, as JSON.</summary>
/// <remarks>
/// <c>{ "format": "convnet-recipe", "version": 1, "data": "digits", "epochs": "5", "flip": true,
/// "augment": ["cutout:size=4"] }</c>. Each property is an option of <c>train</c> without its dashes: true for an
/// option without a value, a text or a number for one value, a list for several. Files that are written, and what does
/// not influence the result, are not part of it.
/// </remarks>
internal static class Recipe
{
    private const string Format = "convnet-recipe", FormatName = "format", VersionName = "version", Dashes = "--";
    private const int Version = 1;

    // Where results go, where a training begins again, and what does not change a result.
    private static readonly string[] s_others = ["--recipe", "--save", "--checkpoint", "--every", "--keep", "--resume",
        "--report", "--markdown", "--log", "--log-norms", "--no-log-pictures", "--tensorboard", "--serve",
        "--serve-address", "--threads", "--workers", "--max-time"];

    // Always part of a recipe, so that it says what was trained on what for how long.
    private static readonly string[] s_always = ["--data", "--epochs", "--batch", "--seed"];

    /// <summary>Returns the recipe of a command: that of the resumed training, changed by the options that the command
    /// gives.</summary>
    /// <param name="command">The command.</param>
    /// <param name="resumed">The recipe of the resumed training; null for a new training.</param>
    public static string Of(ParseResult command, string? resumed)
    {
        JsonObject recipe = resumed is null ? new JsonObject { [FormatName] = Format, [VersionName] = Version }
            : JsonNode.Parse(resumed)!.AsObject();
        foreach (Option option in command.CommandResult.Command.Options
            .Where(option => !s_others.Contains(option.Name)))
        {
            if (Verb.IsGiven(command, option))
                recipe[option.Name[Dashes.Length..]] = ValueOf(option,
                    [.. command.GetResult(option)!.Tokens.Select(token => token.Value)]);
            else if (resumed is null && s_always.Contains(option.Name))
                recipe[option.Name[Dashes.Length..]] = FormattableString.Invariant($"{option.GetDefaultValue()}");
        }
        return recipe.ToJsonString();
    }

    /// <summary>Reads a recipe file.</summary>
    /// <param name="path">The path.</param>
    /// <param name="verb">The verb.</param>
    /// <param name="isGiven">Whether the command gives an option itself.</param>
    /// <returns>The words of a command line, without those that the command gives itself.</returns>
    /// <exception cref="InvalidDataException">The file is no recipe; the message says where and why.</exception>
    public static string[] ReadFile(string path, Command verb, Func<Option, bool> isGiven)
        => Words(InputFile.Text(path, "recipe"), path, verb, isGiven);

    /// <summary>Reads a recipe.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="source">Where it is from, for error messages.</param>
    /// <param name="verb">The verb.</param>
    /// <param name="isGiven">Whether the command gives an option itself.</param>
    /// <inheritdoc cref="ReadFile" path="/returns"/>
    /// <inheritdoc cref="ReadFile" path="/exception"/>
    public static string[] Words(string text, string source, Command verb, Func<Option, bool> isGiven)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, source), source);
        var json = new JsonReader(document.RootElement, source);
        json.CheckFormat(Format, Version, "a recipe");
        var words = new List<string>();
        string[] names = [.. verb.Options.Select(option => option.Name)];
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            if (property.Name is FormatName or VersionName)
                continue;
            string name = Dashes + property.Name;
            Option option = verb.Options.FirstOrDefault(option => option.Name == name)
                ?? throw json.Error($"\"{Excerpt.Of(property.Name)}\" is no option of {verb.Name}."
                    + NearMisses.Question(name, names));
            if (s_others.Contains(name))
                throw json.Error($"\"{property.Name}\" is not part of a recipe. Give {name} on the command line.");
            if (!isGiven(option))
                words.AddRange(Words(option, property, json));
        }
        return [.. words];
    }

    private static IEnumerable<string> Words(Option option, JsonProperty property, JsonReader json)
    {
        JsonElement value = property.Value;
        if (value.ValueKind == JsonValueKind.False && option.ValueType == typeof(bool))
            return [];
        if (value.ValueKind == JsonValueKind.True && option.ValueType == typeof(bool))
            return [option.Name];
        string[] values = value.ValueKind switch
        {
            JsonValueKind.String => [value.GetString()!],
            JsonValueKind.Number => [value.GetRawText()],
            JsonValueKind.Array => [.. value.EnumerateArray().Select(each => each.ValueKind == JsonValueKind.String
                ? each.GetString()! : each.GetRawText())],
            _ => [],
        };
        return option.ValueType != typeof(bool) && values.Length > 0 ? values.Prepend(option.Name)
            : throw json.Error($"\"{property.Name}\" is {Excerpt.Of(value.GetRawText())}; it takes "
                + (option.ValueType == typeof(bool) ? "true or false." : "a text, a number or a list of them."));
    }

    private static JsonNode ValueOf(Option option, string[] values) => values switch
    {
        _ when option.ValueType == typeof(bool) => JsonValue.Create(true),
        [var only] when option.ValueType != typeof(string[]) => JsonValue.Create(only),
        _ => new JsonArray([.. values.Select(value => (JsonNode)JsonValue.Create(value))]),
    };
}
