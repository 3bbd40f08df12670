using System.CommandLine;
using ConvNet.Models;
using ConvNet.Summaries;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet models</c>: lists the built-in networks.</summary>
internal sealed class ModelsVerb : Verb
{
    public ModelsVerb() : base("models", "Lists the built-in networks with image size, parameters and multiply-adds.",
        "models", "models --json")
    {
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        (BuiltInModel Model, ModelSummary Summary)[] models
            = [.. BuiltInModels.All.Select(model => (model, ModelSummary.Of(model.Create())))];
        if (!terminal.Json)
        {
            var table = new TextTable(1, ["model", "images", .. TableHead.Figures("classes", "parameters",
                "multiply adds"), "source"]);
            foreach ((BuiltInModel model, ModelSummary summary) in models)
                table.Add(model.Name, $"{model.Input}", $"{model.Classes}", $"{summary.Parameters:N0}",
                    $"{summary.MultiplyAdds:N0}", model.Source);
            terminal.People.Write(table);
        }
        terminal.WriteJson(new
        {
            models = models.Select(each => new
            {
                each.Model.Name,
                input = (int[])[each.Model.Input.C, each.Model.Input.H, each.Model.Input.W],
                each.Model.Classes,
                each.Summary.Parameters,
                each.Summary.MultiplyAdds,
                each.Model.Source,
            }),
        });
        return ExitCode.Ok;
    }
}
