using System.CommandLine;
using ConvNet.Diagnostics;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet summary</c>: the layers of a network with the sizes and costs of each.</summary>
internal sealed class SummaryVerb : Verb
{
    private readonly Option<string> _model;
    private readonly Option<string?> _input;

    public SummaryVerb() : base("summary", "Prints the layers of a network with their sizes and costs, for one image.",
        "summary --model lenet5",
        "summary --model resnet18 --input 3x256x256 --json")
    {
        _model = WithDefault("--model", ModelChoice.Description, "digits", "MODEL");
        _input = Optional<string>("--input", "Channels, rows and columns of an image, as 3x32x32; the model's own unless given.", "CxHxW");
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        Shape? input = command.GetValue(_input) is { } text ? Shape.Parse(text) : null;
        var summary = ModelSummary.Of(ModelChoice.Open(command.GetValue(_model)!, input));
        if (!terminal.Json)
        {
            terminal.People.WriteLine($"{command.GetValue(_model)} on {summary.Input} images, one image in float32");
            Tables.Write(terminal.People, summary);
        }
        terminal.WriteJson(new
        {
            model = command.GetValue(_model),
            input = Sizes(summary.Input),
            layers = summary.Layers.Select(layer => new
            {
                layer.Name,
                layer.Type,
                layer.Inputs,
                output = Sizes(layer.Output),
                layer.Formula,
                layer.Weights,
                layer.Biases,
                layer.Parameters,
                receptiveField = Math.Max(layer.ReceptiveField.H, layer.ReceptiveField.W),
                receptiveFieldSize = (int[])[layer.ReceptiveField.H, layer.ReceptiveField.W],
                layer.MultiplyAdds,
                layer.ActivationBytes,
            }),
            totals = new { summary.Weights, summary.Biases, summary.Parameters, summary.MultiplyAdds, summary.ActivationBytes },
        });
        return App.Ok;
    }

    private static int[] Sizes(Shape shape) => [shape.C, shape.H, shape.W];
}
