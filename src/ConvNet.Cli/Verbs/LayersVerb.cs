using System.CommandLine;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet layers</c>: lists the layers of model files with their attributes, from their
/// declarations.</summary>
internal sealed class LayersVerb : Verb
{
    public LayersVerb() : base("layers",
        "Lists the layers of model files with type, default and range of each attribute.", "layers --json")
    {
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        IReadOnlyList<LayerDeclaration> layers = LayerSet.BuiltIn.Declarations;
        if (!terminal.Json)
            terminal.People.Write(TableOf(layers));
        terminal.WriteJson(new
        {
            layers = layers.Select(layer => new
            {
                layer = layer.Kind,
                layer.Summary,
                attributes = layer.Attributes.Select(attribute => new
                {
                    attribute.Name,
                    attribute.Type,
                    attribute.Default,
                    attribute.Range,
                }),
            }),
        });
        return ExitCode.Ok;
    }

    /// <summary>Creates a table with a row for each attribute, and one for each layer without attributes.</summary>
    internal static TextTable TableOf(IEnumerable<LayerDeclaration> layers)
    {
        var table = new TextTable(2, "layer", "attribute", "type", "default", "range", TableHead.Prose("computes"));
        foreach (LayerDeclaration layer in layers)
        {
            if (layer.Attributes.Count == 0)
                table.Add(layer.Kind, "", "", "", "", layer.Summary);
            for (int i = 0; i < layer.Attributes.Count; i++)
            {
                AttributeDeclaration attribute = layer.Attributes[i];
                table.Add(layer.Kind, attribute.Name, attribute.Type, attribute.Default ?? "required", attribute.Range,
                    i == 0 ? layer.Summary : "");
            }
        }
        return table;
    }
}
