using System.CommandLine;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet schema</c>: prints the JSON schema of model files.</summary>
internal sealed class SchemaVerb : Verb
{
    public SchemaVerb() : base("schema", "Prints the JSON schema of model files, from the declarations of the layers. "
        + "Editors check and complete a file by it.",
        "schema > graph.schema.json")
    {
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        terminal.WriteDocument(GraphJson.Schema());
        return ExitCode.Ok;
    }
}
