using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>The JSON schema of graph files, from the declarations of the layers.</summary>
internal static class GraphSchema
{
    private const string Shape = "shape", Input = "input";

    /// <summary>Returns the schema.</summary>
    /// <param name="layers">The layers that a file may name.</param>
    /// <param name="format">The value of <c>format</c>.</param>
    /// <param name="version">The value of <c>version</c>.</param>
    public static string Of(LayerSet layers, string format, int version)
        => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("$schema", "https://json-schema.org/draft/2020-12/schema");
        json.WriteString("title", "A network of ConvNative: a graph of layers");
        WriteRoot(json, layers, format, version);
        json.WriteStartObject("$defs");
        WriteShape(json);
        WriteInput(json);
        foreach (LayerDeclaration layer in layers.Declarations)
            WriteLayer(json, layer);
        json.WriteEndObject();
        json.WriteEndObject();
    }, JsonText.ForPeople);

    private static void WriteRoot(Utf8JsonWriter json, LayerSet layers, string format, int version)
    {
        Object(json, ["format", "version", "nodes"], () =>
        {
            Property(json, "$schema", () => json.WriteString("type", "string"));
            Property(json, "format", () => json.WriteString("const", format));
            Property(json, "version", () => json.WriteNumber("const", version));
            Property(json, "input", () => Refer(json, Shape));
            Property(json, "nodes", () =>
            {
                json.WriteString("type", "array");
                json.WriteNumber("minItems", 1);
                json.WriteStartObject("items");
                json.WriteStartArray("anyOf");
                foreach (string each in layers.Declarations.Select(layer => layer.Kind).Prepend(Input))
                {
                    json.WriteStartObject();
                    Refer(json, each);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            });
            Property(json, "outputs", () => WriteNames(json, 1));
        });
    }

    private static void WriteShape(Utf8JsonWriter json) => Property(json, Shape, () =>
    {
        json.WriteString("description", "Channels, rows and columns.");
        json.WriteString("type", "array");
        json.WriteStartObject("items");
        json.WriteString("type", "integer");
        json.WriteNumber("minimum", 1);
        json.WriteEndObject();
        json.WriteNumber("minItems", 3);
        json.WriteNumber("maxItems", 3);
    });

    private static void WriteInput(Utf8JsonWriter json) => Property(json, Input, () =>
    {
        json.WriteString("description", "An input of the graph.");
        Object(json, ["input"], () =>
        {
            Property(json, "name", () => json.WriteString("type", "string"));
            Property(json, "input", () => Refer(json, Shape));
        });
    });

    private static void WriteLayer(Utf8JsonWriter json, LayerDeclaration layer) => Property(json, layer.Kind, () =>
    {
        json.WriteString("description", layer.Summary);
        AttributeDeclaration[] required = [.. layer.Attributes.Where(attribute => attribute.Default is null)];
        Object(json, ["layer", .. required.Where(each => each.FormerName is null).Select(each => each.Name)], () =>
        {
            Property(json, "name", () => json.WriteString("type", "string"));
            Property(json, "layer", () =>
            {
                json.WriteStartArray("enum");
                json.WriteStringValue(layer.Kind);
                foreach (string former in layer.FormerKinds)
                    json.WriteStringValue(former);
                json.WriteEndArray();
            });
            Property(json, "inputs", () => WriteNames(json, 0));
            foreach (AttributeDeclaration attribute in layer.Attributes)
                attribute.WriteSchema(json);
        });
        WriteEither(json, [.. required.Where(each => each.FormerName is not null)]);
    });

    // A required attribute may have its former name.
    private static void WriteEither(Utf8JsonWriter json, AttributeDeclaration[] attributes)
    {
        if (attributes.Length == 0)
            return;
        json.WriteStartArray("allOf");
        foreach (AttributeDeclaration attribute in attributes)
        {
            json.WriteStartObject();
            json.WriteStartArray("anyOf");
            foreach (string name in (string[])[attribute.Name, attribute.FormerName!])
            {
                json.WriteStartObject();
                WriteRequired(json, [name]);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void Object(Utf8JsonWriter json, IEnumerable<string> required, Action properties)
    {
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        properties();
        json.WriteEndObject();
        WriteRequired(json, required);
        json.WriteBoolean("additionalProperties", false);
    }

    private static void Property(Utf8JsonWriter json, string name, Action schema)
    {
        json.WriteStartObject(name);
        schema();
        json.WriteEndObject();
    }

    private static void WriteRequired(Utf8JsonWriter json, IEnumerable<string> names)
    {
        json.WriteStartArray("required");
        foreach (string name in names)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }

    private static void WriteNames(Utf8JsonWriter json, int fewest)
    {
        json.WriteString("type", "array");
        json.WriteStartObject("items");
        json.WriteString("type", "string");
        json.WriteEndObject();
        json.WriteNumber("minItems", fewest);
    }

    private static void Refer(Utf8JsonWriter json, string name) => json.WriteString("$ref", $"#/$defs/{name}");
}
