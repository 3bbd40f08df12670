using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace ConvNet.Tests.Docs;

/// <summary>The schemas of three CI systems; see Schemas/README.md.</summary>
internal static class RecipeSchemas
{
    /// <summary>The schema of each system, by the name that the documentation gives it.</summary>
    public static IReadOnlyDictionary<string, JsonSchema> All { get; } = new Dictionary<string, JsonSchema>
    {
        ["GitHub Actions"] = JsonSchema.FromText(OfTemplate(TextOf("github-workflow-v1.0.json"),
            "workflow-root-strict")),
        ["GitLab CI"] = JsonSchema.FromText(TextOf("gitlab-ci.json")),
        ["Azure Pipelines"] = JsonSchema.FromText(TextOf("azure-pipelines.json")),
    };

    /// <summary>Returns what is wrong with a YAML document; empty if it is valid.</summary>
    public static IReadOnlyList<string> Errors(string system, string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        EvaluationResults results = All[system].Evaluate(
            JsonSerializer.SerializeToElement(NodeOf(stream.Documents.Single().RootNode)),
            new EvaluationOptions { OutputFormat = OutputFormat.List });
        return results.IsValid ? [] : [.. (results.Details ?? []).Where(detail => detail.Errors is not null)
            .SelectMany(detail => detail.Errors!.Values.Select(error => $"{detail.InstanceLocation}: {error}"))
            .DefaultIfEmpty("not valid")];
    }

    private static string TextOf(string name)
        => File.ReadAllText(Repository.Path("tests", "ConvNet.Tests", "Docs", "Schemas", name));

    private static JsonNode? NodeOf(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Select(pair => KeyValuePair.Create(
            ((YamlScalarNode)pair.Key).Value!, NodeOf(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(NodeOf)]),
        YamlScalarNode { Style: ScalarStyle.Plain, Value: var plain } => ValueOf(plain!),
        _ => JsonValue.Create(((YamlScalarNode)node).Value),
    };

    // The core schema of YAML 1.2: null, true and false, numbers, otherwise text.
    private static JsonValue? ValueOf(string plain) => plain switch
    {
        "" or "~" or "null" => null,
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ when double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            => JsonValue.Create(number),
        _ => JsonValue.Create(plain),
    };

    // GitHub describes workflows in a language of its own: a scalar may stand for a string, and an expression for
    // whatever is computed when the workflow runs.
    private static string OfTemplate(string text, string root)
    {
        JsonObject definitions = JsonNode.Parse(text)!["definitions"]!.AsObject();
        var schemas = new JsonObject
        {
            ["any"] = new JsonObject(),
            ["null"] = new JsonObject { ["type"] = "null" },
            ["boolean"] = new JsonObject { ["type"] = "boolean" },
            ["number"] = new JsonObject { ["type"] = "number" },
            ["string"] = Scalar(),
            ["sequence"] = new JsonObject { ["type"] = "array" },
            ["mapping"] = new JsonObject { ["type"] = "object" },
        };
        foreach ((string name, JsonNode? definition) in definitions)
        {
            JsonObject schema = OfDefinition(definition!.AsObject());
            schemas[name] = definition["context"] is null ? schema
                : new JsonObject { ["anyOf"] = new JsonArray(schema, Expression()) };
        }
        return new JsonObject
        {
            ["$schema"] = "http://json-schema.org/draft-07/schema#",
            ["allOf"] = new JsonArray(Reference(root)),
            ["definitions"] = schemas,
        }.ToJsonString();
    }

    private static JsonObject OfDefinition(JsonObject definition)
    {
        foreach ((string kind, JsonNode? what) in definition)
        {
            switch (kind)
            {
                case "null" or "boolean" or "number":
                    return new JsonObject { ["type"] = kind };
                case "string":
                    return what!["constant"] is { } constant
                        ? new JsonObject { ["enum"] = new JsonArray(constant.DeepClone()) }
                        : what["require-non-empty"] is not null
                        ? new JsonObject { ["allOf"] = new JsonArray(Scalar()), ["minLength"] = 1 } : Scalar();
                case "allowed-values":
                    return new JsonObject { ["enum"] = what!.DeepClone() };
                case "one-of":
                    return new JsonObject
                    {
                        ["anyOf"] = new JsonArray([.. what!.AsArray().Select(each
                        => Reference((string)each!))])
                    };
                case "sequence":
                    return new JsonObject { ["type"] = "array", ["items"] = Reference((string)what!["item-type"]!) };
                case "mapping":
                    return OfMapping(what!.AsObject());
            }
        }
        throw new InvalidDataException($"The definition {definition.ToJsonString()} is of no known kind.");
    }

    private static JsonObject OfMapping(JsonObject mapping)
    {
        JsonObject properties = mapping["properties"]?.AsObject() ?? [];
        return new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject(properties.Select(each => KeyValuePair.Create(each.Key,
                (JsonNode?)Reference((string)(each.Value is JsonObject described
                    ? described["type"]! : each.Value!)!)))),
            ["required"] = new JsonArray([.. properties.Where(each => each.Value is JsonObject described
                && (bool?)described["required"] == true).Select(each => JsonValue.Create(each.Key))]),
            ["additionalProperties"] = mapping["loose-value-type"] is { } type ? Reference((string)type!)
                : JsonValue.Create(false),
        };
    }

    private static JsonObject Scalar() => new() { ["type"] = new JsonArray("string", "number", "boolean") };

    private static JsonObject Expression() => new() { ["type"] = "string", ["pattern"] = @"\$\{\{" };

    private static JsonObject Reference(string name) => new() { ["$ref"] = $"#/definitions/{name}" };
}
