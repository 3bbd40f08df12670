using System.CommandLine;
using ConvNet.Cli.Inspect;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet inspect</c>: what a file holds.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string> _file;

    public InspectVerb() : base("inspect", "Tells what a file holds: a saved model, weights, an ONNX model, a graph, "
        + "data.",
        "inspect digits.safetensors",
        "inspect resnet18.pt --json")
        => _file = FileArgument("FILE", "The file, or a folder of checkpoints or of data. The values of tensors are "
            + "not kept in memory.");

    public override int Run(ParseResult command, Terminal terminal)
    {
        string file = command.GetValue(_file)!;
        Inspection found = FileInspector.Of(file);
        terminal.People.WriteLine($"{file}: {found.Kind}");
        var facts = new TextTable(1, "fact", TableHead.Prose("value"));
        foreach ((string name, string value) in found.Facts)
            facts.Add(name, value);
        if (found.Facts.Count > 0)
            terminal.People.Write(facts);
        if (found.Tensors.Count > 0)
        {
            var table = new TextTable(1, ["tensor", "type", "shape", TableHead.Figure("values")]);
            foreach (InspectedTensor tensor in found.Tensors)
                table.Add(Excerpt.Of(tensor.Name), tensor.Type, string.Join('×', tensor.Shape), $"{tensor.Count:N0}");
            terminal.People.Write(table);
        }
        terminal.WriteJson(new
        {
            file,
            kind = found.Kind,
            facts = found.Facts.Select(fact => new { fact.Name, fact.Value }),
            tensors = found.Tensors.Select(tensor => new { tensor.Name, tensor.Type, tensor.Shape }),
        });
        return ExitCode.Ok;
    }
}
